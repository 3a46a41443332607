"""How well the maps point at the patch."""

__all__ = ["localization"]

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from whitepatch.figures import palette, style

NAMES = {
    "auc": "pixel AUC",
    "ap": "average precision",
    "pointing": "pointing",
    "mass": "mass",
}
"""The scores that are drawn; rank stands in the table."""


def localization(
    table: pd.DataFrame, columns: Sequence[tuple[str, str, str]], titles: Mapping[str, str]
) -> Figure:
    """Draw the scores of maps: full dots are trained seeds, rings the same networks untrained.

    Args:
        table: One row a map and seed, with `variant`, `map`, `trained` and a column for each score.
            The controls `uniform` and `perfect` are drawn as lines, chance and ceiling (strips have
            one of their own), the others as squares.
        columns: Variant, map and label from top to bottom; of several heads their mean is drawn.
        titles: What to call each variant.
    """
    lines = [("uniform", ":", "chance"), ("perfect", "--", "ceiling of a 24×24 map")]
    controls = ["brightness", "edges", "blob"]
    shown = [column for column in columns if " head " not in column[1]]
    rows = [*shown, *(("control", name, f"control: {name}") for name in controls)]
    figure = style.new(12, 1.2 + 0.36 * len(rows))
    grid = figure.subplots(1, len(NAMES), sharey=True)
    for axes, (kind, name) in zip(grid, NAMES.items(), strict=True):
        for line, dashes, label in lines:
            level = _values(table, "control", line)[kind].mean()
            axes.axvline(level, color=style.INK, linestyle=dashes, linewidth=1.2, label=label)
        for place, (variant, key, _) in enumerate(rows):
            if key == "strips":
                level = _values(table, "control", "perfect strips")[kind].mean()
                axes.vlines(level, place - 0.45, place + 0.45, style.INK, "--", lw=1.2)
            values = _values(table, variant, key)
            colour = palette.colour(variant) if variant in titles else style.INK
            marker = "s" if variant == "control" else "o"
            for trained, fill in ((False, "none"), (True, colour)):
                dots = values.loc[values["trained"] == trained, kind]
                axes.plot(
                    dots,
                    [place] * len(dots),
                    marker,
                    color=colour,
                    markerfacecolor=fill,
                    alpha=0.7 if trained else 0.5,
                    markersize=6,
                )
        axes.set(title=name, xlabel="higher is better", xlim=(-0.04, 1.04))
    grid[0].set_yticks(range(len(rows)), [label for *_, label in rows])
    grid[0].invert_yaxis()
    handles = [
        *grid[0].get_legend_handles_labels()[0],
        *(
            grid[0].plot([], [], "o", color=style.INK, markerfacecolor=fill, label=label)[0]
            for fill, label in ((style.INK, "a trained seed"), ("none", "the same, untrained"))
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _values(table: pd.DataFrame, variant: str, name: str) -> pd.DataFrame:
    return table[(table["variant"] == variant) & (table["map"] == name)]
