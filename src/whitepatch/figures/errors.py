"""How well the variants classify, and how they got there."""

__all__ = ["errors", "errors_by_experiment", "learning_curves"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from whitepatch.claims.crossed import Crossed
from whitepatch.figures import palette, style

LINES = {"train": ":", "validation": "--", "test": "o-"}
"""How each split is drawn; the colour says the variant."""

DIAMOND: dict[str, Any] = {"marker": "D", "ls": "", "mfc": "white", "mec": style.INK, "ms": 7}
"""How the article's number is drawn."""


def errors(
    table: pd.DataFrame,
    titles: Mapping[str, str],
    primary: Mapping[str, Mapping[str, Crossed]],
) -> Figure:
    """Draw test loss and accuracy of the chosen epoch: a dot for each seed, a bar for the mean.

    A line under the dots is the 95 % interval over seeds and scenes.

    Args:
        table: One row a variant and seed, with `variant`, `loss` and `accuracy`.
        titles: What to call each variant, in order from top to bottom.
        primary: By column of the table, then by variant.
    """
    figure = style.new(10, 1.3 + 0.5 * len(titles))
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, column in ((left, "loss"), (right, "accuracy")):
        _dots(axes, table, column, titles)
        for place, variant in enumerate(titles):
            it = primary[column][variant]
            colour = palette.colour(variant)
            axes.plot([it.low, it.high], [place + 0.32] * 2, color=colour, lw=1.5, marker="|", ms=5)
    left.set(xlabel="test loss (nats): lower is better")
    _logarithmic(left)
    right.set(xlabel="test accuracy: higher is better")
    left.set_yticks(range(len(titles)), list(titles.values()))
    left.invert_yaxis()
    _legend(figure, interval=True, published=False)
    return figure


def errors_by_experiment(
    tables: Mapping[str, pd.DataFrame],
    titles: Mapping[str, str],
    headings: Mapping[str, str],
    published: Mapping[str, Mapping[str, float]],
) -> Figure:
    """Draw the smallest test losses of several experiments side by side.

    Args:
        tables: By experiment, one row a variant and seed, with `variant` and `min_test_loss`.
        titles: What to call each variant, in order from top to bottom.
        headings: What to call each experiment.
        published: By experiment, where there are any, the article's numbers by variant.
    """
    figure = style.new(2.2 + 2.6 * len(tables), 1.6 + 0.5 * len(titles))
    row = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, (name, table) in zip(row, tables.items(), strict=True):
        _dots(axes, table, "min_test_loss", titles)
        _diamonds(axes, published.get(name, {}), titles)
        axes.set(title=headings[name], xlabel="smallest test loss (nats):\nlower is better")
        _logarithmic(axes)
    row[0].set_yticks(range(len(titles)), list(titles.values()))
    row[0].invert_yaxis()
    _legend(figure, interval=False, published=any(published.values()))
    return figure


def _diamonds(axes: Any, published: Mapping[str, float], titles: Mapping[str, str]) -> None:
    for place, variant in enumerate(titles):
        if variant in published:
            axes.plot(published[variant], place, **DIAMOND)


def _legend(figure: Figure, *, interval: bool, published: bool) -> None:
    ink: dict[str, Any] = {"color": style.INK}
    marks = [
        Line2D([], [], marker="o", ls="", **ink, alpha=0.65, ms=5, label="a seed"),
        Line2D([], [], marker="|", ls="", **ink, ms=12, mew=3, label="mean"),
    ]
    if interval:
        marks.append(Line2D([], [], marker="|", **ink, lw=1.5, ms=5, label="95 % interval"))
    if published:
        marks.append(Line2D([], [], **DIAMOND, label="the article's number"))
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks))


def _logarithmic(axes: Any) -> None:
    axes.set(xscale="log")
    least, most = axes.get_xlim()
    # few labels where the axis spans decades
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 40 * least else (1,)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _dots(axes: Any, table: pd.DataFrame, column: str, titles: Mapping[str, str]) -> None:
    for place, variant in enumerate(titles):
        values = table.loc[table["variant"] == variant, column].to_numpy()
        if not len(values):
            continue  # another experiment has it
        colour = palette.colour(variant)
        spread = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else [0.0]
        axes.plot(values, place + np.array(spread), "o", color=colour, alpha=0.65, ms=5)
        axes.plot([values.mean()] * 2, [place - 0.32, place + 0.32], color=colour, lw=3)
    axes.grid(visible=False, axis="y")


def learning_curves(histories: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> Figure:
    """Draw loss and accuracy by epoch, a column for each variant.

    Lines are means over seeds; the band runs from the least to the most of the seeds on test.

    Args:
        histories: By variant, one row a seed and epoch.
        titles: What to call each variant, in order.
    """
    figure = style.new(1.6 * len(titles) + 0.6, 5.2)
    grid = figure.subplots(2, len(titles), sharex=True, sharey="row", squeeze=False)
    for column, (variant, title) in enumerate(titles.items()):
        colour = palette.colour(variant)
        grid[0, column].set(title=title.replace(", ", ",\n"), yscale="log")
        grid[1, column].set(xlabel="epoch")
        for row, kind in enumerate(("loss", "accuracy")):
            axes = grid[row, column]
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            for split, line in LINES.items():
                if f"{split}_{kind}" not in histories[variant]:
                    continue
                seeds = histories[variant].groupby("epoch")[f"{split}_{kind}"]
                mean, least, most = seeds.mean(), seeds.min(), seeds.max()
                axes.plot(mean.index, mean, line, color=colour, label=split)
                if split == "test":
                    axes.fill_between(mean.index, least, most, color=colour, alpha=0.2, lw=0)
    grid[0, 0].set_ylabel("loss (nats)")
    grid[1, 0].set_ylabel("accuracy")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
