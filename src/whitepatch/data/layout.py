"""STL-10's binary layout, the one format of every source.

An image is 96x96 RGB: three planes of bytes, each plane column by column. A label is one byte,
from 1. In memory an image is [3, 96, 96], row by row.

Source: Coates, Lee and Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature
Learning", AISTATS 2011, https://cs.stanford.edu/~acoates/stl10/
"""

__all__ = ["SIDE", "Images", "Labels", "read_images", "read_labels", "write"]

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from whitepatch.errors import UserError

SIDE = 96
"""Height and width of an image, pixels."""

Images: TypeAlias = NDArray[np.uint8]
"""[N, 3, 96, 96]: image, channel, row, column."""

Labels: TypeAlias = NDArray[np.uint8]
"""[N]"""


def write(folder: Path, file: Literal["train", "test"], images: Images, labels: Labels) -> None:
    """Write `<file>_X.bin` and `<file>_y.bin` into an existing folder."""
    if images.dtype != np.uint8 or images.shape != (len(labels), 3, SIDE, SIDE):
        raise ValueError(f"images must be uint8 [{len(labels)}, 3, {SIDE}, {SIDE}]")
    (folder / f"{file}_X.bin").write_bytes(images.swapaxes(2, 3).tobytes())
    (folder / f"{file}_y.bin").write_bytes(labels.astype(np.uint8).tobytes())


def read_images(folder: Path, file: str) -> Images:
    """Return all images of a file, as a read-only view of it.

    Raises:
        UserError: The file is missing or does not hold whole images.
    """
    path = folder / f"{file}_X.bin"
    try:
        content = np.memmap(path, mode="r")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; make it with: dvc repro fetch@{folder.name}") from None
    except ValueError:
        raise UserError(
            f"{path} is empty; make it again: dvc repro -f fetch@{folder.name}"
        ) from None
    if content.size % (3 * SIDE * SIDE):
        raise UserError(
            f"{path} must hold whole images of {3 * SIDE * SIDE} bytes, got {content.size} bytes; "
            f"make it again: dvc repro -f fetch@{folder.name}"
        )
    return content.reshape(-1, 3, SIDE, SIDE).swapaxes(2, 3)


def read_labels(folder: Path, file: Literal["train", "test"]) -> Labels:
    """Return all labels of a file."""
    return np.fromfile(folder / f"{file}_y.bin", np.uint8)
