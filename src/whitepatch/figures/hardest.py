"""The test images with the highest losses, as the networks saw them."""

__all__ = ["Hard", "hardest"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.figures import style
from whitepatch.params import Experiment

COLUMNS = 5


@dataclass(frozen=True)
class Hard:
    """An image with a high loss.

    Attributes:
        image: uint8 [3, 96, 96], without its patch; None for one that is not shown.
        place: Top row and left column of the patch, pixels; -1 where there is none.
        subject: What it shows.
        row: Of its file.
        loss: Mean, nats.
        share: Of all loss, 0 to 1.
    """

    image: NDArray[np.uint8] | None
    place: tuple[int, int]
    subject: str
    row: int
    loss: float
    share: float


def hardest(images: Sequence[Hard], experiment: Experiment) -> Figure:
    """Draw images with their patches, each with its subject, row, loss and share of all loss.

    Args:
        images: In order.
        experiment: Whose patch and normalisation they have.
    """
    num_rows = -(-len(images) // COLUMNS)
    figure = style.new(7.5, 2.2 * num_rows)
    grid = figure.subplots(num_rows, COLUMNS, squeeze=False).ravel()
    for axes in grid[len(images) :]:
        axes.set_axis_off()
    for axes, it in zip(grid, images, strict=False):
        if it.image is not None:
            style.patched(axes, it.image, *it.place, experiment.patch, experiment.pixels)
        else:
            axes.set(xticks=[], yticks=[], box_aspect=1)
            axes.spines[:].set_visible(False)
            axes.text(0.5, 0.5, "not shown", ha="center", va="center", transform=axes.transAxes)
        axes.set_title(f"{it.subject}, row {it.row}", fontsize=9)
        patch = "patch" if it.place[0] >= 0 else "no patch"
        axes.set_xlabel(f"{it.loss:.2f} nats, {100 * it.share:.1f} %\n{patch}", fontsize=8)
    return figure
