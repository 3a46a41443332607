"""Which rows of a source train, validate and test.

A split by rows names them, the same for every seed. A split by folds draws them: whole scenes are
dealt into folds once; seed s is tested on fold s, validated on the next and trained on the others,
each on so many of their crops, drawn by the seed. So a difference between seeds holds what other
photographs do, too (Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks",
2021, https://arxiv.org/abs/2103.03098).
"""

__all__ = ["POOL", "Chosen", "folds_of", "rows_of"]

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from whitepatch.data.layout import read_images, read_labels
from whitepatch.errors import UserError
from whitepatch.params import Folds, Split
from whitepatch.seeding import numpy_generator

POOL: Literal["train"] = "train"
"""The file that folds are dealt from."""


@dataclass(frozen=True)
class Chosen:
    """The rows of one part, in order.

    Attributes:
        file: Of the source.
        rows: [N]
    """

    file: Literal["train", "test"]
    rows: NDArray[np.int64]


def rows_of(split: Split | Folds, seed: int | None, raw: Path) -> dict[str, Chosen]:
    """Return the rows of each part, by its name.

    Args:
        split: By rows, or by folds.
        seed: Draws, where the split is by folds; None where it is by rows.
        raw: Folder of the source's images.

    Raises:
        UserError: The source has too few images.
    """
    if isinstance(split, Folds):
        if seed is None:
            raise ValueError("a split by folds is drawn by a seed")
        return _drawn(split, seed, raw)
    found = {}
    for name, rows in split.parts().items():
        number = len(read_images(raw, rows.file))
        if rows.stop > number:
            raise UserError(
                f"split.{name}.stop must be at most the {number} images in "
                f"{raw}/{rows.file}_X.bin, got {rows.stop}"
            )
        found[name] = Chosen(rows.file, np.arange(rows.start, rows.stop))
    return found


def folds_of(scenes: NDArray[np.uint8], folds: int) -> NDArray[np.int64]:
    """Deal scenes into folds that are as even as can be.

    Args:
        scenes: [N], the number of each image's scene.
        folds: How many.

    Returns:
        [N], the fold of each image, from 0.
    """
    known = np.unique(scenes)
    dealt = numpy_generator("folds", folds).permutation(len(known)) % folds
    return dealt[np.searchsorted(known, scenes)]


def _drawn(split: Folds, seed: int, raw: Path) -> dict[str, Chosen]:
    away = (folds_of(read_labels(raw, POOL), split.folds) - seed) % split.folds
    fold = {"train": away > 1, "validation": away == 1, "test": away == 0}
    found = {}
    for name, number in split.numbers().items():
        there = np.flatnonzero(fold[name])
        if number > len(there):
            raise UserError(
                f"split.{name} must be at most the {len(there)} images that seed {seed} finds in "
                f"its folds of {raw}, got {number}"
            )
        drawn = numpy_generator("draw", seed, name).permutation(there)[:number]
        found[name] = Chosen(POOL, drawn)
    return found
