import pandas as pd
import pytest
from helpers.results import results_of

from whitepatch.figures import palette
from whitepatch.report.dvc_tables import curves, summary


@pytest.fixture
def results(everything):
    return results_of(everything, ["cnn", "b"], num_seeds=3)


def test_summary_holds_means_over_seeds(results):
    for place, seed in enumerate(results.metrics["b"]["seeds"].values()):
        seed["min_test_loss"] = 0.125 * (place + 1)
        seed["test"] = {"accuracy": 0.5 + place / 4, "auc": 1.0, "loss": 0.11111}
        seed["maps"]["evidence"]["auc"] = [0.25, 0.5, 0.5][place]
        seed["untrained_maps"]["evidence"]["auc"] = 0.0
    found = summary(results)
    assert list(found) == ["cnn", "b"], "in the order of params.yaml"
    assert found["b"] == {
        "min_test_loss": 0.25,
        "loss": 0.1111,
        "accuracy": 0.75,
        "auc": 1.0,
        "evidence_auc": 0.4167,
    }


def history(*losses, validation=False):
    """Return a history of two seeds with these test losses, epoch by epoch."""
    frame = pd.DataFrame(
        {"seed": seed, "epoch": epoch, "train_loss": 1.0, "test_loss": loss + seed}
        for seed in (0, 1)
        for epoch, loss in enumerate(losses, 1)
    )
    return frame.assign(validation_loss=7.0) if validation else frame


def test_curves_hold_mean_least_and_most_of_the_seeds(results):
    found = curves(results, {"cnn": history(2, 3, 5, validation=True), "b": history(11, 13)})
    assert list(found["variant"].unique()) == ["<cnn>", "<b>"], "in order"
    colours = found.groupby("variant")["colour"].unique()
    for variant in ("cnn", "b"):
        assert list(colours[f"<{variant}>"]) == [palette.colour(variant)], "that of the figures"
    splits = found.groupby("variant")["split"].unique()
    assert list(splits["<cnn>"]) == ["train", "validation", "test"]
    assert list(splits["<b>"]) == ["train", "test"], "the article has no validation"
    test = found[(found["variant"] == "<cnn>") & (found["split"] == "test")]
    assert test[["epoch", "loss", "least", "most"]].to_numpy().tolist() == [
        [1, 2.5, 2, 3],
        [2, 3.5, 3, 4],
        [3, 5.5, 5, 6],
    ]
