"""Watch the maps emerge, epoch by epoch."""

__all__ = ["emergence"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from whitepatch.figures import palette, style
from whitepatch.figures.panels import Panel, draw_map

KINDS = ("evidence", "attention")

WIDTH = 11
"""Of the figure, inches."""

TITLE, GAP = 1.5, 0.3
"""Widths of the variants' titles, and between evidence and attention, in maps."""

MOST = 6
"""Epochs that are drawn as maps; of more, these are spaced evenly in their logarithm."""


def emergence(
    table: pd.DataFrame,
    maps: Mapping[str, Mapping[str, NDArray[np.floating]]],
    panel: Panel,
    titles: Mapping[str, str],
) -> Figure:
    """Draw how well the maps point at the patch by epoch, above the maps of one picture.

    Args:
        table: One row a variant, map (`evidence` or `attention`) and epoch, with `auc`.
        maps: By variant, then by map: [epochs + 1, M, 24, 24]. No attention, no maps.
        panel: The pictures; the first patched one is drawn, or the first.
        titles: What to call each variant, from top to bottom.
    """
    place = (panel.patched or [0])[0]
    epochs = _chosen(int(table["epoch"].max()))
    widths = [TITLE, *[1.0] * len(epochs), GAP, *[1.0] * len(epochs)]
    heights = [3.4, WIDTH / sum(widths) * len(titles) + 0.6]
    figure = style.new(WIDTH, sum(heights))
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    _curves(parts[0], table, titles)
    grid = parts[1].subplots(len(titles), len(widths), squeeze=False, width_ratios=widths)
    _strips(grid, maps, panel, place, epochs, titles)
    return figure


def _chosen(last: int) -> list[int]:
    """Return the epochs to draw, the first and the last among them."""
    if last < MOST:
        return list(range(last + 1))
    spaced = np.geomspace(1, last, MOST - 1).round().astype(int)
    return [0, *dict.fromkeys(int(epoch) for epoch in spaced)]


def _curves(figure: SubFigure, table: pd.DataFrame, titles: Mapping[str, str]) -> None:
    row = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(row, KINDS, strict=True):
        axes.axhline(0.5, color=style.INK, linestyle=":", linewidth=1.2)
        for variant, title in titles.items():
            some = table[(table["variant"] == variant) & (table["map"] == kind)]
            if some.empty:
                continue
            colour = palette.colour(variant)
            axes.plot(some["epoch"], some["auc"], "o-", ms=4, color=colour, label=title)
        axes.set(title=kind, xlabel="epoch (0: untrained)", ylim=(-0.03, 1.03))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    row[0].set_ylabel("pixel AUC (0.5 is chance)")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _strips(
    grid: Any,
    maps: Mapping[str, Mapping[str, NDArray[np.floating]]],
    panel: Panel,
    place: int,
    epochs: Sequence[int],
    titles: Mapping[str, str],
) -> None:
    starts = {"evidence": 1, "attention": 2 + len(epochs)}
    for axes in grid.flat:
        axes.set_axis_off()
    for row, (variant, title) in enumerate(titles.items()):
        first: Any = grid[row, 0]
        first.text(1.0, 0.5, title.replace(", ", ",\n"), ha="right", va="center",
                   transform=first.transAxes, fontsize="small")  # fmt: skip
        if "evidence" not in maps[variant]:
            grid[row, 1].text(0, 0.5, "undefined", va="center", fontsize="small")
        for kind, start in starts.items():
            for column, epoch in enumerate(epochs, start=start):
                if row == 0:
                    heading = f"{kind}\nepoch {epoch}" if column == start else f"{epoch}"
                    grid[0, column].set_title(heading)
                if kind in maps[variant]:
                    axes = grid[row, column]
                    axes.set_axis_on()
                    values = maps[variant][kind][epoch, panel.places[place]]
                    draw_map(axes, values, signed=kind == "evidence")
                    panel.outline(axes, place, width=0.9)
