"""Photographs, cut into crops of 96x96 pixels.

Sources and licences: docs/photographs.md.
"""

__all__ = ["crops", "describe", "refuse_overlap", "subjects", "write"]

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whitepatch.data import layout
from whitepatch.errors import UserError
from whitepatch.params import Params, PhotoGroup, Photos, Split
from whitepatch.seeding import numpy_generator
from whitepatch.sources import Origin
from whitepatch.sources.photos.catalogue import PHOTOGRAPHS, read


def write(folder: Path, params: Params) -> None:
    """Write the crops of all groups into an existing folder, in STL-10's binary layout.

    The train file holds the train crops, then the validation crops; a crop's label is the number
    of its photograph.

    Raises:
        UserError: A photograph is unknown, missing, or not the one that was pinned.
    """
    photos = params.sources.photos
    train, train_labels = crops(photos, "train", photos.train)
    validation, validation_labels = crops(photos, "validation", photos.validation)
    test, test_labels = crops(photos, "test", photos.test)
    layout.write(
        folder,
        "train",
        np.concatenate([train, validation]),
        np.concatenate([train_labels, validation_labels]),
    )
    layout.write(folder, "test", test, test_labels)


def crops(photos: Photos, name: str, group: PhotoGroup) -> tuple[layout.Images, layout.Labels]:
    """Cut a group's crops; all about a crop is drawn from a generator of its own.

    Photograph, side and place; whether it is flipped; which colour channel plays red, green and
    blue; and its exposure. Channels and exposure make a dozen photographs less alike.

    Returns:
        uint8 [N, 3, 96, 96] and the photographs' numbers, uint8 [N].
    """
    pictures = [read(photograph) for photograph in group.photographs]
    for photograph, picture in zip(group.photographs, pictures, strict=True):
        if min(photos.sides) > min(picture.size):
            raise UserError(
                f"sources.photos.sides must have one of at most {min(picture.size)} pixels, the "
                f"smaller side of {photograph}, got {list(photos.sides)}"
            )
    numbers = [PHOTOGRAPHS[photograph].number for photograph in group.photographs]
    images = np.empty((group.crops, 3, layout.SIDE, layout.SIDE), np.uint8)
    labels = np.empty(group.crops, np.uint8)
    for index in range(group.crops):
        generator = numpy_generator("crops", photos.seed, name, index)
        chosen = generator.integers(len(pictures))
        images[index] = _crop(pictures[chosen], photos, generator)
        labels[index] = numbers[chosen]
    return images, labels


def refuse_overlap(folder: Path, split: Split) -> None:
    """Refuse a split of which two parts show one scene; the files themselves are asked.

    Raises:
        UserError: A number occurs in two parts.
    """
    numbers = {
        part: set(layout.read_labels(folder, rows.file)[rows.start : rows.stop].tolist())
        for part, rows in split.parts().items()
    }
    for first, second in combinations(numbers, 2):
        if shared := numbers[first] & numbers[second]:
            names = [name for name, known in PHOTOGRAPHS.items() if known.number in shared]
            raise UserError(
                f"split.{first} and split.{second} must not share a photograph, both have "
                f"{', '.join(names)}; mend their rows, or the groups of sources.photos"
            )


def subjects(labels: Sequence[int]) -> list[str]:
    """Return the photographs that crops were cut from, by their numbers."""
    names: dict[int, str] = {}
    for name, known in PHOTOGRAPHS.items():
        names.setdefault(known.number, name)  # two views of one scene have one number
    return [names[label] for label in labels]


def describe(params: Params) -> Origin:
    """Say what the images are."""
    photos = params.sources.photos
    groups = (photos.train, photos.validation, photos.test)
    number = len({PHOTOGRAPHS[name].number for group in groups for name in group.photographs})
    return Origin(
        f"crops of real photographs, of {number} scenes, that installed packages carry, "
        "a stand-in for STL-10",
        stand_in=True,
    )


def _crop(
    picture: Image.Image, photos: Photos, generator: np.random.Generator
) -> NDArray[np.uint8]:
    fitting = [side for side in photos.sides if side <= min(picture.size)]
    side = fitting[generator.integers(len(fitting))]
    left = int(generator.integers(picture.width - side + 1))
    top = int(generator.integers(picture.height - side + 1))
    crop = picture.resize(
        (layout.SIDE, layout.SIDE), Image.Resampling.BOX, (left, top, left + side, top + side)
    )
    if generator.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = np.asarray(crop).transpose(2, 0, 1)
    if photos.swap_channels:
        pixels = pixels[generator.permutation(3)]
    return (pixels * generator.uniform(photos.darkest, 1)).astype(np.uint8)
