"""Where results come from: the commit, DVC's sums, the versions of what publishes them."""

__all__ = ["origin"]

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

from whitepatch import programs

LOCK = Path("dvc.lock")


def origin(experiment: str, variant: str | None = None) -> dict[str, str]:
    """Return tags that say where the results of an experiment, or of a variant of it, come from.

    - `mlflow.source.git.commit`: of the working tree that publishes; with `git.dirty` if that has
      changes that are not committed. Both are left out where there is no Git.
    - `dvc <path>`: the MD5 sum that dvc.lock has for the file or folder, of the split, and of what
      training and evaluation wrote; of the report where no variant is named.
    - `published with`: versions.
    """
    stages = [f"split@{experiment}"]
    if variant is None:
        stages.append(f"report@{experiment}")
    else:
        stages += [f"{stage}@{experiment}-{variant}" for stage in ("train", "evaluate")]
    locked = _locked()
    sums = {
        f"dvc {out['path']}": str(out["md5"])
        for stage in stages
        for out in locked.get(stage, {}).get("outs", [])
    }
    return _git() | sums | {"published with": _versions()}


@cache
def _locked() -> dict[str, Any]:
    from ruamel.yaml import YAML

    if not LOCK.exists():
        return {}
    stages: dict[str, Any] = YAML(typ="safe", pure=True).load(LOCK)["stages"]
    return stages


@cache
def _git() -> dict[str, str]:
    try:
        commit, changes = (
            subprocess.run(  # noqa: S603
                ["git", *arguments],  # noqa: S607 -- whichever Git people have
                env=programs.environment(),
                capture_output=True,
                check=True,
                text=True,
            ).stdout.strip()
            for arguments in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    tags = {
        "mlflow.source.name": "dvc.yaml",
        "mlflow.source.type": "PROJECT",
        "mlflow.source.git.commit": commit,
    }
    return tags | ({"git.dirty": "true"} if changes else {})


def _versions() -> str:
    packages = ("mlflow", "dvc", "numpy", "whitepatch")
    found = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"python {python_version()}, {found}"
