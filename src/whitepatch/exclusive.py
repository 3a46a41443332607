"""One process a stage.

DVC keeps two of itself apart. But where it is killed outright its stage goes on alone, and would
write over what the next one makes.
"""

__all__ = ["exclusive", "tidy"]

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from whitepatch import paths
from whitepatch.errors import UserError

PATIENCE = 0.2
"""Seconds; somebody may just be tidying up."""


@contextmanager
def exclusive(stage: str) -> Iterator[None]:
    """Hold a stage while the block runs; the kernel lets it go if the process is killed.

    Args:
        stage: As DVC names it, `train@demo-cnn`: whatever its parameters are, it writes the same
            files.

    Raises:
        UserError: Another process holds it.
    """
    paths.CHECKPOINTS.mkdir(exist_ok=True)
    lock = paths.CHECKPOINTS / f"{stage}.lock"
    owner = lock.with_suffix(".pid")
    try:
        with FileLock(lock, timeout=PATIENCE):
            try:
                owner.write_text(str(os.getpid()))
                yield
            finally:
                _remove(lock)
    except Timeout:
        pid = _read(owner)
        stop = f" (kill {pid})" if pid else ""
        raise UserError(
            f"{stage} is running already, as process {pid or 'unknown'}; "
            f"let it finish, or stop it{stop}, and run this again"
        ) from None


def _read(owner: Path) -> str:
    """Return who holds a stage; nothing if the file is not whole."""
    with suppress(OSError, UnicodeDecodeError):
        pid = owner.read_text(encoding="utf-8")
        return pid if pid.isdecimal() else ""
    return ""


def tidy() -> None:
    """Remove what killed processes held."""
    for lock in paths.CHECKPOINTS.glob("*.lock"):
        with suppress(Timeout), FileLock(lock, timeout=0):
            _remove(lock)


def _remove(lock: Path) -> None:
    lock.with_suffix(".pid").unlink(missing_ok=True)
    lock.unlink(missing_ok=True)
