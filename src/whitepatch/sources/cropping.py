"""Scenes, cut into crops of 96x96 pixels: what `photos` and `mine` have in common."""

__all__ = ["Picture", "crops", "write"]

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whitepatch.data import layout
from whitepatch.errors import UserError
from whitepatch.params import Crops
from whitepatch.seeding import numpy_generator

Picture = TypeVar("Picture")
"""What names a picture: a name of the catalogue, or a path."""


def write(
    folder: Path,
    settings: Crops,
    scenes: Mapping[str, Sequence[Picture]],
    read: Callable[[Picture], Image.Image],
) -> None:
    """Write one pool, the train file of STL-10's binary layout, into an existing folder.

    It holds all crops of the first scene, then of the second, and so on. A crop's label is its
    scene's number, from 1.

    Args:
        folder: Gets train_X.bin and train_y.bin.
        settings: How crops are made.
        scenes: By name, in order, the pictures of each; 255 scenes at most.
        read: Returns a picture, RGB.

    Raises:
        UserError: A picture is too small for any side, or `read` refuses it.
    """
    images = [crops(settings, name, pictures, read) for name, pictures in scenes.items()]
    labels = np.repeat(np.arange(1, len(scenes) + 1), settings.crops).astype(np.uint8)
    layout.write(folder, "train", np.concatenate(images), labels)


def crops(
    settings: Crops,
    scene: str,
    pictures: Sequence[Picture],
    read: Callable[[Picture], Image.Image],
) -> layout.Images:
    """Cut a scene's crops; all about a crop is drawn from a generator of its own.

    Which picture, the side of the square, its place, and whether it is mirrored. The generator is
    named by the seed, the scene and the crop's place in it, so no other scene moves it.

    Returns:
        uint8 [crops, 3, 96, 96]

    Raises:
        UserError: A picture is too small for any side, or `read` refuses it.
    """
    generators = [
        numpy_generator("crops", settings.seed, scene, index) for index in range(settings.crops)
    ]
    chosen = [int(generator.integers(len(pictures))) for generator in generators]
    images = np.empty((settings.crops, 3, layout.SIDE, layout.SIDE), np.uint8)
    for place, name in enumerate(pictures):  # one picture in memory at a time
        picture = read(name)
        sides = [side for side in settings.sides if side <= min(picture.size)]
        if not sides:
            raise UserError(
                f"{name} is too small: sides must have one of at most {min(picture.size)} pixels, "
                f"got {list(settings.sides)}; add one, or take the picture out"
            )
        for index, generator in enumerate(generators):
            if chosen[index] == place:
                images[index] = _crop(picture, sides, generator)
    return images


def _crop(
    picture: Image.Image, sides: Sequence[int], generator: np.random.Generator
) -> NDArray[np.uint8]:
    side = sides[int(generator.integers(len(sides)))]
    left = int(generator.integers(picture.width - side + 1))
    top = int(generator.integers(picture.height - side + 1))
    crop = picture.resize(
        (layout.SIDE, layout.SIDE), Image.Resampling.BOX, (left, top, left + side, top + side)
    )
    if generator.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(crop).transpose(2, 0, 1)
