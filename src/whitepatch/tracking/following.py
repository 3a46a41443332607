"""Trainings that are shown in MLflow while they run, without ever waiting for it.

What happens is handed to a process beside them (`reporter`), which alone speaks with MLflow. What
happens there, a server that is down, hangs or dies, cannot reach a training: its result is the
same, and at the end that process is waited for `GRACE` seconds at most.
"""

__all__ = ["follow", "shown"]

import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import torch

from whitepatch import paths, programs, sources
from whitepatch.cells.worker import Order, Show, Tell
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.maps.extract import looking
from whitepatch.models.classifier import build, title
from whitepatch.params import Params, protocol
from whitepatch.tracking import naming, store

GRACE = 5.0
"""Seconds that the end of trainings waits for MLflow, after all else is done."""

NICE = 10
"""Priority of the process that speaks with MLflow, below the trainings'."""

BATCHES = 0.5
"""Seconds between two batches of events: epochs may take 60 ms."""

Events = SimpleQueue[tuple[str, str, Any] | None]
"""Key, event and content, as `worker.Tell` takes them; at the end None."""


def shown(name: str, params: Params) -> Show | None:
    """Return which maps a training tells of while it runs; None if it is not shown live."""
    score = params.experiment(name).score
    return Show(looking, score.first, score.first + score.panel) if name in params.live else None


@contextmanager
def follow(orders: Sequence[Order], params: Params) -> Iterator[Tell]:
    """Yield what hears of trainings until the block ends, and tells MLflow.

    Nothing is told of experiments that are not among `live` in params.yaml.

    Args:
        orders: The cells that may be trained.
        params: All parameters.
    """
    live = {order.key: order for order in orders if order.experiment in params.live}
    events: Events = SimpleQueue()
    reporters: list[subprocess.Popen[bytes] | None] = []  # none before there is anything to tell

    def hear(event: tuple[str, str, Any]) -> None:
        key, what, content = event
        if key not in live or what == "images":
            return
        if not reporters:
            reporters.append(_begun(live, params, events))
        if reporters[0] is None or reporters[0].poll() is not None:
            return
        if what == "begin":
            content = [_told(row) for row in content]
        events.put((key, what, _told(content) if what == "epoch" else content))

    try:
        yield hear
    finally:
        events.put(None)
        for reporter in filter(None, reporters):
            try:
                reporter.wait(GRACE)
            except subprocess.TimeoutExpired:
                reporter.kill()
                reporter.wait()
                print(store.untold("it is behind"), file=sys.stderr)  # noqa: T201


def _begun(
    live: Mapping[str, Order], params: Params, events: Events
) -> "subprocess.Popen[bytes] | None":
    """Start the reporter, and what feeds it with events; None if it cannot be started."""
    if (reporter := _started()) is not None:
        about = {
            "runs": {key: _run(order, params) for key, order in live.items()},
            "panels": {it: _panel(it, params) for it in {one.experiment for one in live.values()}},
        }
        Thread(target=_feed, args=(reporter, about, events), daemon=True).start()
    return reporter


def _run(order: Order, params: Params) -> dict[str, Any]:
    """Return what the reporter must know of a cell's run before it begins."""
    name, variant, seed = order.experiment, order.cell.variant, order.cell.seed
    experiment = params.experiment(name)
    num_parameters = sum(weight.numel() for weight in build(variant, seed).parameters())
    words = sources.find(experiment.source).describe(params).words
    rules = protocol(experiment)
    return {
        "experiment": name,
        "key": naming.key(name, variant, seed),
        "name": naming.name(name, variant, seed),
        "title": title(variant),
        "tags": naming.tags(name, variant, seed, title(variant)),
        "params": naming.parameters(variant, seed, rules, words, num_parameters, order.asker),
    }


def _told(row: Mapping[str, float]) -> dict[str, float]:
    """Return an epoch's numbers as its history will have them, nine digits; and the time in ms."""
    numbers = {key: float(f"{value:.9g}") for key, value in row.items()}
    return numbers | {"at": int(time.time() * 1000)}


def _feed(reporter: "subprocess.Popen[bytes]", about: Mapping[str, Any], events: Events) -> None:
    """Write to the reporter what it must know, then events in batches until there is none."""
    assert reporter.stdin is not None  # noqa: S101 -- for the type checker
    # a reporter that is gone has said why
    with suppress(OSError), reporter.stdin as pipe:
        pickle.dump(about, pipe)
        while True:
            batch = [events.get()]
            while not events.empty():
                batch.append(events.get())
            pickle.dump([event for event in batch if event], pipe)
            pipe.flush()
            if batch[-1] is None:
                return
            time.sleep(BATCHES)


def _started() -> "subprocess.Popen[bytes] | None":
    try:
        return subprocess.Popen(  # noqa: S603 -- a module of ours
            [sys.executable, "-m", "whitepatch.tracking.reporter", str(NICE)],
            env=programs.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for the training; the reporter tells of it. No session of its own: some
            # kernels share the processor between sessions, and its low priority would be for
            # nothing
            process_group=0,
        )
    except OSError as error:  # no memory, no process left
        print(store.untold(str(error)), file=sys.stderr)  # noqa: T201
        return None


def _panel(name: str, params: Params) -> dict[str, Any]:
    """Return the arguments of `figures.panels.Panel` for the pictures of an experiment."""
    experiment = params.experiment(name)
    raw, score = paths.raw(experiment.source), experiment.score
    first = experiment.train.seeds[0]
    test = manifest.load(paths.split(name), raw, first, "test")["test"]
    images = DeviceImages.of(test, experiment.patch, experiment.pixels, torch.device("cpu"))
    images = images.part(score.first, score.first + score.panel)
    pixels = images.pixels
    shown = images.batch(images.first(len(images)))[0] * pixels.scale + pixels.offset
    return {
        "pictures": (shown / 255).clamp(0, 1).numpy(),
        "tops": images.tops[:, 0].numpy(),
        "lefts": images.lefts[:, 0].numpy(),
        "size": images.patch.size,
        "places": np.arange(score.panel),
    }
