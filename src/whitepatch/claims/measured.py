"""What the claims are decided by: measures of all seeds, and the numbers made of them."""

__all__ = ["BySeed", "Estimate", "Measured", "Pair"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from whitepatch.claims.statistics import ALPHA, Difference, Interval

Floats: TypeAlias = NDArray[np.float64]
BySeed: TypeAlias = Mapping[str, Floats]
"""By variant, one number a seed; all variants have the same seeds in the same order."""


@dataclass(frozen=True)
class Measured:
    """What the claims are decided by.

    Attributes:
        error: Smallest test loss over epochs, nats.
        excess: Test loss of the last epoch over the smallest, minus one.
        unrest: Standard deviation of the test loss over the last half of the epochs, nats.
        output: How far the drawn channels of the layer's output tell the patch from the rest,
            |2 AUC - 1|, mean over the channels.
        input: The same of its input.
        untrained: The same of the output of the same network before training.
    """

    error: BySeed
    excess: BySeed
    unrest: BySeed
    output: BySeed
    input: BySeed
    untrained: BySeed


@dataclass(frozen=True)
class Pair:
    """A planned comparison of smallest test losses: first minus second, nats."""

    first: str
    second: str
    difference: Difference
    adjusted_p: float

    @property
    def lower(self) -> str | None:
        """The variant whose loss is significantly lower, if one is."""
        if self.adjusted_p >= ALPHA:
            return None
        return self.first if self.difference.interval.mean < 0 else self.second


@dataclass(frozen=True)
class Estimate:
    """A number that decides a claim.

    Attributes:
        value: A mean over seeds, or a difference of two measures.
        inputs: What it was computed from: a field of `Measured` and a variant, for each of them.
    """

    value: Difference | Interval
    inputs: tuple[tuple[str, str], ...]

    @property
    def interval(self) -> Interval:
        """The mean over seeds and its interval."""
        return self.value.interval if isinstance(self.value, Difference) else self.value
