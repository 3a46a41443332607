"""What layers do where there is no patch: where maps go, which channels a gate opens."""

__all__ = ["channel_gates", "clean_maps"]

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.figures import palette, style
from whitepatch.figures.panels import draw_map

KINDS = ("evidence", "attention")


def clean_maps(
    maps: Mapping[str, Mapping[str, NDArray[np.floating]]], titles: Mapping[str, str]
) -> Figure:
    """Draw the mean of each variant's maps over clean pictures and seeds, each on its own scale.

    Args:
        maps: By variant, then `evidence` or `attention`: [24, 24].
        titles: What to call each variant, from left to right.
    """
    figure = style.new(1.35 * len(titles) + 0.7, 3.5)
    grid = figure.subplots(len(KINDS), len(titles), squeeze=False)
    for column, (variant, title) in enumerate(titles.items()):
        grid[0, column].set_title(title.replace(", ", ",\n"))
        for row, kind in enumerate(KINDS):
            axes = grid[row, column]
            if kind in maps[variant]:
                draw_map(axes, maps[variant][kind], signed=kind == "evidence")
            else:
                axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
                axes.spines[:].set_visible(False)
                axes.text(0.5, 0.5, "none", ha="center", va="center", color=style.INK)
    for axes, kind in zip(grid[:, 0], KINDS, strict=True):
        axes.set_ylabel(kind)
    return figure


def channel_gates(
    gates: Mapping[str, NDArray[np.floating]],
    patched: NDArray[np.bool_],
    titles: Mapping[str, str],
) -> Figure:
    """Draw how far each channel is open, on patched and on clean pictures.

    Dots are means over pictures, lines hold the middle half of them. Channels are ordered by the
    difference; their numbers mean nothing.

    Args:
        gates: By variant that has a channel gate, one seed's, [M, C], 0 to 1.
        patched: [M], which pictures have a patch.
        titles: What to call each variant.
    """
    figure = style.new(10, 0.8 + 2.3 * len(gates))
    column = figure.subplots(len(gates), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (variant, values) in zip(column, gates.items(), strict=True):
        colour = palette.colour(variant)
        order = np.argsort(values[patched].mean(axis=0) - values[~patched].mean(axis=0))
        for chosen, shift, fill in ((patched, -0.14, colour), (~patched, 0.14, "white")):
            some = values[chosen][:, order]
            place = np.arange(len(order)) + shift
            low, high = np.quantile(some, [0.25, 0.75], axis=0)
            axes.vlines(place, low, high, color=colour, lw=1.5)
            dots = {"marker": "o", "ms": 5, "mfc": fill, "mec": colour, "ls": ""}
            axes.plot(place, some.mean(axis=0), **dots)
        axes.set(title=titles[variant], ylabel="gate (0 to 1)", ylim=(-0.03, 1.03), xticks=[])
        axes.grid(visible=False, axis="x")
    column[-1].set_xlabel("channel, from what a patch closes to what it opens")
    handles = [
        axes.plot([], [], "o", mec=style.INK, mfc=fill, label=label)[0]
        for fill, label in ((style.INK, "patched pictures"), ("white", "clean pictures"))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
