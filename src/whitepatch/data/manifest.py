"""The split as a readable table: one row an image.

A row names its image twice: by its place (file and row of the source) and by a digest of its
bytes. So the table alone pins down a whole data set. Whoever loads images through it notices a
picture that has changed, and a pipeline stage that depends on the table depends on the pictures.
"""

__all__ = ["COLUMNS", "Part", "identity", "load", "table"]

import csv
import io
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from whitepatch.data.layout import Images, read_images
from whitepatch.data.plan import Plan, plan
from whitepatch.errors import UserError
from whitepatch.params import Experiment

COLUMNS = ("split", "file", "row", "label", "top", "left", "image")


@dataclass(frozen=True)
class Part:
    """One split, loaded.

    Attributes:
        rows: [N], row of each image in its file.
        images: uint8 [N, 3, 96, 96], without patches.
        plan: Who is patched, and where.
    """

    rows: NDArray[np.int64]
    images: Images
    plan: Plan


def table(experiment: Experiment, raw: Path) -> str:
    """Return the manifest of an experiment as CSV.

    Args:
        experiment: Its rows, its patch and its batch size decide everything but the digests.
        raw: Folder of the source's images.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, rows in experiment.split.parts().items():
        images = read_images(raw, rows.file)
        if rows.stop > len(images):
            raise UserError(
                f"split.{name}.stop must be at most the {len(images)} images in "
                f"{raw}/{rows.file}_X.bin, got {rows.stop}"
            )
        fate = plan(rows, experiment.patch, experiment.train.batch_size)
        for row, label, top, left in zip(
            range(rows.start, rows.stop), fate.labels, fate.tops, fate.lefts, strict=True
        ):
            place = (top, left) if label else ("", "")
            writer.writerow([name, rows.file, row, label, *place, _digest(images[row])])
    return text.getvalue()


def load(manifest: Path, raw: Path, *splits: str) -> dict[str, Part]:
    """Load images and plan through a manifest.

    Args:
        manifest: The table, as `table` wrote it.
        raw: Folder of the source's images.
        *splits: Which to load; all of them if none is named.

    Returns:
        The splits that the manifest has, by name, in its order.

    Raises:
        UserError: An image is not the one that the manifest was made from.
    """
    lines = _lines(manifest)
    wanted = dict.fromkeys(line["split"] for line in lines if line["split"] in splits or not splits)
    return {
        split: _part([line for line in lines if line["split"] == split], manifest, raw)
        for split in wanted
    }


def identity(manifest: Path) -> str:
    """Return a digest of what trains, validates and tests: images and patches, in order.

    Raises:
        UserError: The manifest is missing.
    """
    columns = ("split", "label", "top", "left", "image")
    text = "\n".join(",".join(line[name] for name in columns) for line in _lines(manifest))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _lines(manifest: Path) -> list[dict[str, str]]:
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(
            f"{manifest} is missing; make it with: dvc repro split@{manifest.stem}"
        ) from None


def _part(lines: list[dict[str, str]], manifest: Path, raw: Path) -> Part:
    source: Literal["train", "test"] = "train" if lines[0]["file"] == "train" else "test"
    rows = np.array([line["row"] for line in lines], np.int64)
    pictures = read_images(raw, source)
    if rows.max() >= len(pictures):
        raise UserError(
            f"{raw}/{source}_X.bin has {len(pictures)} images, but {manifest} names row "
            f"{rows.max()}; make both again: dvc repro -f split@{manifest.stem}"
        )
    images = np.ascontiguousarray(pictures[rows])
    for line, image in zip(lines, images, strict=True):
        if _digest(image) != line["image"]:
            raise UserError(
                f"{raw}/{source}_X.bin: row {line['row']} is not the image that {manifest} was "
                f"made from; make both again: dvc repro -f split@{manifest.stem}"
            )
    labels, tops, lefts = (
        np.array([line[column] or -1 for line in lines], np.int64)
        for column in ("label", "top", "left")
    )
    return Part(rows, images, Plan(labels, tops, lefts))


def _digest(image: NDArray[np.uint8]) -> str:
    return blake2b(image.tobytes(), digest_size=8).hexdigest()
