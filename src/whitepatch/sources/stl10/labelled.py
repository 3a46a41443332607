"""STL-10's labelled files as torchvision reads them: a second opinion on what was fetched."""

__all__ = ["describe", "drawable", "labelled", "refuse_unreadable", "subjects"]

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whitepatch.errors import UserError
from whitepatch.params import Params
from whitepatch.sources import Origin

if TYPE_CHECKING:
    from torchvision.datasets import STL10

CLASSES = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
"""What the labels from 1 stand for, as the archive's class_names.txt has them."""


def labelled(folder: Path, split: Literal["train", "test"]) -> "STL10":
    """Open a split with torchvision's own class, which asks for unlabeled_X.bin otherwise.

    Its list of files is narrowed to the four labelled ones. It looks for them, but does not hash
    them again: they were verified while they were written.
    """
    from torchvision.datasets import STL10  # costs seconds, and only fetch@stl10 needs it

    class Labelled(STL10):  # type: ignore[misc] # torchvision has no types
        base_folder = "."
        train_list = [["train_X.bin", None], ["train_y.bin", None]]  # noqa: RUF012 -- as there
        test_list = [["test_X.bin", None], ["test_y.bin", None]]  # noqa: RUF012 -- as there

    return Labelled(folder, split)


def refuse_unreadable(folder: Path) -> None:
    """Refuse files that torchvision reads otherwise than as labelled images.

    Raises:
        UserError: A label is none of STL-10's, or images and labels differ in number.
    """
    for split in ("train", "test"):
        found = labelled(folder, split)
        if len(found.data) != len(found.labels) or found.labels.max() >= len(CLASSES):
            raise UserError(
                f"{split}_y.bin must hold a label from 1 to {len(CLASSES)} for each of the "
                f"{len(found.data)} images of {split}_X.bin; mend sources.stl10 in params.yaml"
            )


def subjects(labels: Sequence[int], params: Params) -> list[str]:  # noqa: ARG001 -- as any source
    """Return the classes of images, by their labels."""
    return [CLASSES[label - 1] for label in labels]


def drawable(labels: Sequence[int], params: Params) -> list[bool]:  # noqa: ARG001 -- the same
    """Say that a figure may show all, as the article does."""
    return [True] * len(labels)


def describe(params: Params) -> Origin:
    """Say what the images are; STL-10 itself is known by the sums that torchvision carries."""
    from torchvision.datasets import STL10

    real = dict([*STL10.train_list, *STL10.test_list])
    pinned = params.sources.stl10.members()
    if all(real[file] == member.md5 for file, member in pinned.items()):
        return Origin("STL-10 (Coates, Lee and Ng, 2011)", stand_in=False)
    return Origin(
        "a stand-in for STL-10, an archive of its layout with other images", stand_in=True
    )
