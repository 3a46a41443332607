"""What the networks were asked, in pictures."""

__all__ = ["strip"]

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.figures import style


def strip(pictures: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """Draw pictures in a row.

    Args:
        pictures: [3, 96, 96] each, by what is written over it.
    """
    figure = style.new(1.75 * max(len(pictures), 1), 2.3)
    row = figure.subplots(1, max(len(pictures), 1), squeeze=False)[0]
    row[0].set_axis_off()
    for axes, (title, picture) in zip(row, pictures.items(), strict=False):
        style.picture(axes, picture / 255)
        axes.set_title(title, fontsize="medium")
    return figure
