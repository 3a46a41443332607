"""Seeds as the unit: intervals, paired tests, and what so few seeds cannot show.

A seed is one training: of the weights it starts from and of the order of its batches. All variants
share the seeds, so they are compared seed by seed. An interval over seeds says how far the mean
would move with other seeds; it says nothing of other pictures.

Sources: Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", 2021,
https://arxiv.org/abs/2103.03098; Agarwal et al., "Deep Reinforcement Learning at the Edge of the
Statistical Precipice", 2021, https://arxiv.org/abs/2108.13264 (the probability of improvement).
"""

__all__ = [
    "ALPHA",
    "LEAST_SEEDS",
    "POWER",
    "Difference",
    "Interval",
    "difference",
    "holm",
    "interval",
]

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from whitepatch.seeding import numpy_generator

ALPHA = 0.05
"""Of the intervals (1 - ALPHA) and of the tests."""

POWER = 0.8
"""With which the smallest detectable difference would be found."""

LEAST_SEEDS = 6
"""With fewer, even seeds that all agree leave a sign-flip test above 0.05, and an interval would be
little more than their range: there is none, and nothing is decided."""

RESAMPLES = 9999
ROUNDING = 1e-12
"""Relative; seeds that differ by no more are equal."""

EXACT = 13
"""Up to so many seeds every one of the 2^n sign flips is counted."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % BCa bootstrap interval.

    Attributes:
        mean: Over seeds.
        low: Lower end; the mean itself where all seeds are equal, NaN of fewer than LEAST_SEEDS.
        high: Upper end, the same.
        num_seeds: How many.
        detectable: The smallest true mean that a two-sided t test would tell from zero with a
            power of 0.8, for this many seeds and their spread; NaN for a single seed.
    """

    mean: float
    low: float
    high: float
    num_seeds: int
    detectable: float

    def above(self, level: float) -> bool:
        """Say whether the whole interval lies above a level."""
        return self.low > level

    def below(self, level: float) -> bool:
        """Say whether the whole interval lies below a level."""
        return self.high < level


@dataclass(frozen=True)
class Difference:
    """A measure of one variant minus that of another, seed by seed.

    Attributes:
        interval: Of the mean difference.
        p_value: Two-sided, of the sign-flip permutation test of the mean difference.
        smallest_p: The smallest that so many seeds can reach: 2 / 2^n, or 0.0002 from 14 seeds on.
        probability: That a seed of the first is above a seed of the second, a tie counting half.
    """

    interval: Interval
    p_value: float
    smallest_p: float
    probability: float


def interval(values: Sequence[float] | Floats, purpose: str, *, alpha: float = ALPHA) -> Interval:
    """Return the mean of some seeds with its interval.

    Args:
        values: One a seed, finite.
        purpose: Names the generator of the bootstrap.
        alpha: Of the test whose power gives `detectable`; smaller where there are several.

    Source: Efron, "Better Bootstrap Confidence Intervals", 1987, by scipy.stats.bootstrap.
    """
    seeds = np.asarray(values, float)
    mean, detectable = float(seeds.mean()), _detectable(seeds, alpha)
    if len(seeds) < LEAST_SEEDS:
        return Interval(mean, np.nan, np.nan, len(seeds), detectable)
    if np.ptp(seeds) <= ROUNDING * np.abs(seeds).max():
        return Interval(mean, mean, mean, len(seeds), detectable)
    found = stats.bootstrap(
        (seeds,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=1 - ALPHA,
        method="BCa",
        rng=numpy_generator("bootstrap", purpose),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), len(seeds), detectable)


def difference(
    first: Sequence[float] | Floats,
    second: Sequence[float] | Floats,
    purpose: str,
    *,
    alpha: float = ALPHA,
) -> Difference:
    """Compare two variants, seed by seed.

    Args:
        first: One number a seed, finite.
        second: The same seeds in the same order.
        purpose: Names the generators.
        alpha: As in `interval`.
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    paired = one - other
    num_seeds = len(paired)
    wins = (one[:, None] > other).mean() + (one[:, None] == other).mean() / 2
    return Difference(
        interval(paired, purpose, alpha=alpha),
        _sign_flip(paired, purpose),
        _smallest_p(num_seeds),
        float(wins),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    if not p_values:
        return []
    return [float(p) for p in multipletests(p_values, alpha=ALPHA, method="holm")[1]]


def _sign_flip(paired: Floats, purpose: str) -> float:
    if len(paired) < 2:
        return 1.0
    exact = len(paired) <= EXACT
    found = stats.permutation_test(
        (paired,),
        np.mean,
        permutation_type="samples",
        n_resamples=2**EXACT if exact else RESAMPLES,
        alternative="two-sided",
        rng=numpy_generator("sign flips", purpose),
    )
    return float(found.pvalue)


def _smallest_p(num_seeds: int) -> float:
    if num_seeds < 2:
        return 1.0
    return 2 / 2**num_seeds if num_seeds <= EXACT else 2 / (RESAMPLES + 1)


def _detectable(seeds: Floats, alpha: float) -> float:
    if len(seeds) < 2:
        return np.nan
    spread = seeds.std(ddof=1)
    if spread <= ROUNDING * np.abs(seeds).max():
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its first guesses may be out of range
        effect = TTestPower().solve_power(nobs=len(seeds), alpha=alpha, power=POWER)
    return float(np.squeeze(effect)) * float(spread)
