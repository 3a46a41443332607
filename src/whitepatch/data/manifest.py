"""The split as a readable table: one row an image.

A row names its image twice: by its place (file and row of the source) and by a digest of its
bytes. So the table alone pins down a whole data set. Whoever loads images through it notices a
picture that has changed, and a pipeline stage that depends on the table depends on the pictures.

Where a seed draws its images, the table has rows of each seed; else the column is empty, and the
rows are every seed's.
"""

__all__ = ["COLUMNS", "Part", "identity", "load", "table"]

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from whitepatch.data.layout import SIDE, Images, read_images
from whitepatch.data.plan import Plan, plan
from whitepatch.data.rows import rows_of
from whitepatch.errors import UserError
from whitepatch.params import Experiment, Folds
from whitepatch.seeding import numpy_generator

COLUMNS = ("seed", "split", "file", "row", "image", "label", "top", "left")
"""Of every table. One whose images have more to tell goes on: `size`, `contrast` and `colour` of
the patch; `top_2`, `left_2` and `colour_2` of a second."""


NOISE: Literal["noise"] = "noise"
"""What stands for a file where each picture is replaced by independent pixels."""


@dataclass(frozen=True)
class Part:
    """One part of a split, loaded.

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
        experiment: Its split, its patch, its batch size and, where a seed draws its images, its
            seeds decide everything but the digests.
        raw: Folder of the source's images.

    Raises:
        UserError: The source has too few images.
    """
    digests: dict[tuple[str, int], str] = {}
    lines = []
    seeds = experiment.train.seeds if isinstance(experiment.split, Folds) else (None,)
    for seed in seeds:
        for line in _part_lines(experiment, raw, seed):
            picture = line["file"], line["row"]
            if picture not in digests:
                digests[picture] = _digest(_pictures(raw, line["file"], [line["row"]])[0])
            found = {"seed": "" if seed is None else seed, **line, "image": digests[picture]}
            lines.append(found)
    text = io.StringIO()
    columns = dict.fromkeys([*COLUMNS, *lines[0]])
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _part_lines(experiment: Experiment, raw: Path, seed: int | None) -> Iterator[Any]:
    noise = experiment.patch.ground == "noise"
    for name, chosen in rows_of(experiment.split, seed, raw).items():
        in_fours = experiment.patch.task == "compare" and name == "test"
        rows = chosen.rows.repeat(4)[: len(chosen.rows)] if in_fours else chosen.rows
        own = () if seed is None else (seed,)
        names = [(chosen.file, int(row), *own) for row in rows]
        fate = plan(names, experiment.patch, experiment.train.batch_size, in_fours=in_fours)
        for place, row in enumerate(rows.tolist()):
            file = NOISE if noise else chosen.file
            yield {"split": name, "file": file, "row": row, **_answer(fate, place)}


def _answer(fate: Plan, place: int) -> dict[str, Any]:
    """Return what a row says of its task."""
    found: dict[str, Any] = {"label": fate.labels[place]}
    for patch in range(fate.tops.shape[1]):
        end = f"_{patch + 1}" if patch else ""
        top, left = fate.tops[place, patch], fate.lefts[place, patch]
        found |= (
            {f"top{end}": top, f"left{end}": left}
            if top >= 0
            else {f"top{end}": "", f"left{end}": ""}
        )
        if fate.colours is not None:
            found[f"colour{end}"] = fate.colours[place, patch].tobytes().hex()
    if fate.sizes is not None and fate.contrasts is not None:
        found |= {"size": fate.sizes[place], "contrast": fate.contrasts[place]}
    return found


def load(manifest: Path, raw: Path, seed: int, *splits: str) -> dict[str, Part]:
    """Load a seed's images and plan through a manifest.

    Args:
        manifest: The table, as `table` wrote it.
        raw: Folder of the source's images.
        seed: Of the training.
        *splits: Which to load; all of them if none is named.

    Returns:
        The splits that the manifest has, by name, in its order.

    Raises:
        UserError: An image is not the one that the manifest was made from.
    """
    lines = _lines(manifest, seed)
    wanted = dict.fromkeys(line["split"] for line in lines if line["split"] in splits or not splits)
    return {
        split: _part([line for line in lines if line["split"] == split], manifest, raw)
        for split in wanted
    }


def identity(manifest: Path, seed: int) -> str:
    """Return a digest of what a seed trains, validates and tests on: images and patches, in order.

    Raises:
        UserError: The manifest is missing.
    """
    lines = _lines(manifest, seed)
    columns = [name for name in lines[0] if name not in ("seed", "file", "row")]
    text = "\n".join(",".join(line[name] for name in columns) for line in lines)
    return blake2b(",".join([*columns, text]).encode(), digest_size=16).hexdigest()


def _lines(manifest: Path, seed: int) -> list[dict[str, str]]:
    """Return the rows of a seed."""
    cure = f"make it with: dvc repro split@{manifest.stem}"
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            lines = [it for it in csv.DictReader(file) if it["seed"] in ("", str(seed))]
    except FileNotFoundError:
        raise UserError(f"{manifest} is missing; {cure}") from None
    if not lines:
        raise UserError(f"{manifest} has no images of seed {seed}; {cure}")
    return lines


def _part(lines: list[dict[str, str]], manifest: Path, raw: Path) -> Part:
    source, rows = lines[0]["file"], np.array([line["row"] for line in lines], np.int64)
    try:
        images = _pictures(raw, source, rows)
    except IndexError:
        raise UserError(
            f"{raw}/{source}_X.bin has {len(read_images(raw, source))} images, but {manifest} "
            f"names row {rows.max()}; make both again: dvc repro -f split@{manifest.stem}"
        ) from None
    for line, image in zip(lines, images, strict=True):
        if _digest(image) != line["image"]:
            raise UserError(
                f"{raw}/{source}_X.bin: row {line['row']} is not the image that {manifest} was "
                f"made from; make both again: dvc repro -f split@{manifest.stem}"
            )
    return Part(rows, images, _plan(lines))


def _plan(lines: list[dict[str, str]]) -> Plan:
    """Return what the rows say of the task."""

    def numbers(column: str, kind: type = np.int64) -> NDArray[Any]:
        return np.array([line[column] or -1 for line in lines], kind)

    there: Mapping[str, str] = lines[0]
    ends = [end for end in ("", "_2") if f"top{end}" in there]
    return Plan(
        numbers("label"),
        np.stack([numbers(f"top{end}") for end in ends], axis=1),
        np.stack([numbers(f"left{end}") for end in ends], axis=1),
        numbers("size") if "size" in there else None,
        numbers("contrast", np.float64) if "contrast" in there else None,
        np.array(
            [[tuple(bytes.fromhex(line[f"colour{end}"])) for end in ends] for line in lines],
            np.uint8,
        )
        if "colour" in there
        else None,
    )


def _pictures(raw: Path, file: str, rows: Sequence[int] | NDArray[np.int64]) -> Images:
    """Return pictures of a source's file, or as many of noise, uint8 [N, 3, 96, 96]."""
    if file == NOISE:
        generators = (numpy_generator(NOISE, int(row)) for row in rows)
        return np.stack(
            [it.integers(256, size=(3, SIDE, SIDE), dtype=np.uint8) for it in generators]
        )
    return np.ascontiguousarray(read_images(raw, file)[rows])


def _digest(image: NDArray[np.uint8]) -> str:
    return blake2b(image.tobytes(), digest_size=8).hexdigest()
