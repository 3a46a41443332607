"""Writing files whole or not at all."""

__all__ = [
    "PLACES",
    "digest",
    "is_scratch",
    "replacing",
    "scratch",
    "sweep",
    "write_json",
    "write_text",
]

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from whitepatch import paths
from whitepatch.processes import is_running, refuse_orphan
from whitepatch.unchanged import refuse_changed

PLACES = ("data", "models", "reports")
"""Where stages write."""

SCRATCH = re.compile(r"\..+\.whitepatch-(?P<process>[0-9]+)(\.\w+)?")
"""The name of what a process is writing; .dvcignore has it, too."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; move it into place if the block succeeds.

    The block may write a file or make a folder under the temporary name. If it fails,
    nothing is left and `path` is as it was. What killed processes left beside it is removed.

    A stage whose DVC was killed outright writes no result, for nobody records it, and another DVC
    may have made a newer one; nor does a stage of which something that it read has changed. A
    checkpoint that it writes then is its last.

    Raises:
        IsADirectoryError: The block wrote a file, and `path` is a folder; it stays.
        UserError: DVC started this and has ended, or would record what did not make the result.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(*path.parent.glob(".*"))
    # the suffix stays last, because writers choose their format by it
    temporary = path.with_name(f".{path.stem}.whitepatch-{os.getpid()}{path.suffix}")
    try:
        yield temporary
        if path.parts[0] in PLACES:
            _refuse_what_is_not_recorded()
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
        if path.is_relative_to(paths.CHECKPOINTS):
            _refuse_what_is_not_recorded()
    finally:
        _remove(temporary)


def _refuse_what_is_not_recorded() -> None:
    refuse_orphan()
    refuse_changed()


def scratch(place: Path) -> "TemporaryDirectory[str]":
    """Return a folder in `place` for a `with` block, gone behind it.

    What killed processes left there is removed; in the system's own folder it would stay.
    """
    sweep(*place.glob(".*"))
    return TemporaryDirectory(prefix=".", suffix=f".whitepatch-{os.getpid()}", dir=place)


def is_scratch(path: Path) -> bool:
    """Say whether a path is named as what is being written."""
    return SCRATCH.fullmatch(path.name) is not None


def sweep(*paths: Path) -> None:
    """Remove those of the paths that a process was writing when it was killed."""
    for path in paths:
        writing = SCRATCH.fullmatch(path.name)
        if writing and not is_running(int(writing["process"])):
            with suppress(FileNotFoundError):  # somebody else sweeps, too
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, atomically, with Unix line ends on every system."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, atomically; a value that is not finite is refused (ValueError)."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def digest(*parts: Path | bytes) -> str:
    """Return one SHA-256, in hexadecimal, of bytes and contents of files in the given order."""
    total = sha256()
    for part in parts:
        total.update(sha256(part if isinstance(part, bytes) else part.read_bytes()).digest())
    return total.hexdigest()
