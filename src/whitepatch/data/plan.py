"""The task: who gets which patches, and where. Pure functions of the parameters."""

__all__ = ["APART", "COLUMNS", "ROWS", "Plan", "per_batch", "plan"]

import colorsys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from whitepatch.data.layout import SIDE
from whitepatch.params import Patch
from whitepatch.seeding import numpy_generator

APART = 48
"""Pixels at least along one axis between the corners of the two patches of `compare` and `arrange`;
a cell of the trunk sees 32."""

ROWS = range(32, 53, 4)
COLUMNS = range(0, 85, 4)
"""Top rows and left columns of the patches of `arrange`: multiples of the trunk's stride, for
another phase would tell them apart, and so far from the upper and lower edge that the trunk's
padding does not reach them."""

Place: TypeAlias = tuple[int, int]
"""Top row and left column, pixels."""

Colour: TypeAlias = tuple[int, int, int]
"""Bytes."""

NOWHERE: Place = (-1, -1)


@dataclass(frozen=True)
class Plan:
    """The answer to the task for N images, and the P patches of each that pose it.

    Attributes:
        labels: [N], 0 or 1.
        tops: [N, P], first row of each patch, pixels; -1 where there is none.
        lefts: [N, P], first column of each patch, pixels; -1 where there is none.
        sizes: [N], pixels; None where all have that of the parameters.
        contrasts: [N], above 0 to 1; None where all have that of the parameters.
        colours: uint8 [N, P, 3]; None where the parameters say how bright they are.
    """

    labels: NDArray[np.int64]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]
    sizes: NDArray[np.int64] | None = None
    contrasts: NDArray[np.float64] | None = None
    colours: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class _Fate:
    """What one image gets."""

    label: int
    places: tuple[Place, ...]
    size: int | None = None
    contrast: float | None = None
    colours: tuple[Colour, ...] | None = None


def plan(
    names: Sequence[tuple[int | str, ...]], patch: Patch, batch_size: int, *, in_fours: bool = False
) -> Plan:
    """Return the plan of one part of a split, by the rule that the parameters name.

    Args:
        names: Of each image: its file and row, and what else tells its generator from others. By
            `per_image` its fate depends on this name and the parameters alone: not on its
            neighbours, the order, the batch size or the part that it falls into.
        patch: The rules.
        batch_size: Of the training; only `per_batch` depends on it.
        in_fours: For `compare`: whether four images in turn, which have one name, are the four
            pairs that their two hues form. A logit that is a sum over places has the same sum over
            the two pairs of either label, so at least one of the four is judged wrongly.
    """
    if patch.plan == "per_batch":
        return per_batch(len(names), batch_size, patch.seed, patch.positions)
    fates = []
    for place, name in enumerate(names):
        generator = numpy_generator("plan", patch.seed, *name)
        if in_fours:
            fates.append(_compare(generator, patch, FOURS[place % 4]))
        else:
            fates.append(TASKS[patch.task](generator, patch))
    tops, lefts = np.array([fate.places for fate in fates], np.int64).transpose(2, 0, 1)
    return Plan(
        np.array([fate.label for fate in fates], np.int64),
        tops,
        lefts,
        _array([fate.size for fate in fates], np.int64),
        _array([fate.contrast for fate in fates], np.float64),
        _array([fate.colours for fate in fates], np.uint8),
    )


def _array(values: Sequence[object], kind: type) -> NDArray[Any] | None:
    return None if values[0] is None else np.array(values, kind)


def _detect(generator: Generator, patch: Patch) -> _Fate:
    """Is there a patch? A second one, if the parameters have it, is in all images."""
    label = _coin(generator, patch)
    if patch.mixture:
        size, contrast = (
            generator.choice(them).item() for them in (patch.mixture.sizes, patch.mixture.contrasts)
        )
        place = _place(generator, SIDE + 1 - size)
        return _Fate(label, (place if label else NOWHERE,), size, contrast)
    if patch.distractor is None:
        place = _place(generator, patch.positions)
        return _Fate(label, (place if label else NOWHERE,))
    # beside the first, or beside where it would be, so that it tells nothing
    place, other = _two_places(generator, patch.positions, patch.size)
    return _Fate(label, (place if label else NOWHERE, other))


FOURS = ((1, False), (1, True), (0, False), (0, True))
"""Label, and whether the two hues are exchanged, of the four images in turn."""


def _compare(generator: Generator, patch: Patch, given: tuple[int, bool] | None = None) -> _Fate:
    """Have two patches the same hue, or opposite ones?"""
    label, exchanged = _coin(generator, patch), False
    one, other = _two_places(generator, patch.positions, APART)
    hue = generator.random()
    if given:
        label, exchanged = given
    colours = [_bright(hue), _bright(hue + 0.5)]
    if exchanged:
        colours.reverse()
    return _Fate(label, (one, other), colours=(colours[0], colours[0 if label else 1]))


def _arrange(generator: Generator, patch: Patch) -> _Fate:
    """Do two patches lie in one row? A row, or two columns, are as frequent in both classes."""
    label = _coin(generator, patch)
    top, other_top = generator.permutation(ROWS)[:2].tolist()
    left, other_left = generator.choice(COLUMNS, size=2).tolist()
    while abs(left - other_left) < APART:
        left, other_left = generator.choice(COLUMNS, size=2).tolist()
    return _Fate(label, ((top, left), (top if label else other_top, other_left)))


TASKS: Mapping[str, Callable[[Generator, Patch], _Fate]] = {
    "detect": _detect,
    "compare": _compare,
    "arrange": _arrange,
}


def _coin(generator: Generator, patch: Patch) -> int:
    return int(generator.random() < patch.probability)


def _place(generator: Generator, positions: int) -> Place:
    top, left = generator.integers(positions, size=2).tolist()
    return top, left


def _two_places(generator: Generator, positions: int, pixels: int) -> tuple[Place, Place]:
    """Draw two places whose corners are at least so many pixels apart along one axis."""
    while True:
        one, other = _place(generator, positions), _place(generator, positions)
        if max(abs(one[0] - other[0]), abs(one[1] - other[1])) >= pixels:
            return one, other


def _bright(hue: float) -> Colour:
    """Return the byte colour of a hue in turns, as saturated and bright as can be."""
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, 1, 1))
    return red, green, blue


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
        drawn.append((1, *generator.randint(positions, size=2)) if label else (0, *NOWHERE))
    place_in_batch = np.arange(num_images) % batch_size
    labels, tops, lefts = np.array(drawn, np.int64)[place_in_batch].T
    return Plan(labels, tops[:, None], lefts[:, None])
