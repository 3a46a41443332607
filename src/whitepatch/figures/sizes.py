"""How small a patch the variants still learn to notice."""

__all__ = ["SIZE", "sizes"]

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from whitepatch.figures import palette, style

SIZE = "patch.size"
"""The column of a sweep that has the size, pixels."""

CONTROLS = ("cnn_max", "cnn_hidden", "mha_uniform")
"""Drawn dashed: they have no attention, or none that is learned."""


def sizes(sweeps: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> Figure:
    """Draw test accuracy against the size of the patch: lines are means of seeds, dots are seeds.

    Args:
        sweeps: By name, the tables of sweeps over sizes: `variant`, `patch.size`, `seed` and
            `test_accuracy`.
        titles: What to call each variant.
    """
    figure = style.new(1.2 + 4.8 * max(len(sweeps), 1), 4.6)
    row = figure.subplots(1, max(len(sweeps), 1), sharey=True, squeeze=False)[0]
    handles: dict[str, Any] = {}
    for axes, (name, table) in zip(row, sweeps.items(), strict=False):
        axes.axhline(0.5, color=style.INK, ls=":", lw=1.2)
        for variant in table["variant"].unique():
            some = table[table["variant"] == variant]
            look = {"color": palette.colour(variant), "label": titles.get(variant, variant)}
            means = some.groupby(SIZE)["test_accuracy"].mean()
            line = "--" if variant in CONTROLS else "-"
            (handles[look["label"]],) = axes.plot(means.index, means, line, lw=2, **look)
            axes.plot(some[SIZE], some["test_accuracy"], "o", color=look["color"], ms=4, alpha=0.65)
        axes.set(title=name, xscale="log", ylim=(0.45, 1.02))
        axes.set(xlabel="side of the patch (pixels)")
        axes.xaxis.set_major_locator(FixedLocator(sorted(table[SIZE].unique())))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    row[0].set_ylabel("test accuracy (0.5 is chance)")
    if not sweeps:
        row[0].text(0.5, 0.5, "no sweep over sizes has run", ha="center", va="center")
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=3)
    return figure
