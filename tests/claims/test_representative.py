import pandas as pd

from whitepatch.claims.representative import Chosen, of_experiment, of_variant


def history(*losses):
    """Two seeds, 7 and 3, of two epochs."""
    return pd.DataFrame(
        {
            "seed": [7, 7, 3, 3],
            "epoch": [1, 2, 1, 2],
            "validation_loss": losses,
            "test_loss": [4.0, 3.0, 2.0, 1.0],
        }
    )


def test_the_lowest_loss_of_all_seeds_and_epochs_stands_for_a_variant():
    assert of_variant(history(0.5, 0.4, 0.3, 0.9), "validation") == Chosen(3, 1, 0.3)
    assert of_variant(history(0.5, 0.4, 0.3, 0.9), "test") == Chosen(3, 2, 1.0)


def test_of_equals_the_first_counts():
    assert of_variant(history(0.5, 0.2, 0.2, 0.9), "validation") == Chosen(7, 2, 0.2)
    both = {"b": history(0.5, 0.2, 0.2, 0.9), "a": history(0.2, 0.5, 0.9, 0.9)}
    assert of_experiment(both, "validation") == Chosen(7, 2, 0.2, "b")


def test_the_lowest_variant_stands_for_the_experiment():
    both = {"b": history(0.5, 0.2, 0.2, 0.9), "a": history(0.3, 0.5, 0.9, 0.1)}
    assert of_experiment(both, "validation") == Chosen(3, 2, 0.1, "a")
