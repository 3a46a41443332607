"""What killed processes left behind."""

__all__ = ["leftovers"]

import json
from pathlib import Path
from typing import Any

from whitepatch import paths
from whitepatch.doctor.finding import Finding
from whitepatch.files import SCRATCH
from whitepatch.params import Params
from whitepatch.processes import RWLOCK, is_running

PLACES = ("data", "models", "reports", "mlflow", "checkpoints")


def leftovers(_: Params | None) -> list[Finding]:
    """Say what lies about: half-written files, locks and checkpoints that nobody works on."""
    dead = [path for place in PLACES for path in Path(place).rglob(".*") if _is_dead(path)]
    found = []
    if dead:
        words = f"{len(dead)} half-written: {_some(dead)}"
        found.append(Finding("leftovers", "look", words, f"rm -r {' '.join(map(str, dead[:9]))}"))
    owners = {path: _process(path) for path in paths.CHECKPOINTS.glob("*.pid")}
    gone = [path for path, process in owners.items() if process is None or not is_running(process)]
    if gone:
        words = f"locks of processes that have ended: {_some(gone)}"
        found.append(Finding("leftovers", "look", words, f"rm {' '.join(map(str, gone[:9]))}"))
    # train@demo-cnn holds demo-cnn-0-....safetensors
    busy = tuple(f"{path.stem.partition('@')[2]}-" for path in owners if path not in gone)
    kept = [x for x in paths.CHECKPOINTS.glob("*.safetensors") if not x.name.startswith(busy)]
    if kept:
        size = sum(path.stat().st_size for path in kept) / 1e6
        words = f"{len(kept)} checkpoints, {size:.0f} MB, of trainings that were interrupted"
        cure = "the same command goes on from them; make clean removes them"
        found.append(Finding("leftovers", "look", words, cure))
    found += _rwlock(RWLOCK)
    return found or [Finding("leftovers", "ok", "none")]


def _rwlock(path: Path) -> list[Finding]:
    """Say whether DVC's own lock can be read, and whether the processes in it live."""
    if not path.exists() or not (text := path.read_text(encoding="utf-8", errors="replace")):
        return []
    try:
        processes = set(_processes(json.loads(text)))
    except (ValueError, RecursionError):
        return [Finding("leftovers", "bad", f"{path} cannot be read", f"rm {path}")]
    if gone := sorted(process for process in processes if not is_running(process)):
        words = f"{path} names processes that have ended: {', '.join(map(str, gone[:9]))}"
        return [Finding("leftovers", "look", words, f"DVC mends it itself; if not: rm {path}")]
    return []


def _processes(value: Any) -> list[int]:
    if isinstance(value, list):
        return [process for inside in value for process in _processes(inside)]
    if isinstance(value, dict):
        mine = [value["pid"]] if isinstance(value.get("pid"), int) else []
        return mine + [process for inside in value.values() for process in _processes(inside)]
    return []


def _is_dead(path: Path) -> bool:
    named = SCRATCH.fullmatch(path.name)
    return named is not None and not is_running(int(named["process"]))


def _process(path: Path) -> int | None:
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    return int(text) if text.isdecimal() else None


def _some(found: list[Path]) -> str:
    return ", ".join(map(str, found[:3])) + (" ..." if len(found) > 3 else "")
