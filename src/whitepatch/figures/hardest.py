"""The test images with the highest losses, as the networks saw them."""

__all__ = ["hardest"]

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.data.manifest import Part
from whitepatch.figures import style
from whitepatch.params import Experiment

COLUMNS = 5


def hardest(
    test: Part,
    chosen: NDArray[np.int64],
    losses: NDArray[np.floating],
    subjects: Sequence[str] | NDArray[np.str_],
    experiment: Experiment,
) -> Figure:
    """Draw images with their patches, each with its subject, row, loss and share of all loss.

    Args:
        test: The test images.
        chosen: [K], the places of those that are drawn, in order.
        losses: [N], mean loss of each test image, nats.
        subjects: [N], what each test image shows.
        experiment: Whose patch and normalisation they have.
    """
    num_rows = -(-len(chosen) // COLUMNS)
    figure = style.new(7.5, 2.2 * num_rows)
    grid = figure.subplots(num_rows, COLUMNS, squeeze=False).ravel()
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()
    for axes, place in zip(grid, chosen, strict=False):
        top, left = int(test.plan.tops[place]), int(test.plan.lefts[place])
        style.patched(axes, test.images[place], top, left, experiment.patch, experiment.pixels)
        share = 100 * losses[place] / losses.sum()
        axes.set_title(f"{subjects[place]}, row {test.rows[place]}", fontsize=9)
        axes.set_xlabel(
            f"{losses[place]:.2f} nats, {share:.1f} %\n{'patch' if top >= 0 else 'no patch'}",
            fontsize=8,
        )
    return figure
