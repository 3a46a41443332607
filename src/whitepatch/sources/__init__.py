"""Where images come from: a package for each source of params.yaml, found by its name.

Each writes the same layout (`write`), and says what its images are (`describe`) and show
(`subjects`), and which of them a committed figure may show (`drawable`).
"""

__all__ = ["Origin", "Source", "find"]

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from whitepatch.errors import UserError
from whitepatch.params import Params, Sources


@dataclass(frozen=True)
class Origin:
    """What a source's images are.

    Attributes:
        words: What they are, in a sentence without its full stop.
        stand_in: Whether they stand in for STL-10, which is what the article used.
    """

    words: str
    stand_in: bool


class Source(Protocol):
    """What the package of a source offers. Labels are those of its own files, 1 to 255."""

    def write(self, folder: Path, params: Params) -> None:
        """Write train_X.bin and train_y.bin, and test_X.bin and test_y.bin if it has test images.

        The folder exists.
        """

    def subjects(self, labels: Sequence[int], params: Params) -> list[str]:
        """Return what images show, by their labels: the scenes' names, or the classes."""

    def drawable(self, labels: Sequence[int], params: Params) -> list[bool]:
        """Say of images, by their labels, whether a figure that is committed may show them."""

    def describe(self, params: Params) -> Origin:
        """Say what the images are that these parameters give."""


def find(name: str) -> Source:
    """Return a source by name; a name that is not there is a `UserError`."""
    if name not in Sources.model_fields:
        raise UserError(f"no source {name!r}; there are {', '.join(Sources.model_fields)}")
    return cast(Source, import_module(f"{__name__}.{name}"))
