"""How faint a patch a network still tells from none: psychometric curves, and how they move.

The area under the ROC of clean pictures against the same with a patch grows with its contrast from
1/2 towards 1. A cumulative normal in log contrast is fitted to it, and the contrast at 0.75 is the
threshold. A larger patch has a lower threshold; the slope of log threshold over log area says how a
network adds up what it sees. Where the response is linear in contrast and adds up over the patch,
it is -1 (Ricco's law); for what needs one place only, it is 0.

Sources: Wichmann and Hill, "The psychometric function: I", 2001,
https://doi.org/10.3758/BF03194544; Green and Swets, "Signal Detection Theory and Psychophysics",
1966 (the area as the share of right answers to "which of two").
"""

__all__ = ["GUESS", "LAPSE", "TARGET", "curve", "slope", "threshold"]

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

GUESS = 0.5
"""The area without a difference."""

LAPSE = 0.05
"""How far below 1 a curve may end, at most."""

TARGET = 0.75
"""The area that is called a threshold."""

LEAST = 3
"""Thresholds that a slope takes at least."""


def curve(contrasts: ArrayLike, middle: float, spread: float, lapse: float) -> Floats:
    """Return areas by contrast.

    Args:
        contrasts: Above 0.
        middle: Mean of the normal, natural logarithm of a contrast.
        spread: Its standard deviation, the same; above 0.
        lapse: How far below 1 the curve ends.
    """
    at = (np.log(np.asarray(contrasts, float)) - middle) / spread
    return np.asarray(GUESS + (1 - GUESS - lapse) * ndtr(at))


def threshold(contrasts: ArrayLike, areas: ArrayLike) -> float:
    """Return the contrast at which a fitted curve is at TARGET.

    Args:
        contrasts: [L], above 0, different ones.
        areas: [L], 0 to 1.

    Returns:
        Infinity where it lies above all contrasts, and 0 where it lies below: there is no fit
        beyond what was seen.
    """
    contrasts, areas = np.asarray(contrasts, float), np.asarray(areas, float)
    logs = np.log(contrasts)
    crossing = logs[np.abs(areas - TARGET).argmin()]
    fitted = least_squares(
        lambda it: curve(contrasts, *it) - areas,
        x0=(crossing, 0.5, 0.01),
        bounds=((logs.min() - 3, 0.05, 0.0), (logs.max() + 3, 5.0, LAPSE)),
    )
    middle, spread, lapse = fitted.x
    at = middle + spread * ndtri((TARGET - GUESS) / (1 - GUESS - lapse))
    if at > logs.max():
        return np.inf
    return 0.0 if at < logs.min() else float(np.exp(at))


def slope(sizes: ArrayLike, thresholds: ArrayLike) -> float:
    """Return the slope of log threshold over log area, by least squares.

    Args:
        sizes: [K], sides of square patches, pixels.
        thresholds: [K], contrasts; what was not found (0 or infinite) is left out.

    Returns:
        NaN where fewer than LEAST were found.
    """
    sizes, thresholds = np.asarray(sizes, float), np.asarray(thresholds, float)
    found = np.isfinite(thresholds) & (thresholds > 0)
    if found.sum() < LEAST:
        return np.nan
    areas = 2 * np.log(sizes[found])
    return float(np.polyfit(areas, np.log(thresholds[found]), 1)[0])
