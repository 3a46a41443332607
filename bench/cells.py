"""How many trainings at once, of how many threads each? Side by side on this machine.

    python bench/cells.py --rounds 3    writes reports/bench/cells.{json,md}

A measurement is a process of its own that trains four cells of `demo` for one epoch each, with a
store of its own; the start of workers is part of it. Each round takes every measurement once.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from whitepatch import programs

VARIANTS = ("cnn", "mha_linear_tokens")
CELLS = 4
FOLDER = Path("reports/bench")


def main(
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 3,
    measure: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure everything in turn, or (hidden) one thing in this process."""
    if measure:
        variant, workers, threads = measure.split("/")
        print(json.dumps(_filled(variant, int(workers), int(threads))))
        return
    from whitepatch.files import write_json, write_text
    from whitepatch.params import load
    from whitepatch.training import machine

    cores = len(os.sched_getaffinity(0))
    ways = [(1, cores), (cores, 1), (2 * cores, 1)]
    found: dict[str, list[Any]] = {
        f"{variant}/{workers}/{threads}": [] for variant in VARIANTS for workers, threads in ways
    }
    for number in range(rounds):
        for thing, measured in found.items():
            command = [sys.executable, __file__, "--measure", thing]
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=programs.environment(),
            )
            measured.append(json.loads(done.stdout))
            print(f"round {number + 1} of {rounds}: {thing}", file=sys.stderr)
    results = {
        "machine": machine.here(load().experiments["demo"].runtime),
        "cores": cores,
        "rounds": rounds,
        "cells": CELLS,
        "measured": found,
    }
    write_json(FOLDER / "cells.json", results)
    write_text(FOLDER / "cells.md", table(results))
    print(table(results))


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    found, rows = results["measured"], []
    for thing, measured in found.items():
        variant, workers, threads = thing.split("/")
        alone = next(found[it] for it in found if it.startswith(f"{variant}/1/"))
        ratios = sorted(a["rate"] / b["rate"] for a, b in zip(measured, alone, strict=True))
        spread = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        rate, memory = (median(one[key] for one in measured) for key in ("rate", "memory"))
        rows.append([variant, workers, threads, f"{rate:.0f}", spread, f"{memory / 1e9:.2f}"])
    head = ["variant", "at once", "threads each", "images/s", "of one at a time", "GB a worker"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    about = results["machine"]
    return (
        f"# Trainings at once on {about['device_name']}\n\n"
        f"{results['cores']} cores, torch {about['torch']}. {results['cells']} trainings of "
        "`demo` for an epoch, the start of workers included; ratios are of the same round (least "
        f"to most of {results['rounds']}). Memory is the most that one process held. Written by "
        "`python bench/cells.py`.\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
    ) + "\n"


def _filled(variant: str, workers: int, threads: int) -> dict[str, float]:
    """Train cells into a new store; return images a second and the most bytes of a process."""
    from whitepatch import params, paths
    from whitepatch.cells.filling import at_once, fill
    from whitepatch.cells.store import Store
    from whitepatch.cells.worker import Order
    from whitepatch.data import manifest
    from whitepatch.training import machine

    everything = params.load()
    demo = everything.experiments["demo"]
    runtime = demo.runtime.model_copy(update={"threads": threads, "device": "cpu"})
    train = demo.train.model_copy(update={"epochs": 1, "seeds": tuple(range(CELLS))})
    demo = demo.model_copy(update={"train": train, "runtime": runtime})
    here = machine.here(runtime)
    with TemporaryDirectory() as folder:
        table = Path(folder, "split.csv")
        table.write_text(manifest.table(demo, paths.raw(demo.source)), encoding="utf-8")
        orders = [Order.of("demo", demo, variant, seed, table, here) for seed in train.seeds]
        started = time.perf_counter()
        fill(orders, Store(Path(folder), 1e9), at_once(workers), lambda _: None)
        seconds = time.perf_counter() - started
    who = resource.RUSAGE_SELF if workers == 1 else resource.RUSAGE_CHILDREN
    return {
        "rate": CELLS * demo.split.train / seconds,
        "memory": resource.getrusage(who).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    typer.run(main)
