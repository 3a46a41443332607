"""How well the variants classify, and how they got there."""

__all__ = ["errors", "learning_curves"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from whitepatch.figures import style

MARKERS = "os^Dv*Px"
"""So that lines differ by more than colour."""


def errors(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw smallest test loss and test accuracy: a dot for each seed, a bar for the mean.

    Args:
        table: One row a variant and seed, with `variant`, `min_test_loss` and `accuracy`.
        titles: What to call each variant, in order from top to bottom.
    """
    figure = style.new(10, 0.9 + 0.5 * len(titles))
    left, right = figure.subplots(1, 2, sharey=True)
    _dots(left, table, "min_test_loss", titles)
    left.set(xlabel="smallest test loss (nats): lower is better", xscale="log")
    left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    left.xaxis.set_minor_formatter(NullFormatter())
    _dots(right, table, "accuracy", titles)
    right.set(xlabel="test accuracy: higher is better")
    left.set_yticks(range(len(titles)), list(titles.values()))
    left.invert_yaxis()
    return figure


def _dots(axes: Any, table: pd.DataFrame, column: str, titles: Mapping[str, str]) -> None:
    colours = style.colours(list(titles))
    for place, variant in enumerate(titles):
        values = table.loc[table["variant"] == variant, column].to_numpy()
        spread = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else [0.0]
        axes.plot(values, place + np.array(spread), "o", color=colours[variant], alpha=0.65, ms=5)
        axes.plot([values.mean()] * 2, [place - 0.32, place + 0.32], color=colours[variant], lw=3)
    axes.grid(visible=False, axis="y")


def learning_curves(histories: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> Figure:
    """Draw loss and accuracy by epoch: a line for the mean of the seeds, a band from least to most.

    Args:
        histories: By variant, one row a seed and epoch.
        titles: What to call each variant.
    """
    splits = [
        split
        for split in ("train", "validation", "test")
        if f"{split}_loss" in next(iter(histories.values()))
    ]
    colours = style.colours(list(titles))
    figure = style.new(3.6 * len(splits), 6.4)
    grid = figure.subplots(2, len(splits), sharex=True, sharey="row", squeeze=False)
    for row, kind in enumerate(("loss", "accuracy")):
        for column, split in enumerate(splits):
            axes = grid[row, column]
            for place, (variant, title) in enumerate(titles.items()):
                epochs = histories[variant].groupby("epoch")[f"{split}_{kind}"]
                mean, least, most = epochs.mean(), epochs.min(), epochs.max()
                axes.plot(
                    mean.index,
                    mean,
                    MARKERS[place % len(MARKERS)] + "-",
                    color=colours[variant],
                    label=title,
                )
                axes.fill_between(mean.index, least, most, color=colours[variant], alpha=0.12, lw=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if row == 0:
                axes.set(title=split, yscale="log")
            else:
                axes.set(xlabel="epoch")
    grid[0, 0].set_ylabel("loss (nats)")
    grid[1, 0].set_ylabel("accuracy")
    _legend(figure, grid[0, 0], len(titles))
    return figure


def _legend(figure: Figure, axes: Any, number: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(number, 3))
