"""Seeds as the unit: intervals of means, and how many tests are paid for.

A seed is one training: of the weights it starts from and of the order of its batches. An interval
over seeds says how far the mean would move with other seeds; it says nothing of other pictures.
What is claimed has intervals over both: `crossed`.

Source: Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", 2021,
https://arxiv.org/abs/2103.03098.
"""

__all__ = ["ALPHA", "LEAST_SEEDS", "POWER", "Interval", "holm", "interval"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from whitepatch.seeding import numpy_generator

ALPHA = 0.05
"""Of the intervals (1 - ALPHA) and of the tests."""

POWER = 0.8
"""With which the smallest detectable value would be found."""

LEAST_SEEDS = 6
"""With fewer, even seeds that all agree could do so by chance in more than 5 % of cases (2 / 2^n),
and an interval over seeds is little more than their range: no claim is decided."""

RESAMPLES = 9999
ROUNDING = 1e-12
"""Relative; seeds that differ by no more are equal."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % BCa bootstrap interval.

    Attributes:
        mean: Over seeds.
        low: Lower end; the mean itself where all seeds are equal, NaN of fewer than LEAST_SEEDS.
        high: Upper end, the same.
        num_seeds: How many.
    """

    mean: float
    low: float
    high: float
    num_seeds: int


def interval(values: Sequence[float] | Floats, purpose: str) -> Interval:
    """Return the mean of some seeds with its interval.

    Args:
        values: One a seed, finite.
        purpose: Names the generator of the bootstrap.

    Source: Efron, "Better Bootstrap Confidence Intervals", 1987, by scipy.stats.bootstrap.
    """
    seeds = np.asarray(values, float)
    mean = float(seeds.mean())
    if len(seeds) < LEAST_SEEDS:
        return Interval(mean, np.nan, np.nan, len(seeds))
    if np.ptp(seeds) <= ROUNDING * np.abs(seeds).max():
        return Interval(mean, mean, mean, len(seeds))
    found = stats.bootstrap(
        (seeds,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=1 - ALPHA,
        method="BCa",
        rng=numpy_generator("bootstrap", purpose),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), len(seeds))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    if not p_values:
        return []
    return [float(p) for p in multipletests(p_values, alpha=ALPHA, method="holm")[1]]
