"""Pictures beside the maps that the variants make of them."""

__all__ = ["Panel", "article_panel", "attention_panel", "draw_map", "prediction_panel"]

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.data.layout import SIDE
from whitepatch.errors import short
from whitepatch.figures import style
from whitepatch.maps.scores import far_corners
from whitepatch.params import Experiment

NAMES = {
    "attention mean": "attention",
    "attention gate": "spatial gate",
    "strips": "strips",
}
"""What people call a map, where its own name is too short."""

Maps = Mapping[str, Mapping[str, NDArray[Any]]]
"""By variant, the arrays that its evaluation saved; `map/<name>` is [seeds, M, H, W]."""

ROOT = 0.5
"""Power by which attention is drawn: a few cells may have most of it, and others are to be seen."""


@dataclass(frozen=True)
class Panel:
    """The pictures that the panels show, one a row.

    Attributes:
        pictures: [M, 3, 96, 96], 0 to 1, with their patches.
        tops: [M], pixels, -1 where there is no patch.
        lefts: [M], the same.
        size: Of the patch, pixels.
        places: [M], which of a variant's maps belong to them.
    """

    pictures: NDArray[np.floating]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]
    size: int
    places: NDArray[np.int64]

    @classmethod
    def of(cls, saved: Mapping[str, NDArray[Any]], experiment: Experiment, place: int) -> "Panel":
        """Return the panel of a seed, by its place, from the arrays of a variant's evaluation."""
        pixels = experiment.pixels
        shown = (saved["pictures"][place] * pixels.scale + pixels.offset) / 255
        places = np.arange(len(shown))
        there = saved["scored"][places]
        tops, lefts = (saved[name][place, there] for name in ("tops", "lefts"))
        return cls(np.clip(shown, 0, 1), tops, lefts, experiment.patch.size, places)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def patched(self) -> list[int]:
        """Which of the pictures have a patch."""
        return [row for row in range(len(self)) if self.tops[row] >= 0]

    def draw(self, axes: Axes, row: int) -> None:
        """Draw a picture and its patch's outline."""
        style.picture(axes, self.pictures[row])
        self.outline(axes, row)

    def outline(self, axes: Axes, row: int, width: float = 1.4) -> None:
        """Outline the patch of a row, `width` points wide."""
        style.outline(axes, int(self.tops[row]), int(self.lefts[row]), self.size, width)

    def mark_afar(self, axes: Axes, row: int, cells: int) -> None:
        """Mark the corner cell that is furthest from the patch of a row."""
        where = self.tops[row : row + 1], self.lefts[row : row + 1]
        (top, left), *_ = (far_corners(*where, self.size, cells) + 0.5) * SIDE / cells
        axes.plot(left, top, "x", color=style.PATCH, ms=7, mew=1.8, clip_on=False, zorder=3)


def attention_panel(
    panel: Panel,
    maps: Maps,
    columns: Sequence[tuple[str, str, str]],
    titles: Mapping[str, str],
    place: int,
    rows: Sequence[int],
) -> Figure:
    """Draw the same pictures in rows, and maps of the variants in columns.

    Evidence is red for and blue against a patch, white at zero. Attention runs from black at its
    lowest to yellow at its highest value, on a scale of square roots; of several heads the mean is
    drawn. Each map has its own scale.

    Args:
        panel: The pictures.
        maps: By variant.
        columns: Variant, map, label, as `report.tables.looking_maps` gives them.
        titles: What to call each variant.
        place: Which of the seeds, from 0.
        rows: Which of the pictures.
    """
    shown = [(variant, name) for variant, name, _ in columns if " head " not in name]
    figure = style.new(1.02 * (len(shown) + 1), 1.0 * len(rows) + 1.0)
    grid = figure.subplots(len(rows), len(shown) + 1, squeeze=False)
    grid[0, 0].set_title("picture")
    for column, (variant, name) in enumerate(shown, start=1):
        heading = f"{titles[variant]}\n{NAMES.get(name, name)}"
        grid[0, column].set_title(heading.replace(", ", ",\n"), fontsize=10)
        for axes, row in zip(grid[:, column], rows, strict=True):
            values = maps[variant][f"map/{name}"][place, panel.places[row]]
            draw_map(axes, values, signed=name == "evidence")
            panel.outline(axes, row)
            if name == "from afar":
                panel.mark_afar(axes, row, len(values))
    for axes, row in zip(grid[:, 0], rows, strict=True):
        panel.draw(axes, row)
    return figure


