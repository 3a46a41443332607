"""A folder of one's own photographs, as crops of 96x96 pixels.

How to name it in params.yaml: docs/photographs.md.
"""

__all__ = ["describe", "drawable", "read", "subjects", "write"]

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from whitepatch.errors import UserError, printable, short
from whitepatch.params import Folder, Params
from whitepatch.sources import Origin, cropping


def write(folder: Path, params: Params) -> None:
    """Write the crops of all scenes into an existing folder, as one pool: the train file.

    Raises:
        UserError: The folder is missing or holds something else, or a picture is unreadable or
            too small.
    """
    settings = _settings(params)
    cropping.write(folder, settings, settings.found(), read)


def read(path: Path) -> Image.Image:
    """Return a picture, RGB, turned as its EXIF says.

    Raises:
        UserError: It is unreadable, or has more than 8 bits a channel.
    """
    cure = "mend it, or take it out of the folder of sources.mine"
    try:
        with Image.open(path) as picture:
            if picture.mode[0] in "IF":
                raise UserError(f"{path} must have 8 bits a channel, got {picture.mode}; {cure}")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = printable(short(str(error), 200))
        raise UserError(f"{path} is no readable picture ({reason}); {cure}") from None


def subjects(labels: Sequence[int], params: Params) -> list[str]:
    """Return the scenes that crops were cut from, by their numbers."""
    names = _settings(params).names()
    return [names[label - 1] for label in labels]


def drawable(labels: Sequence[int], params: Params) -> list[bool]:  # noqa: ARG001 -- as any source
    """Say that a figure may show all: whose photographs they are decides what is published."""
    return [True] * len(labels)


def describe(params: Params) -> Origin:
    """Say what the images are."""
    number = len(_settings(params).names())
    return Origin(
        f"crops of a user's own photographs, of {number} scenes, a stand-in for STL-10",
        stand_in=True,
    )


def _settings(params: Params) -> Folder:
    """Return the parameters of this source, which params.yaml need not have."""
    if params.sources.mine is None:
        raise UserError("params.yaml has no sources.mine; docs/photographs.md says how to add it")
    return params.sources.mine
