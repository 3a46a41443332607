"""Which network stands for a variant, and which for an experiment.

The rule: of a variant the seed whose loss is lowest, at its chosen epoch, on the images that choose
the epoch; of an experiment the variant whose network has the lowest such loss. Of equals the first
in params.yaml. The images that choose are `validation`, never the test images, but where an
experiment has the article's own selection on test.
"""

__all__ = ["Chosen", "of_experiment", "of_variant"]

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd


@dataclass(frozen=True)
class Chosen:
    """A network that stands for others.

    Attributes:
        seed: Its seed.
        epoch: Its chosen epoch.
        loss: On the images that choose, nats.
        variant: Its variant, where it stands for an experiment.
    """

    seed: int
    epoch: int
    loss: float
    variant: str = ""


def of_variant(history: pd.DataFrame, choose: str) -> Chosen:
    """Return the network that stands for a variant.

    Args:
        history: One row for each seed and epoch, as training wrote it.
        choose: The split that chooses.
    """
    column = f"{choose}_loss"
    # argmin takes the first of equals
    row = history.iloc[int(history[column].to_numpy().argmin())]
    return Chosen(int(row["seed"]), int(row["epoch"]), float(row[column]))


def of_experiment(histories: Mapping[str, pd.DataFrame], choose: str) -> Chosen:
    """Return the network that stands for an experiment.

    Args:
        histories: Of each variant, in the order of params.yaml.
        choose: The split that chooses.
    """
    found = [
        replace(of_variant(history, choose), variant=variant)
        for variant, history in histories.items()
    ]
    return min(found, key=lambda one: one.loss)
