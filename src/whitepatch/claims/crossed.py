"""Seeds and scenes as units at once: the interval that stands first, and the test that agrees.

A network is tested on images of a few scenes, with patches that its seed drew. Another seed would
give another number, and so would other scenes. Both are drawn again here, with replacement and each
for itself: an image counts as often as its seed was drawn, times as often as its scene was. The
interval holds the middle 95 % of what comes out, and the p-value counts in the same resamples how
many lie beyond a level; so p is at most 0.05 exactly where the interval leaves the level out.

Where seeds are folds of the scenes, a scene is tested by a few of them only. Of five seeds the
resamples are coarse, and an interval is rather too narrow; it is too wide by what seeds and scenes
share.

A number that a seed has but once is one of a single scene: then this is a bootstrap over seeds.

Source: Owen, "The pigeonhole bootstrap", 2007, https://arxiv.org/abs/0712.1111.
"""

__all__ = ["RESAMPLES", "Crossed", "Images", "crossed", "weights"]

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from whitepatch.claims.statistics import ALPHA, POWER
from whitepatch.seeding import numpy_generator

Floats = NDArray[np.float64]

RESAMPLES = 9999

BLOCK = 500
"""Resamples at a time: with 8000 scenes, 32 MB."""


@dataclass(frozen=True)
class Images:
    """Which seed and which scene the images of a test belong to.

    Attributes:
        seeds: [N], numbers.
        scenes: [N], numbers or names.
    """

    seeds: NDArray[np.int64]
    scenes: NDArray[np.generic]


@dataclass(frozen=True)
class Crossed:
    """A number with its 95 % interval over seeds and scenes.

    Attributes:
        value: As measured.
        resamples: [RESAMPLES], what other seeds and scenes give, in order.
        num_seeds: How many seeds were drawn from.
        num_scenes: How many scenes.
    """

    value: float
    resamples: Floats
    num_seeds: int
    num_scenes: int

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return float(self.resamples[self._beyond() - 1])

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return float(self.resamples[-self._beyond()])

    @property
    def detectable(self) -> float:
        """The smallest true distance from a level that a test at ALPHA finds with POWER.

        (z(1 - ALPHA / 2) + z(POWER)) times the standard deviation of the resamples, 2.8 of them.
        It is that of one test alone; Holm's correction asks for more.

        Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988.
        """
        return float((norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER)) * self.resamples.std())

    def p_value(self, level: float) -> float:
        """Return the two-sided p-value of the number being `level`; NaN speaks for it."""
        beyond = min((~(self.resamples > level)).sum(), (~(self.resamples < level)).sum())
        return float(min(1.0, 2 * (beyond + 1) / (len(self.resamples) + 1)))

    def _beyond(self) -> int:
        return int((len(self.resamples) + 1) * ALPHA / 2)


def crossed(values: NDArray[np.generic], of: Images, purpose: str) -> Crossed:
    """Return the mean over images with its interval.

    Args:
        values: [N], one an image: a loss, whether it was judged rightly, or the difference of two
            networks in either.
        of: Seed and scene of each image.
        purpose: Names the generators of the resamples.
    """
    values = np.asarray(values, float)
    seeds, row = np.unique(of.seeds, return_inverse=True)
    scenes, column = np.unique(of.scenes, return_inverse=True)
    sums, counts = np.zeros((2, len(seeds), len(scenes)))
    np.add.at(sums, (row, column), values)
    np.add.at(counts, (row, column), 1)
    found = []
    for of_seeds, of_scenes in _blocks(len(seeds), len(scenes), purpose, RESAMPLES, BLOCK):
        drawn = (of_seeds * (of_scenes @ counts.T)).sum(axis=1)
        there = drawn > 0  # a draw of seeds and scenes that never met says nothing
        total = (of_seeds * (of_scenes @ sums.T)).sum(axis=1)
        found.append(total[there] / drawn[there])
    resamples = np.sort(np.concatenate(found))
    return Crossed(float(values.mean()), resamples, len(seeds), len(scenes))


def weights(
    num_seeds: int, num_scenes: int, purpose: str, number: int = RESAMPLES
) -> tuple[Floats, Floats]:
    """Return how often each seed and each scene is drawn: [number, seeds], [number, scenes]."""
    return next(_blocks(num_seeds, num_scenes, purpose, number, number))


def _blocks(
    num_seeds: int, num_scenes: int, purpose: str, number: int, block: int
) -> Iterator[tuple[Floats, Floats]]:
    """Yield what `weights` returns, so many rows at a time; the same rows, whatever the block."""
    ours, theirs = (
        numpy_generator("bootstrap", "crossed", purpose, what) for what in ("seeds", "scenes")
    )

    def drawn(generator: np.random.Generator, of: int, rows: int) -> Floats:
        return generator.multinomial(of, np.full(of, 1 / of), rows).astype(float)

    for start in range(0, number, block):
        rows = min(block, number - start)
        yield drawn(ours, num_seeds, rows), drawn(theirs, num_scenes, rows)
