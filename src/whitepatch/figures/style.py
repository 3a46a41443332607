"""One look for every figure: fonts, sizes, the patch's outline."""

__all__ = [
    "INK",
    "PATCH",
    "Picture",
    "new",
    "outline",
    "patched",
    "picture",
    "save",
    "save_vector",
]

import itertools
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageColor import getrgb

from whitepatch.figures import palette
from whitepatch.files import replacing
from whitepatch.params import Patch, Pixels

INK = "#333333"
PATCH = "#d6008f"
"""Colour of the patch's outline; no map and no variant has it."""

Picture = NDArray[np.floating]
"""[3, 96, 96], 0 to 1."""


def new(width: float, height: float) -> Figure:
    """Return an empty figure in the house style, inches."""
    mpl.rcdefaults()
    mpl.style.use("whitepatch.figures.house")
    return Figure(figsize=(width, height))


def save(figure: Figure, path: Path, *, photographs: bool = True) -> None:
    """Write a PNG, atomically, without a trace of when or by what it was made.

    Args:
        figure: In the house style.
        path: Of the PNG.
        photographs: Whether it holds any, or finely graded maps; without them 256 colours do,
            and a third of the bytes.
    """
    _settle(figure)
    drawn = BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    with Image.open(drawn) as image, replacing(path) as temporary:
        flat = image.convert("RGB")
        if not photographs:
            flat = _with_few_colours(flat)
        flat.save(temporary, format="png", optimize=True)


def _settle(figure: Figure) -> None:
    """Lay a figure out once, and round the places: the solver's last digits vary between runs."""
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        return  # settled already
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        corners = part.bbox_relative.get_points()
        part.bbox_relative.set_points(np.where(np.abs(corners) < 1e-9, 0.0, corners))  # never -0
    for axes in figure.axes:
        places = np.round(axes.get_position(original=True).bounds, 6) + 0.0  # never -0
        axes.set_position(places.tolist())


def _with_few_colours(image: Image.Image) -> Image.Image:
    """Return an image with 256 colours; those of variants, patch and paper are exactly kept."""
    kept = [getrgb(colour) for colour in (*palette.ALL, PATCH, INK, "#ffffff")]
    others = image.quantize(256 - len(kept), dither=Image.Dither.NONE)
    places = np.asarray(others) + np.uint8(len(kept))
    for place, colour in enumerate(kept):
        places[(np.asarray(image) == colour).all(axis=2)] = place
    few = Image.fromarray(places, "P")
    few.putpalette([*itertools.chain(*kept), *(others.getpalette() or [])])
    return few


def save_vector(figure: Figure, path: Path) -> None:
    """Write a PDF, atomically, without a trace of when it was made.

    No SVG: matplotlib names some of its clip paths by where they lie in memory.
    """
    _settle(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})


def picture(axes: Axes, image: NDArray[Any], **how: Any) -> None:
    """Draw a picture [3, 96, 96] (0 to 1) or a map [H, W] over 96x96 pixels, without ticks."""
    if image.ndim == 3:
        image = image.transpose(1, 2, 0)
    axes.imshow(image, extent=(0, 96, 96, 0), **how)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def patched(
    axes: Axes, image: NDArray[np.uint8], top: int, left: int, patch: Patch, pixels: Pixels
) -> None:
    """Draw a picture [3, 96, 96] (0 to 255) with the patch that it is to get, outlined.

    Args:
        axes: Where to.
        image: The picture, without its patch.
        top: First row of the patch, pixels; below 0 there is none.
        left: First column of the patch, pixels.
        patch: Its size and value.
        pixels: Of which brightness the value stands for.
    """
    seen = image / 255
    if top >= 0:
        white = np.clip((patch.value * pixels.scale + pixels.offset) / 255, 0, 1)
        seen[:, top : top + patch.size, left : left + patch.size] = white
    picture(axes, seen)
    outline(axes, top, left, patch.size)


def outline(axes: Axes, top: int, left: int, size: int, width: float = 1.4) -> None:
    """Outline the planted patch, `width` points wide; nothing where there is none (top below 0)."""
    if top >= 0:
        box = Rectangle((left, top), size, size, fill=False, edgecolor=PATCH, linewidth=width)
        # a white edge around the line, to be seen on any map
        box.set_path_effects([Stroke(linewidth=width + 1, foreground="white"), Normal()])
        axes.add_patch(box)
