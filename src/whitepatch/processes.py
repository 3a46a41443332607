"""Which processes there are, and whether the DVC that started this one is still among them."""

__all__ = ["RWLOCK", "dependencies", "is_running", "refuse_orphan", "stage", "started"]

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitepatch.errors import UserError

RWLOCK = Path(".dvc/tmp/rwlock")
"""In which DVC says which process of its own runs a stage now."""

DRIFT = 10.0
"""Seconds by which a process may seem to have begun at another time: clocks are set."""


def stage() -> str:
    """Return which stage DVC runs in this process, as dvc.lock names it; nothing without DVC."""
    # begun in a folder of the project, DVC names its file, too: ../dvc.yaml:train@demo-cnn
    return os.environ.get("DVC_STAGE", "").rpartition(":")[2]


def is_running(process: int, began: float | None = None) -> bool:
    """Say whether there is such a process on this machine.

    Args:
        process: Its number.
        began: When, as `started` said, for numbers are used again; None if it is not known.
    """
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except PermissionError:
        pass  # it runs, and is somebody else's
    return began is None or abs(started(process) - began) < DRIFT


def started(process: int) -> float:
    """Return when a process began, in seconds since 1970; 0 if there is none."""
    import psutil  # here, because a machine that only trains (bench/full.py) need not have it

    try:
        return float(psutil.Process(process).create_time())
    except psutil.Error:
        return 0.0


def refuse_orphan() -> None:
    """See to it that the DVC which started this goes on; whatever DVC did not start is let be.

    A shell may stay between the two, so the parent says too little; but no process of which DVC's
    lock says that it runs a stage is an ancestor of an orphan.

    Raises:
        UserError: It has ended.
    """
    if not stage():
        return
    if not _mine("write"):
        raise UserError(
            f"DVC, which started this, has ended, or {RWLOCK} was removed; nothing more is written"
        )


def dependencies() -> set[str]:
    """Return what the DVC that started this says that the stage reads; nothing without DVC."""
    if not stage():
        return set()
    return _mine("read") - _mine("write")  # it reads its outputs, too, when the stage has ended


def _mine(what: str) -> set[str]:
    """Return what stages read, or write, that processes above this one run."""
    import psutil

    above = {parent.pid for parent in psutil.Process().parents()}
    return {path for path, process in _held(what) if process in above}


def _held(what: str) -> list[tuple[str, int]]:
    """Return paths that stages read, or write, now, each with the process that runs the stage."""
    for pause in (0.05, 0.2, 1.0, None):
        try:
            held = json.loads(RWLOCK.read_text(encoding="utf-8")).get(what, {})
            return list(_each(held))
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError, AttributeError):
            # another DVC may be writing it just now
            if pause is not None:
                time.sleep(pause)
    raise UserError(f"{RWLOCK} cannot be read; rm {RWLOCK}, and run this again")


def _each(held: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for path, entry in held.items():
        for one in entry if isinstance(entry, list) else [entry]:  # several may read
            yield path, one["pid"]
