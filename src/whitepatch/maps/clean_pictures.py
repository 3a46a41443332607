"""Where do the maps go when there is nothing to find?"""

__all__ = ["FOLLOWED", "Clean", "on_clean"]

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whitepatch.maps.extract import CELLS, Maps
from whitepatch.maps.ranks import rank_correlation

FOLLOWED = ("brightness", "edges", "blob")
"""The controls that a map may follow."""


@dataclass(frozen=True)
class Clean:
    """What the maps do on pictures without a patch.

    Attributes:
        correlations: By map, then by control: Spearman's correlation over cells, mean over
            pictures; 0 for a map that is constant.
        means: By map, its mean over pictures, [24, 24].
    """

    correlations: dict[str, dict[str, float]]
    means: Maps


def on_clean(
    maps: Maps, controls: Mapping[str, NDArray[np.floating]], patched: NDArray[np.bool_]
) -> Clean:
    """Say what the maps follow on the pictures without a patch.

    Args:
        maps: Of a network, as `looking` gives them.
        controls: Of the same pictures, as `controls` gives them; brought to the maps' cells.
        patched: [M], which pictures have a patch.
    """
    followed = {name: _by_cell(controls[name][~patched]) for name in FOLLOWED}
    shown = {name: values[~patched] for name, values in maps.items()}
    return Clean(
        {
            name: {
                control: float(rank_correlation(values, cells).mean())
                for control, cells in followed.items()
            }
            for name, values in shown.items()
        },
        {name: values.mean(axis=0) for name, values in shown.items()},
    )


def _by_cell(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the mean over the pixels of each cell, [M, 24, 24]."""
    step = maps.shape[1] // CELLS
    return maps.reshape(len(maps), CELLS, step, CELLS, step).mean(axis=(2, 4))
