import pytest
from helpers.results import results_of

from whitepatch.report.views import summary


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
