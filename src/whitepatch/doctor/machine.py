"""The machine: Python, packages, device, disk, Git."""

__all__ = ["device", "disk", "git", "packages", "python"]

import os
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import disk_usage, which

from whitepatch import paths
from whitepatch.doctor.finding import Finding, ask
from whitepatch.files import PLACES
from whitepatch.params import Params

OURS = 0.5e9
"""Bytes that the pipeline makes: README.md."""

GPU = Path("/dev/nvidiactl")
"""There where NVIDIA's driver is; asking torch would take seconds."""


def python(_: Params | None) -> list[Finding]:
    """Say whether this Python is one that the pins are for."""
    said = f"{sys.version.split()[0]} in {sys.prefix}"
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        return [Finding("python", "ok", said)]
    cure = "make PYTHON=/path/to/python3.11 setup"
    return [Finding("python", "bad", f"{said}; 3.11 or 3.12 is needed", cure)]


def packages(_: Params | None) -> list[Finding]:
    """Compare the packages that pyproject.toml names with the pins of requirements.txt."""
    project, lock = Path("pyproject.toml"), Path("requirements.txt")
    for path in (project, lock):
        if not path.is_file():
            return [Finding("packages", "look", f"{path} is not here", "run this in the project")]
    named = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    names = [re.split(r"[^\w.-]", text)[0] for text in named]
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock.read_text(encoding="utf-8"), re.M))
    wrong = []
    for name in names:
        try:
            # a build's own mark, as in 2.14.1+cpu, is no other version
            have = version(name).partition("+")[0]
        except PackageNotFoundError:
            have = "none"
        if have != pins.get(name, have):
            wrong.append(f"{name} {have} instead of {pins[name]}")
    if wrong:
        return [Finding("packages", "bad", "; ".join(wrong), "rm -rf .venv && make setup")]
    return [Finding("packages", "ok", f"all {len(names)} as requirements.txt pins them")]


def device(everything: Params | None) -> list[Finding]:
    """Say what will be computed on, and whether it has as many cores as threads are asked for."""
    if everything is None:
        return []
    runtime, gpu = everything.runtime, GPU.exists()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    used = "GPU" if gpu and runtime.device != "cpu" else "CPU"
    said = f"{used} ({runtime.device}), {runtime.precision}; {_many(runtime.threads, 'thread')}"
    said += f" on {_many(cores, 'core')}"
    if used == "CPU" and (runtime.device == "cuda" or runtime.precision == "tf32"):
        cure = "params.yaml: runtime.device auto, runtime.precision fp32"
        return [Finding("device", "bad", f"{said}; NVIDIA's driver is not here", cure)]
    if runtime.threads > cores:
        cure = f"params.yaml: runtime.threads {cores}; it shapes the last bits of all results"
        return [Finding("device", "look", f"{said}: they will wait for each other", cure)]
    return [Finding("device", "ok", said)]


def disk(everything: Params | None) -> list[Finding]:
    """Compare the free space with what the pipeline makes, and STL-10 where it is not here yet.

    Folders that are here must be writable, too.
    """
    places = [Path(), *map(Path, PLACES), paths.CHECKPOINTS, paths.MLFLOW]
    closed = [path for path in places if path.exists() and not os.access(path, os.W_OK | os.X_OK)]
    if closed:
        said = f"{', '.join(map(str, closed))} cannot be written"
        return [Finding("disk", "bad", said, "let it be written by you, or clone the project anew")]
    free, stl10 = disk_usage(".").free, 0
    if everything is not None and not paths.raw("stl10").exists():
        # the files, and about as much of the archive
        stl10 = 2 * sum(member.bytes for member in everything.sources.stl10.members().values())
    said = f"{free / 1e9:.1f} GB free; {OURS / 1e9} GB for results"
    said += f", {stl10 / 1e9:.1f} GB to fetch STL-10" if stl10 else ""
    if free < OURS:
        return [Finding("disk", "bad", said, "free some")]
    if free < OURS + stl10:
        return [Finding("disk", "look", said, "free some before article or corrected")]
    return [Finding("disk", "ok", said)]


def git(_: Params | None) -> list[Finding]:
    """Say whether this is a repository, and whether all is committed."""
    if which("git") is None:
        return [Finding("git", "bad", "no program of this name", "install git")]
    # without the option it would write its index anew
    status, said, error = ask("git", "--no-optional-locks", "status", "--porcelain")
    if status is None:
        return [Finding("git", "look", "git status takes long", "git status")]
    if status:
        return [Finding("git", "bad", _last(error) or "git status fails", "git status")]
    if changed := len(said.splitlines()):
        said = f"{_many(changed, 'path')} changed since the commit"
        return [Finding("git", "look", said, "git status")]
    return [Finding("git", "ok", "all is committed")]


def _many(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number > 1 else "")


def _last(error: str) -> str:
    return " ".join(error.splitlines()[-1:])[:200]
