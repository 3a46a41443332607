"""Where images come from: a package for each source of params.yaml, found by its name.

Each writes the same layout (`write`), knows when two parts of a split would share what they must
not share (`refuse_overlap`), and says what its images are (`describe`) and show (`subjects`).
"""

__all__ = ["Origin", "Source", "find"]

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from whitepatch.errors import UserError
from whitepatch.params import Params, Sources, Split


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
    """What the package of a source offers."""

    def write(self, folder: Path, params: Params) -> None:
        """Write train_X.bin, train_y.bin, test_X.bin and test_y.bin into an existing folder."""

    def refuse_overlap(self, folder: Path, split: Split) -> None:
        """Raise `UserError` where two parts of a split share what they must not share."""

    def subjects(self, labels: Sequence[int]) -> list[str]:
        """Return what images show, by their labels in the source's own files: 1 to 255."""

    def describe(self, params: Params) -> Origin:
        """Say what the images are that these parameters give."""


def find(name: str) -> Source:
    """Return a source by name; a name that is not there is a `UserError`."""
    if name not in Sources.model_fields:
        raise UserError(f"no source {name!r}; there are {', '.join(Sources.model_fields)}")
    return cast(Source, import_module(f"{__name__}.{name}"))
