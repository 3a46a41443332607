"""The first images of each split, as the networks see them."""

__all__ = ["contact_sheet"]

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from whitepatch.data.manifest import Part
from whitepatch.figures import style
from whitepatch.params import Patch, Pixels

COLUMNS = 8


def contact_sheet(
    parts: Mapping[str, Part],
    drawable: Mapping[str, Sequence[bool]],
    patch: Patch,
    pixels: Pixels,
) -> Figure:
    """Draw the first images of each split that may be shown, with labels; the patch is outlined."""
    figure = style.new(COLUMNS * 1.1, len(parts) * 1.65)
    for strip, (name, part) in zip(
        figure.subfigures(len(parts), squeeze=False)[:, 0], parts.items(), strict=True
    ):
        strip.suptitle(
            f"{name}: {len(part.rows)} images, {int(part.plan.labels.sum())} with a patch",
            x=0.01,
            horizontalalignment="left",
        )
        grid = strip.subplots(1, COLUMNS)
        shown = [index for index, it in enumerate(drawable[name]) if it][:COLUMNS]
        for axes in grid[len(shown) :]:
            axes.set_axis_off()
        for index, axes in zip(shown, grid, strict=False):
            top, left = int(part.plan.tops[index, 0]), int(part.plan.lefts[index, 0])
            style.patched(axes, part.images[index], top, left, patch, pixels)
            axes.set_xlabel(f"label {part.plan.labels[index]}", fontsize=9)
    return figure
