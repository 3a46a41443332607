"""Is there all that a run needs?"""

__all__ = ["Finding", "examine"]

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from pathlib import Path
from shutil import disk_usage
from typing import NamedTuple

import requests

from whitepatch import paths, programs
from whitepatch.params import Params, Runtime, load
from whitepatch.training import gpu

RESULTS = 0.5e9
"""Bytes that the pipeline makes: README.md."""


class Finding(NamedTuple):
    """One line: what was looked at, whether a run would go well, and what there is to say."""

    what: str
    good: bool
    said: str


def examine() -> Iterator[Finding]:
    """Yield what there is to say of the project that this runs in; takes some seconds.

    Raises:
        UserError: params.yaml is not here, or refused.
    """
    params = load()
    good = sys.version_info[:2] in ((3, 11), (3, 12))
    yield Finding("Python", good, f"{sys.version.split()[0]}; 3.11 and 3.12 are supported")
    wrong = list(_wrong_packages())
    said = f"{'; '.join(wrong)}: rm -r .venv && make setup" if wrong else "as pinned"
    yield Finding("packages", not wrong, said)
    for runtime in {it.runtime: None for it in params.experiments.values()}:
        yield _device(runtime)
    free = disk_usage(".").free
    yield Finding("disk", free > RESULTS, f"{free / 1e9:.1f} GB free; results take {RESULTS / 1e9}")
    yield _stl10(params)
    yield from _pipeline(params)


def _wrong_packages() -> Iterator[str]:
    """Yield which packages that pyproject.toml names are not those of requirements.txt."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w.-]", text)[0] for text in project["dependencies"]}
    pins = Path("requirements.txt").read_text(encoding="utf-8")
    for name, wanted in re.findall(r"^([\w.-]+)==([^\s;\\]+)", pins, re.MULTILINE):
        try:  # a build's own mark, as in 2.14.1+cpu, is no other version
            if name in names and (have := version(name).partition("+")[0]) != wanted:
                yield f"{name} is {have}, not {wanted}"
        except PackageNotFoundError:
            yield f"{name} is not installed"


def _device(runtime: Runtime) -> Finding:
    """Say what would be used; of a GPU what its driver says, for torch takes seconds to import."""
    said = f"CPU ({runtime.device}); {runtime.threads} threads on {cpu_count()} cores"
    if runtime.device == "cpu" or not gpu.is_there():
        return Finding("device", runtime.device != "cuda", said)
    found = gpu.gpus()
    if not found:
        return Finding("device", False, f"{said}; a GPU is there, but its driver does not answer")
    fit = [it for it in found if not it.unfit()]
    if not fit:
        said = f"{said}; {found[0].name} is there, but {found[0].unfit()}"
        return Finding("device", False, said)
    return Finding("device", True, f"{len(fit)} x {fit[0].name}, driver {fit[0].driver}")


def _stl10(params: Params) -> Finding:
    """Say whether STL-10 is here, or its archive, or a server that has it; demo needs none."""
    for path in (paths.raw("stl10"), Path(params.download.archive)):
        if path.exists():
            return Finding("STL-10", True, f"{path} is here")
    said = "not here"
    for url in params.download.urls:
        try:
            requests.head(url, timeout=5, allow_redirects=True).raise_for_status()
            return Finding("STL-10", True, "not here yet; its server answers")
        except (requests.RequestException, ValueError) as error:
            said += f"; its server: {type(error).__name__}"
    return Finding("STL-10", True, f"{said}; only article and corrected need it: docs/stl10.md")


def _pipeline(params: Params) -> Iterator[Finding]:
    """Say of each experiment what DVC says of it."""
    status = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(status, env=programs.environment(), capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        yield Finding("pipeline", False, " ".join(done.stderr.split()) or "dvc status fails")
        return
    ran = Path("dvc.lock").read_text(encoding="utf-8") if Path("dvc.lock").exists() else ""
    for name, experiment in params.experiments.items():
        stages = re.compile(rf"(split|train|evaluate|report)@{name}\b|fetch@{experiment.source}$")
        stale = [stage for stage in json.loads(done.stdout) if stages.match(stage)]
        names = ", ".join(stale[:3]) + " ..." * (len(stale) > 3)
        said = f"to be made, or made anew: {names}: dvc repro report@{name}"
        if f"  report@{name}:\n" not in ran:
            said = f"has not run: dvc repro report@{name}"
        yield Finding(name, True, said if stale else "up to date")
