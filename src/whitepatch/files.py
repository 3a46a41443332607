"""Writing files whole or not at all."""

__all__ = ["digest", "replacing", "write_json", "write_text"]

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; move it into place if the block succeeds.

    The block may write a file or make a folder under the temporary name. If it fails, nothing is
    left and `path` is as it was. What a killed process left is removed before the block begins; it
    is hidden, so that DVC and Git ignore it.

    Raises:
        IsADirectoryError: The block wrote a file, and `path` is a folder; it stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays last, because writers choose their format by it
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        _remove(temporary)


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
