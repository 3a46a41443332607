"""What interventions show: the patch moved, hidden and replaced; the weights drawn anew."""

__all__ = ["distractors", "occlusions", "places", "randomisation"]

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.figures import palette, style

PLACES = {
    "found": "patch found\n(share of pictures)",
    "evidence": "evidence\n(pixel AUC)",
    "attention": "attention\n(pixel AUC)",
}
"""Rows of the figure of places."""

HIDDEN = {
    "removed": "patch taken away",
    "hidden": "grey box over the patch",
    "elsewhere": "grey box elsewhere",
}
"""What is done to a picture, and how it is called."""


def places(
    grids: Mapping[str, Mapping[str, NDArray[np.floating]]], titles: Mapping[str, str], last: int
) -> Figure:
    """Draw, by the place of the patch, how often it is found and how well the maps point at it.

    Args:
        grids: By variant, then by row of the figure, [steps, steps]; means over seeds. A variant
            without attention over space has no such row.
        titles: What to call each variant.
        last: The last possible top row and left column of the patch, pixels.
    """
    figure = style.new(1.35 * len(titles) + 1.6, 1.35 * len(PLACES) + 0.9)
    grid = figure.subplots(len(PLACES), len(titles), sharex=True, sharey=True, squeeze=False)
    steps = len(next(iter(grids.values()))["found"])
    half = max(last / (steps - 1) / 2, 0.5)  # of one place alone, a pixel's
    for column, (variant, title) in enumerate(titles.items()):
        grid[0, column].set_title(title.replace(", ", ",\n"))
        for row, name in enumerate(PLACES):
            axes: Axes = grid[row, column]
            axes.grid(visible=False)
            axes.set(xticks=[0, last], yticks=[0, last])
            if name not in grids[variant]:
                axes.text(last / 2, last / 2, "none", ha="center", va="center", color=style.INK)
                axes.spines[:].set_visible(False)
                axes.tick_params(length=0)
                continue
            drawn = axes.imshow(
                grids[variant][name],
                extent=(-half, last + half, last + half, -half),
                cmap="cividis",
                vmin=0,
                vmax=1,
            )
    for row, label in enumerate(PLACES.values()):
        grid[row, 0].set_ylabel(f"{label}\ntop (pixels)")
    for axes in grid[-1]:
        axes.set_xlabel("left (pixels)")
    figure.colorbar(drawn, ax=grid, shrink=0.6, pad=0.01, label="share, or AUC (0.5 is chance)")
    return figure


def occlusions(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw how far the logit falls when the patch, or something else, is hidden.

    Args:
        table: One row a variant and seed, with `variant` and each of `HIDDEN`.
        titles: What to call each variant, from top to bottom.
    """
    figure = style.new(10, 1.0 + 0.42 * len(titles))
    row = figure.subplots(1, len(HIDDEN), sharey=True, sharex=True)
    for axes, (name, label) in zip(row, HIDDEN.items(), strict=True):
        axes.axvline(0, color=style.INK, linewidth=0.8)
        _dots(axes, [table[table["variant"] == variant][name] for variant in titles], titles)
        axes.set(title=label)
    row[0].set_yticks(range(len(titles)), list(titles.values()))
    row[0].invert_yaxis()
    figure.supxlabel("fall of the logit, mean over patched pictures", fontsize="medium")
    return figure


def distractors(table: pd.DataFrame, titles: Mapping[str, str], names: Sequence[str]) -> Figure:
    """Draw how well evidence and attention point at the patch, and at patches without meaning.

    Args:
        table: One row a variant, seed, map and planted thing: `variant`, `map` (`evidence` or
            `attention`), `planted` and `auc`.
        titles: What to call each variant, from top to bottom.
        names: The planted things, from left to right.
    """
    figure = style.new(2.2 + 2.6 * len(names), 1.2 + 0.5 * len(titles))
    row = figure.subplots(1, len(names), sharey=True, sharex=True)
    for axes, name in zip(row, names, strict=True):
        axes.axvline(0.5, color=style.INK, linestyle=":", linewidth=1.2, label="chance")
        for kind, fill, shift in (("evidence", True, -0.15), ("attention", False, 0.15)):
            some = table[(table["planted"] == name) & (table["map"] == kind)]
            values = [some[some["variant"] == variant]["auc"] for variant in titles]
            _dots(axes, values, titles, fill=fill, shift=shift)
        axes.set(title=name, xlabel="pixel AUC", xlim=(-0.03, 1.03))
    row[0].set_yticks(range(len(titles)), list(titles.values()))
    row[0].invert_yaxis()
    handles = [
        *row[0].get_legend_handles_labels()[0],
        *(
            row[0].plot(
                [], [], "o", color=style.INK, mfc=style.INK if fill else "none", label=label
            )[0]
            for fill, label in ((True, "evidence"), (False, "attention"))
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def randomisation(table: pd.DataFrame, titles: Mapping[str, str], steps: Sequence[str]) -> Figure:
    """Draw how near a map stays to the trained one while ever more layers are drawn anew.

    Lines are means over seeds of the absolute correlation: a random head may turn a map's sign.

    Args:
        table: One row a variant, seed, map and step: `variant`, `map` (`evidence` or `attention`),
            `step`, `correlation`.
        titles: What to call each variant.
        steps: From the first layer drawn anew to the last.
    """
    figure = style.new(10, 3.9)
    row = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(row, ("evidence", "attention"), strict=True):
        for variant, title in titles.items():
            some = table[(table["variant"] == variant) & (table["map"] == kind)]
            if some.empty:
                continue
            mean = some["correlation"].abs().groupby(some["step"]).mean().loc[list(steps)]
            place = range(len(steps) + 1)
            axes.plot(place, [1, *mean], "o-", ms=4, color=palette.colour(variant), label=title)
        axes.set(title=kind, xlabel="drawn anew, down to")
        axes.set_xticks(range(len(steps) + 1), ["nothing", *steps])
    row[0].set_ylabel("absolute rank correlation\nwith the trained map")
    row[0].set_ylim(-0.03, 1.03)
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _dots(
    axes: Axes,
    values: Sequence["pd.Series[float]"],
    titles: Mapping[str, str],
    *,
    fill: bool = True,
    shift: float = 0.0,
) -> None:
    for place, (variant, seeds) in enumerate(zip(titles, values, strict=True)):
        colour = palette.colour(variant)
        axes.plot(
            seeds,
            np.full(len(seeds), place + shift),
            "o",
            color=colour,
            markerfacecolor=colour if fill else "none",
            alpha=0.65,
            markersize=5,
        )
    axes.grid(visible=False, axis="y")
