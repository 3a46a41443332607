"""A sweep that has run, image by image, and the numbers that predictions speak of."""

__all__ = ["Swept", "measured"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from whitepatch.claims.crossed import Crossed, Images, crossed, weights
from whitepatch.claims.predictions import Quantity
from whitepatch.claims.threshold import slope, threshold

Floats = NDArray[np.float64]

REFITS = 999
"""Resamples of a slope: each fits a curve for every size."""

SIZE, CONTRAST, PATCHED = "test.patch.size", "test.patch.contrast", "test.patch.probability"


@dataclass(frozen=True)
class Swept:
    """What a sweep left.

    Attributes:
        name: Of the sweep.
        table: A row for each variant, condition and seed.
        logits: [rows, N], of the test images.
        labels: [rows, N], 0 or 1.
        shows: [rows, N], the source's label of each image: its scene or its class.
        pictures: [trainings, 2, 3, 96, 96], a test image of either label for each training.
    """

    name: str
    table: pd.DataFrame
    logits: NDArray[np.float32]
    labels: NDArray[np.uint8]
    shows: NDArray[np.uint8]
    pictures: NDArray[np.uint8]

    @classmethod
    def of(cls, name: str, table: pd.DataFrame, arrays: Mapping[str, NDArray[Any]]) -> "Swept":
        """Take what the stage wrote: its table, and its arrays in the same order of rows."""
        return cls(name, table, *(arrays[key] for key in ("logits", "labels", "shows", "pictures")))

    def rows(self, variant: str, **levels: float) -> NDArray[np.intp]:
        """Return the rows of a variant at some levels, one a seed, in the order of the seeds."""
        some = self.table[self.table["variant"] == variant]
        for column, value in levels.items():
            some = some[some[column] == value]
        return np.asarray(some.sort_values("seed", kind="stable").index)

    def right(self, variant: str, levels: Mapping[str, float]) -> NDArray[np.bool_]:
        """Return which images of every seed were judged rightly, [S, N]."""
        rows = self.rows(variant, **levels)
        right: NDArray[np.bool_] = (self.logits[rows] > 0) == (self.labels[rows] > 0)
        return right

    def tested(self, variant: str, levels: Mapping[str, float]) -> Images:
        """Return seed and scene of the same images, [S * N]."""
        rows = self.rows(variant, **levels)
        seeds = self.table["seed"].to_numpy()[rows].repeat(self.logits.shape[1])
        return Images(seeds, self.shows[rows].ravel())

    def accuracy(
        self, variant: str, minus: str | None = None, levels: Mapping[str, float] | None = None
    ) -> Crossed:
        """Return the test accuracy of a variant, or by how much it is above another's."""
        levels = levels or {}
        right = self.right(variant, levels).astype(float)
        if minus:
            right -= self.right(minus, levels)
        # the sweep alone names the resamples: all variants are seen in the same ones
        return crossed(right.ravel(), self.tested(variant, levels), self.name)

    def slopes(self, variant: str) -> Floats:
        """Return the slope of log threshold over log area: as measured, then of REFITS resamples.

        NaN where too few sizes have a threshold.
        """
        seeds = self.table["seed"].nunique()
        drawn = weights(seeds, len(np.unique(self.shows)), self.name, REFITS)
        found = [self._areas(variant, None), self._areas(variant, drawn)]
        return np.concatenate([_slopes(*one) for one in found])

    def _areas(
        self, variant: str, drawn: tuple[Floats, Floats] | None
    ) -> tuple[list[float], list[float], Floats]:
        """Return sizes, contrasts and areas under the ROC, [sizes, resamples, contrasts]."""
        with_patch = self.table[self.table[PATCHED] == 1]
        sizes, contrasts = (sorted(with_patch[column].unique()) for column in (SIZE, CONTRAST))
        clean = self.rows(variant, **{PATCHED: 0})
        areas = [
            [
                self._area(
                    self.rows(variant, **{PATCHED: 1, SIZE: it, CONTRAST: one}), clean, drawn
                )
                for one in contrasts
            ]
            for it in sizes
        ]
        return sizes, contrasts, np.moveaxis(np.array(areas), 1, 2)

    def _area(
        self,
        patched: NDArray[np.intp],
        clean: NDArray[np.intp],
        drawn: tuple[Floats, Floats] | None,
    ) -> Floats:
        """Return the area under the ROC of patched pictures against clean ones, by resample.

        Pictures of one seed are compared; [resamples], or one without any.
        """
        scenes = np.unique(self.shows)
        wins, pairs = np.zeros((2, len(patched), len(scenes), len(scenes)))
        for seed, (one, other) in enumerate(zip(patched, clean, strict=True)):
            high, low = self.logits[one].astype(float), self.logits[other].astype(float)
            above = (high[:, None] > low) + (high[:, None] == low) / 2
            at = np.searchsorted(scenes, self.shows[one])[:, None]
            where = at, np.searchsorted(scenes, self.shows[other])[None]
            np.add.at(wins[seed], where, above)
            np.add.at(pairs[seed], where, 1)
        if drawn is None:
            return np.array([(wins.sum((1, 2)) / pairs.sum((1, 2))).mean()])
        of_seeds, of_scenes = drawn

        def total(of: Floats) -> Floats:
            return np.einsum("bc,bd,scd->bs", of_scenes, of_scenes, of, optimize=True)

        number = total(pairs)
        each = total(wins) / np.where(number > 0, number, 1)
        counted = of_seeds * (number > 0)
        return np.asarray((counted * each).sum(1) / counted.sum(1))


def _slopes(sizes: list[float], contrasts: list[float], areas: Floats) -> Floats:
    return np.array(
        [slope(sizes, [threshold(contrasts, one) for one in some]) for some in areas.swapaxes(0, 1)]
    )


def measured(sweeps: Mapping[str, Swept]) -> Callable[[Quantity], Crossed | None]:
    """Return what finds the number that a prediction speaks of, in the sweeps that have run."""

    @cache
    def slopes(sweep: str, variant: str) -> Floats:
        return sweeps[sweep].slopes(variant)

    def find(quantity: Quantity) -> Crossed | None:
        sweep = sweeps.get(quantity.sweep)
        if sweep is None:
            return None
        if quantity.measure == "accuracy":
            return sweep.accuracy(quantity.variant, quantity.minus, dict(quantity.levels))
        found = slopes(sweep.name, quantity.variant)
        if quantity.minus:
            found = found - slopes(sweep.name, quantity.minus)
        seeds, scenes = sweep.table["seed"].nunique(), len(np.unique(sweep.shows))
        return Crossed(float(found[0]), np.sort(found[1:]), seeds, scenes)

    return find
