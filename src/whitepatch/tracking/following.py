"""A training that is shown in MLflow while it runs, without ever waiting for it.

The training hands lines to a process beside it (`reporter`), which alone speaks with MLflow. What
happens there, a server that is down, hangs or dies, cannot reach the training: its result is the
same, and at its end it waits for that process `GRACE` seconds at most.
"""

__all__ = ["Follower", "follow"]

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any

from safetensors.torch import save

from whitepatch import programs
from whitepatch.data.images import DeviceImages
from whitepatch.maps.extract import looking
from whitepatch.models.classifier import title
from whitepatch.params import Params
from whitepatch.tracking import naming
from whitepatch.tracking.lines import line, packed
from whitepatch.training.loop import Row, Splits, Training

GRACE = 5.0
"""Seconds that the end of a training waits for MLflow, after all else is done."""

NICE = 10
"""Priority of the process that speaks with MLflow, below the training's."""


@dataclass
class Follower:
    """Tells of one seed after the other; without a reporter it says nothing.

    Attributes:
        images: Those of the panel.
        num_images: How many are learned in an epoch.
        seeds: What a seed's run is called, by seed, as the reporter takes it.
    """

    images: DeviceImages | None = None
    num_images: int = 0
    seeds: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    _lines: "SimpleQueue[str | None]" = field(default_factory=SimpleQueue)
    _since: float = 0.0

    def begin(self, seed: int, training: Training) -> None:
        """Tell of a seed that begins, or goes on from its checkpoint."""
        if self.images is None:
            return
        self._say("begin", run=self.seeds[seed], rows=[_told(row) for row in training.history])
        self._since = time.monotonic()

    def epoch(self, training: Training) -> None:
        """Tell of an epoch that is done."""
        if self.images is None:
            return
        self._say(
            "epoch",
            row=_told(training.history[-1]),
            images_per_second=self.num_images / (time.monotonic() - self._since),
            maps=packed(looking(training.network, self.images)),
        )
        # what was told is no part of the next epoch
        self._since = time.monotonic()

    def finish(self, training: Training) -> None:
        """Tell that a seed is done, and the digest of what its training leaves."""
        if self.images is None:
            return
        weights = {name: tensor.contiguous().cpu() for name, tensor in training.best.items()}
        rows = [_told(row) for row in training.history]
        self._say("finish", training=naming.training_digest(rows, save(weights)))

    def _say(self, what: str, **content: Any) -> None:
        self._lines.put(line(what, **content))


def _told(row: Row) -> dict[str, float]:
    """Return an epoch's numbers as its history will have them: nine digits."""
    return {key: float(f"{value:.9g}") for key, value in row.items()}


@contextmanager
def follow(
    name: str,
    variant: str,
    everything: Params,
    splits: Splits,
    trainings: Mapping[int, Training],
    identity: str,
    environment: Mapping[str, str | int],
) -> Iterator[Follower]:
    """Follow the trainings of a variant until the block ends; how it ends is told, too.

    Nothing is followed unless the experiment is one of `live` in params.yaml.

    Args:
        name: Of the experiment.
        variant: Of it.
        everything: All parameters.
        splits: Its images; the first of those whose maps are kept make the panel.
        trainings: By seed.
        identity: Hash of all that shapes the trainings.
        environment: On what they run.
    """
    if name not in everything.live:
        yield Follower()
        return
    score = everything.experiment(name).score
    images = splits["test"].part(score.first, score.first + score.panel)
    network = next(iter(trainings.values())).network
    num_parameters = sum(weight.numel() for weight in network.parameters())
    seeds = naming.told(
        name, variant, title(variant), everything, identity, num_parameters, environment
    )
    reporter = _started()
    if reporter is None:
        yield Follower()
        return
    follower = Follower(images, len(splits["train"]), seeds)
    follower._say(
        "open",
        experiment=naming.experiment(name),
        tags=naming.experiment_tags(name, [title(variant)], []),
        process=os.getpid(),
        **_panel(images),
    )
    feeder = Thread(target=_feed, args=(follower._lines, reporter), daemon=True)
    feeder.start()
    try:
        yield follower
    except Exception:
        follower._say("fail")
        raise
    finally:
        follower._lines.put(None)
        _wait(reporter)
        feeder.join(1)


def _started() -> "subprocess.Popen[str] | None":
    try:
        return subprocess.Popen(  # noqa: S603 -- a module of ours
            [sys.executable, "-m", "whitepatch.tracking.reporter", str(NICE)],
            env=programs.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # Ctrl-C is for the training; the reporter tells of it. No session of its own: some
            # kernels share the processor between sessions, and its low priority would be for
            # nothing
            process_group=0,
        )
    except OSError as error:  # no memory, no process left
        print(  # noqa: T201
            f"MLflow cannot be told of this training ({error}), which goes on all the same; "
            "`whitepatch publish` shows the result afterwards",
            file=sys.stderr,
        )
        return None


def _feed(lines: "SimpleQueue[str | None]", reporter: "subprocess.Popen[str]") -> None:
    """Write lines until there is none to come; a reporter that is gone is no one's concern."""
    pipe = reporter.stdin
    assert pipe is not None  # noqa: S101 -- for the type checker
    with suppress(OSError, ValueError):
        while (text := lines.get()) is not None:
            pipe.write(text)
            pipe.flush()
    with suppress(OSError, ValueError):
        pipe.close()


def _wait(reporter: "subprocess.Popen[str]") -> None:
    try:
        reporter.wait(GRACE)
    except subprocess.TimeoutExpired:
        reporter.terminate()  # then it says so
        try:
            reporter.wait(1)
        except subprocess.TimeoutExpired:
            reporter.kill()
            reporter.wait()


def _panel(images: DeviceImages) -> dict[str, Any]:
    pixels = images.pixels
    shown = images.batch(images.first(len(images)))[0] * pixels.scale + pixels.offset
    return {
        "panel": packed(
            {
                "pictures": (shown / 255).clamp(0, 1).cpu().numpy(),
                "tops": images.tops.cpu().numpy(),
                "lefts": images.lefts.cpu().numpy(),
            }
        ),
        "size": images.patch.size,
    }
