"""What does it cost a training to be shown in MLflow while it runs?

    python bench/tracking.py            writes reports/bench/tracking.md; some seven minutes

The stage `train@demo-cnn` as DVC runs it, from start to end, in copies of this folder: alone, shown
in the project's own store, and told to a server that takes connections and never answers. Each in
every round, in turn; all must write the same bytes. Needs the split of demo: `make demo`.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from whitepatch import programs
from whitepatch.files import write_text

STAGE = ("whitepatch.stages.train", "demo", "cnn")
WEIGHTS = Path("models/demo/cnn")
PAGE = Path("reports/bench/tracking.md")


def main(rounds: Annotated[int, typer.Option(help="How often each is measured.")] = 3) -> None:
    """Measure, print a table and write it."""
    with silent() as hanging:
        ways = {
            "alone": {},
            "shown in the project's own store": {"live": True},
            "told to a server that hangs": {"live": True, "uri": hanging},
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        written = set()
        for number in range(rounds):
            for way, how in ways.items():
                took, weights = _trained(**how)
                seconds[way].append(took)
                written.add(weights)
                print(f"round {number + 1} of {rounds}: {way}, {took:.1f} s", file=sys.stderr)
    if len(written) > 1:
        sys.exit("The weights differ; being shown must not move a result. This is a fault of ours.")
    page = table(seconds, rounds)
    write_text(PAGE, page)
    print(page)


def table(seconds: dict[str, list[float]], rounds: int) -> str:
    """Return the results as Markdown."""
    alone = seconds["alone"]
    rows = []
    for way, took in seconds.items():
        more = sorted(one - other for one, other in zip(took, alone, strict=True))
        words = f"{median(more):.1f} ({more[0]:.1f} to {more[-1]:.1f})" if took != alone else "–"
        rows.append(f"| {way} | {median(took):.1f} | {words} |")
    return (
        "# What it costs to be shown in MLflow\n\n"
        f"The stage `train@demo-cnn`, start-up included, on {os.cpu_count()} cores. Medians of "
        f"{rounds} rounds; the same weights each time, byte for byte. Written by "
        "`python bench/tracking.py`.\n\n"
        "| training | seconds | more than alone (least to most) |\n| --- | ---: | ---: |\n"
        + "\n".join(rows)
        + "\n"
    )


def _trained(*, live: bool = False, uri: str = "") -> tuple[float, str]:
    """Run the stage in a folder of its own; return its seconds and a hash of what it wrote."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree("data/raw/photos", folder / "data/raw/photos")
        shutil.copytree("data/split", folder / "data/split")
        text = Path("params.yaml").read_text(encoding="utf-8")
        if live:
            text = text.replace("\nlive:", "\nlive:\n  - demo", 1)
        (folder / "params.yaml").write_text(text, encoding="utf-8")
        variables = {"WHITEPATCH_CELLS": str(folder / "cells")}  # what is there is not trained
        variables |= {"MLFLOW_TRACKING_URI": uri} if uri else {}
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", *STAGE],
            cwd=folder,
            env=programs.environment("MLFLOW_", **variables),
            stderr=subprocess.DEVNULL,
            check=True,
        )
        took = time.perf_counter() - began
        weights = sha256()
        for path in sorted((folder / WEIGHTS).iterdir()):
            weights.update(path.read_bytes())
        return took, weights.hexdigest()


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    typer.run(main)
