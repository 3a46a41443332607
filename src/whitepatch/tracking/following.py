"""A training that is shown in MLflow while it runs, without ever waiting for it.

The training hands events to a process beside it (`reporter`), which alone speaks with MLflow. What
happens there, a server that is down, hangs or dies, cannot reach the training: its result is the
same, and at its end it waits for that process `GRACE` seconds at most.
"""

__all__ = ["Follower", "follow"]

import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from queue import SimpleQueue
from threading import Thread
from typing import Any

from whitepatch import programs, sources
from whitepatch.data.images import DeviceImages
from whitepatch.maps.extract import looking
from whitepatch.models.classifier import title
from whitepatch.params import Params, protocol
from whitepatch.tracking import naming, store
from whitepatch.training.loop import Splits, Training

GRACE = 5.0
"""Seconds that the end of a training waits for MLflow, after all else is done."""

NICE = 10
"""Priority of the process that speaks with MLflow, below the training's."""

BATCHES, PANELS = 0.5, 5.0
"""Seconds between two batches of events, and between two panels: epochs may take 60 ms."""


@dataclass
class Follower:
    """Tells of one seed after the other; without a reporter that runs it says nothing.

    Attributes:
        images: Those of the panel.
        num_images: How many are learned in an epoch.
        seeds: What the reporter is told of a seed's run before it begins, by seed.
        reporter: The process that is told.
    """

    images: DeviceImages | None = None
    num_images: int = 0
    seeds: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    reporter: "subprocess.Popen[bytes] | None" = None
    _events: "SimpleQueue[tuple[str, Any] | None]" = field(default_factory=SimpleQueue)
    _since: float = 0.0
    _panel: tuple[int, float] = (0, -inf)  # the epoch of the last one, and when

    def begin(self, seed: int, training: Training) -> None:
        """Tell of a seed that begins, or goes on from its checkpoint."""
        self._say("begin", self.seeds.get(seed))
        for row in training.history:
            self._say("epoch", _told(row))
        self._since, self._panel = time.monotonic(), (0, -inf)

    def epoch(self, training: Training) -> None:
        """Tell of an epoch that is done."""
        speed = self.num_images / (time.monotonic() - self._since)
        self._say("epoch", _told(training.history[-1]) | {"images_per_second": speed})
        if time.monotonic() - self._panel[1] >= PANELS:
            self._show(training)
        # what was told is no part of the next epoch
        self._since = time.monotonic()

    def finish(self, training: Training) -> None:
        """Tell that a seed is done."""
        if self._panel[0] < len(training.history):
            self._show(training)
        self._say("finish", None)

    def _show(self, training: Training) -> None:
        if self.images and self._is_heard():
            epoch = len(training.history)
            self._say("panel", (epoch, looking(training.network, self.images)))
            self._panel = epoch, time.monotonic()

    def _say(self, what: str, content: Any) -> None:
        if self._is_heard():
            self._events.put((what, content))

    def _is_heard(self) -> bool:
        return self.reporter is not None and self.reporter.poll() is None

    def feed(self, about: Mapping[str, Any]) -> None:
        """Write to the reporter what it must know, then events in batches until there is none."""
        assert self.reporter is not None and self.reporter.stdin is not None  # noqa: S101, PT018
        # a reporter that is gone has said why
        with suppress(OSError), self.reporter.stdin as pipe:
            pickle.dump(about, pipe)
            while True:
                batch = [self._events.get()]
                while not self._events.empty():
                    batch.append(self._events.get())
                pickle.dump([event for event in batch if event], pipe)
                pipe.flush()
                if batch[-1] is None:
                    return
                time.sleep(BATCHES)

    def close(self) -> None:
        """Wait until all is told, but not for long."""
        assert self.reporter is not None  # noqa: S101 -- for the type checker
        self._events.put(None)
        try:
            self.reporter.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.reporter.kill()
            self.reporter.wait()
            print(store.untold("it does not answer in time"), file=sys.stderr)  # noqa: T201


def _told(row: Mapping[str, float]) -> dict[str, float]:
    """Return an epoch's numbers as its history will have them, nine digits; and the time in ms."""
    numbers = {key: float(f"{value:.9g}") for key, value in row.items()}
    return numbers | {"at": int(time.time() * 1000)}


@contextmanager
def follow(
    name: str,
    variant: str,
    params: Params,
    splits: Splits,
    trainings: Mapping[int, Training],
    environment: Mapping[str, str | int],
) -> Iterator[Follower]:
    """Follow the trainings of a variant until the block ends; how it ends is told, too.

    Nothing is followed unless the experiment is one of `live` in params.yaml.

    Args:
        name: Of the experiment.
        variant: Of it.
        params: All parameters.
        splits: Its images; the first of those whose maps are kept make the panel.
        trainings: By seed.
        environment: On what they run.
    """
    reporter = _started() if name in params.live else None
    if reporter is None:
        yield Follower()
        return
    experiment = params.experiment(name)
    score, rules = experiment.score, protocol(experiment)
    images = splits["test"].part(score.first, score.first + score.panel)
    network = next(iter(trainings.values())).network
    num_parameters = sum(weight.numel() for weight in network.parameters())
    words = sources.find(experiment.source).describe(params).words
    seeds = {
        seed: {
            "key": naming.key(name, variant, seed),
            "name": naming.name(name, variant, seed),
            "title": title(variant),
            "tags": naming.tags(name, variant, seed, title(variant)),
            "params": naming.parameters(variant, seed, rules, words, num_parameters, environment),
        }
        for seed in trainings
    }
    follower = Follower(images, len(splits["train"]), seeds, reporter)
    about = {
        "experiment": naming.experiment(name),
        "tags": naming.experiment_tags(name, [title(variant)], []),
        "variants": params.variants,
        "panel": _panel(images),
    }
    Thread(target=follower.feed, args=(about,), daemon=True).start()
    try:
        yield follower
    finally:
        follower.close()


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


def _panel(images: DeviceImages) -> dict[str, Any]:
    """Return the arguments of `figures.panels.Panel`."""
    pixels = images.pixels
    shown = images.batch(images.first(len(images)))[0] * pixels.scale + pixels.offset
    return {
        "pictures": (shown / 255).clamp(0, 1).cpu().numpy(),
        "tops": images.tops.cpu().numpy(),
        "lefts": images.lefts.cpu().numpy(),
        "size": images.patch.size,
    }
