"""Who is patched, and where: pure functions of the parameters."""

__all__ = ["Plan", "per_batch", "per_image", "plan"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whitepatch.params import Patch, Rows
from whitepatch.seeding import numpy_generator


@dataclass(frozen=True)
class Plan:
    """The answer to the task, for N images.

    Attributes:
        labels: [N], 1 where an image gets a patch, else 0.
        tops: [N], first row of the patch, pixels; -1 where there is none.
        lefts: [N], first column of the patch, pixels; -1 where there is none.
    """

    labels: NDArray[np.int64]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]


def plan(rows: Rows, patch: Patch, batch_size: int) -> Plan:
    """Return the plan of one split, by the rule that the parameters name.

    Args:
        rows: Where the split's images lie.
        patch: Rule, seed, probability and number of positions.
        batch_size: Of the training; only the article's rule depends on it.
    """
    if patch.plan == "per_batch":
        return per_batch(len(rows), batch_size, patch.seed, patch.positions)
    return per_image(rows, patch)


def per_image(rows: Rows, patch: Patch) -> Plan:
    """Draw label and position from a generator of the image's own.

    An image's fate depends on the seed, its file and its row alone: not on its neighbours, the
    order, the batch size or the split that it falls into.
    """
    drawn = []
    for row in range(rows.start, rows.stop):
        generator = numpy_generator("plan", patch.seed, rows.file, row)
        label = int(generator.random() < patch.probability)
        top, left = generator.integers(patch.positions, size=2)
        drawn.append((1, top, left) if label else (0, -1, -1))
    return Plan(*np.array(drawn, np.int64).T)


def per_batch(num_images: int, batch_size: int, seed: int, positions: int) -> Plan:
    """Draw label and position from the place in the batch, as the article prints it.

    NumPy's legacy generator is seeded with (place in the batch) + `seed`; `randint(2)` is the
    label and, if it is 1, two draws of `randint(positions)` are the top row and the left column.
    So every batch repeats the same labels and positions (the article's seed is 10, its positions
    are 80). Source: J. Fernandez, 2021; docs/article.md.
    """
    drawn = []
    for place in range(min(batch_size, num_images)):
        generator = np.random.RandomState(place + seed)
        label = generator.randint(2)
        drawn.append((1, *generator.randint(positions, size=2)) if label else (0, -1, -1))
    place_in_batch = np.arange(num_images) % batch_size
    return Plan(*np.array(drawn, np.int64)[place_in_batch].T)