def article_panel(panel: Panel, maps: Maps, titles: Mapping[str, str]) -> Figure:
    """Draw what the article drew: pictures and three channels of the layer's output; first seed.

    Args:
        panel: The pictures.
        maps: By variant.
        titles: What to call each variant.
    """
    figure = style.new(1.0 + 0.58 * 3 * len(titles), 0.62 * len(panel) + 0.9)
    widths = figure.add_gridspec(1, 1 + len(titles), width_ratios=[1.05, *[3] * len(titles)])
    blocks = [figure.add_subfigure(widths[0, column]) for column in range(1 + len(titles))]
    blocks[0].suptitle("\n")
    for row, axes in enumerate(blocks[0].subplots(len(panel), 1, squeeze=False)[:, 0]):
        panel.draw(axes, row)
        if row == 0:
            axes.set_title("picture")
    for block, (variant, title) in zip(blocks[1:], titles.items(), strict=True):
        block.suptitle(title.replace(", ", ",\n") if ", " in title else f"{title}\n")
        grid = block.subplots(len(panel), 3, squeeze=False)
        for row in range(len(panel)):
            for channel in range(3):
                values = maps[variant][f"map/output {channel + 1}"][0, panel.places[row]]
                draw_map(grid[row, channel], values, signed=False, power=1)
                panel.outline(grid[row, channel], row, width=0.7)
                if row == 0:
                    grid[row, channel].set_title(f"{channel + 1}")
    return figure


def prediction_panel(
    pictures: NDArray[np.floating],
    maps: Mapping[str, NDArray[np.floating]],
    names: Sequence[str],
    title: str,
) -> Figure:
    """Draw pictures in rows, and the evidence and attention of one network beside them.

    Args:
        pictures: [M, 3, 96, 96], 0 to 1.
        maps: [M, H, W] by name; of several heads only their mean is drawn.
        names: What to write beside each picture; a long line is wrapped, or its middle left out.
        title: Of the network.
    """
    shown = [name for name in maps if name == "evidence" or name in NAMES]
    figure = style.new(1.6 * (len(shown) + 2), 0.8 + 1.6 * len(pictures))
    figure.suptitle(title)
    grid = figure.subplots(len(pictures), len(shown) + 1, squeeze=False)
    for row, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        style.picture(grid[row, 0], picture)
        lines = [textwrap.fill(short(line, 72), 16) for line in name.splitlines()]
        grid[row, 0].set_ylabel(
            "\n".join(lines),
            rotation=0,
            ha="right",
            va="center",
            parse_math=False,  # a file's name may hold what would be a formula
            # no sign of any script is wider than 1.7 em then; most are 0.6
            family=["DejaVu Sans Mono", "DejaVu Sans"],
            fontsize=9,
        )
        for column, key in enumerate(shown, start=1):
            draw_map(grid[row, column], maps[key][row], signed=key == "evidence")
    for axes, key in zip(grid[0], ["picture", *shown], strict=True):
        axes.set_title(NAMES.get(key, key).replace(", ", ",\n"))
    return figure


def draw_map(
    axes: Axes, values: NDArray[np.floating], *, signed: bool, power: float = ROOT
) -> None:
    """Draw a map on its own scale; a signed one is white at zero, red above and blue below.

    Args:
        axes: Where to.
        values: [H, W]
        signed: Whether zero is a middle.
        power: Of what lies between the lowest and the highest value of an unsigned one.
    """
    if signed:
        most = np.abs(values).max() or 1.0
        style.picture(axes, values, cmap="RdBu_r", vmin=-most, vmax=most)
    else:
        style.picture(axes, values, cmap="inferno", norm=PowerNorm(power))
