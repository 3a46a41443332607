"""Copies of the project to run for real, with other parameters."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def load(path: Path) -> Any:
    """Read a YAML file."""
    return YAML(typ="safe", pure=True).load(path)


def name_variants(params: Any, names: dict[str, list[str]]) -> None:
    """Let experiments have these variants: their lists, and the table of all for DVC."""
    for name, variants in names.items():
        params["experiments"][name]["variants"] = variants
    params["networks"] = {
        f"{name}-{variant}": {"experiment": name, "variant": variant}
        for name, experiment in params["experiments"].items()
        for variant in experiment["variants"]
    }


def cells(folder: Path) -> Path:
    """Return where a copy keeps its trainings: beside it, so that a copy of it has none."""
    return folder.with_name(f"{folder.name}.cells")


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which a copy runs its own code."""
    return os.environ | {
        "WHITEPATCH_CELLS": str(cells(folder)),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
    }


def run(folder: Path, *command: str, **how: Any) -> tuple[int, str]:
    """Run a command in a copy; return its status and all that it said.

    Args:
        folder: Of the copy.
        *command: To run.
        **how: Further arguments of `subprocess.run`; `env` is added to the environment.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder) | how.pop("env", {}),
        **how,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def copy(root: Path, folder: Path, params: Any) -> None:
    """Make a copy of the project, under Git and DVC, with these parameters and no results."""
    for name in ("src", "dvc.yaml", ".dvcignore", ".gitignore"):
        source = root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    shutil.rmtree(folder / "src" / "whitepatch.egg-info", ignore_errors=True)
    (folder / "data").mkdir()
    shutil.copy(root / "data" / "published.csv", folder / "data")
    YAML().dump(params, folder / "params.yaml")
    assert run(folder, "git", "init", "-q")[0] == 0
    # it would call home before there is a setting against it
    assert run(folder, "dvc", "init", "-q", env={"DVC_NO_ANALYTICS": "1"})[0] == 0
    shutil.copy(root / ".dvc" / "config", folder / ".dvc" / "config")  # nothing calls home
    shutil.copytree(root / ".dvc" / "plots", folder / ".dvc" / "plots")
    assert run(folder, "dvc", "config", "core.analytics") == (0, "false\n")


def miniature(root: Path, folder: Path) -> Path:
    """Make a copy with one experiment of three variants and tiny numbers; nothing has run."""
    params = load(root / "params.yaml")
    params["cells"]["workers"] = 1  # the same
    params["download"]["urls"] = ["http://127.0.0.1:1/nobody.tar.gz"]
    params["download"]["tries"] = 1
    params["sources"]["photos"]["crops"] = 3
    tiny = params["experiments"]["demo"]
    params["experiments"] = {"tiny": tiny}  # no name of a real one, wherever it may be published
    name_variants(params, {"tiny": ["cnn", "mha_linear_tokens", "cbam_spatial"]})
    params["live"] = []
    size = {"experiment": "tiny", "variants": ["cnn"], "seeds": [0, 1]}
    params["sweeps"] = {"demo-size": params["sweeps"]["demo-size"] | size}
    tiny["split"] = {"folds": 5, "train": 40, "validation": 12, "test": 16}
    tiny["runtime"]["threads"] = 1  # other tests run beside it
    tiny["train"] |= {"epochs": 2}
    tiny["score"] = {"first": 1, "images": 6, "panel": 3, "movers": 2, "grid": 2}
    copy(root, folder, params)
    return folder


def results(folder: Path) -> dict[str, bytes]:
    """Return every result, byte for byte; what is hidden is none, for DVC leaves it out."""
    files = [
        path
        for place in ("data/split", "models", "reports")
        for path in (folder / place).rglob("*")
        if path.is_file() and "/." not in str(path.relative_to(folder))
    ]
    assert len(files) > 20
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
