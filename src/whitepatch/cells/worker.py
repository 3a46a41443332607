"""What trains a cell, in whatever process, on whatever machine."""

__all__ = ["Order", "Parts", "Show", "Tell", "train_cell"]

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any, TypeAlias

from whitepatch import paths
from whitepatch.cells.cell import Cell
from whitepatch.cells.snapshot import Snapshot
from whitepatch.cells.store import Store
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.errors import UserError
from whitepatch.models.classifier import Classifier
from whitepatch.params import Experiment
from whitepatch.training import machine
from whitepatch.training.loop import Splits, Trained, Training, train

TELL, PANELS, KEEP = 0.5, 5.0, 5.0
"""Seconds between two words on progress, two panels, and two times that a training is kept; an
epoch may take 60 ms."""

Tell: TypeAlias = Callable[[tuple[str, str, Any]], object]
"""Takes the key of a cell, an event and its content: how many images are done more (`images`), an
epoch's row (`epoch`), the epoch and maps of a panel (`panel`), how it begins and ends (`begin`: the
history so far; `finish`: None)."""


Parts: TypeAlias = Mapping[str, Part]
"""The images of an experiment, by split."""


@dataclass(frozen=True)
class Show:
    """Maps of some test images, told while the training runs.

    Attributes:
        maps: Returns them.
        start: The first of the images.
        stop: The first that is left out.
    """

    maps: Callable[[Classifier, DeviceImages], Any]
    start: int
    stop: int


@dataclass(frozen=True)
class Order:
    """A cell to be trained.

    Attributes:
        cell: Which.
        key: Its name, as the process that asks for it knows it.
        experiment: That asks for it; its name moves no result.
        num_images: Learned in an epoch.
        manifest: Of its images.
        raw: Folder of them.
        asker: The machine that asks for it, see `machine.environment`.
        any_machine: Whether one of another kind may train it.
        keeps_epochs: Whether the weights of every epoch are kept.
        show: What is told of its maps, if anything.
    """

    cell: Cell
    key: str
    experiment: str
    num_images: int
    manifest: Path
    raw: Path
    asker: Mapping[str, str | int]
    any_machine: bool = False
    keeps_epochs: bool = False
    show: Show | None = None

    @classmethod
    def of(
        cls,
        name: str,
        experiment: Experiment,
        variant: str,
        seed: int,
        table: Path,
        here: Mapping[str, str | int],
        **more: Any,
    ) -> "Order":
        """Return the order of a training of an experiment.

        Args:
            name: Of the experiment.
            experiment: Its parameters.
            variant: Of it.
            seed: Of it.
            table: Its manifest.
            here: The machine that asks, see `machine.environment`.
            **more: Further attributes.
        """
        cell = Cell(
            variant,
            seed,
            manifest.identity(table, seed),
            experiment.train,
            experiment.patch,
            experiment.pixels,
            experiment.runtime,
        )
        raw = paths.raw(experiment.source)
        num_images = experiment.split.numbers()["train"]
        return cls(
            cell,
            cell.key(here),
            name,
            num_images,
            manifest=table,
            raw=raw,
            asker=here,
            **more,
        )

    def parts(self) -> Parts:
        """Return its images; the variants of a seed have the same."""
        return _loaded(self.manifest, self.raw, self.cell.seed, self.cell.images)


def train_cell(order: Order, store: Store, tell: Tell, parts: Parts | None = None) -> str:
    """Train a cell to the end, from wherever it was left, and put it into the store.

    Args:
        order: The cell.
        store: Where it was left, and will be.
        tell: Hears what happens.
        parts: Its images; None to read them here.

    Returns:
        The key that it has in the store, that of the machine that trained it.

    Raises:
        UserError: The loss is no longer a finite number; or this machine, or the code that runs
            here, is not what the key stands for.
    """
    cell = order.cell
    device = machine.prepare(cell.runtime)
    here = machine.environment(device)
    key = _key(order, here)
    with store.alone(key):
        if store.finished(key, epochs=order.keeps_epochs):  # trained by another process meanwhile
            return key
        splits = {
            name: DeviceImages.of(part, cell.patch, cell.pixels, device)
            for name, part in (parts or order.parts()).items()
        }
        training = Training.start(cell.variant, cell.seed, device, keep_epochs=order.keeps_epochs)
        store.begin(key, training)
        tell((order.key, "begin", list(training.history)))
        telling, keeping = _Telling(order, splits, tell), _Keeping(store, key)

        def after_epoch(training: Training) -> None:
            keeping.epoch(training)
            telling.epoch(training)

        try:
            train(
                training,
                cell.seed,
                splits,
                cell.train,
                cell.runtime,
                after_epoch=after_epoch,
                after_batch=telling.images,
            )
        except KeyboardInterrupt:
            keeping.keep()
            raise
        store.finish(key, Trained(training.history, training.best, training.epochs, here))
        telling.finish()
    return key


def _key(order: Order, here: Mapping[str, str | int]) -> str:
    key, what = order.cell.key(here), f"{order.cell.variant}, seed {order.cell.seed}"
    if key.partition("-")[0] != order.key.partition("-")[0]:
        raise UserError(f"{what}: the code changed while this ran; run this again")
    if key != order.key and not order.any_machine:
        raise UserError(
            f"{what}: a worker runs on another kind of machine ({machine.words(here)}) than the "
            f"one that asks for its results ({machine.words(order.asker)}), where last bits may "
            "differ; if that is meant: cells.any_machine in params.yaml"
        )
    return key


@lru_cache(maxsize=1)
def _loaded(path: Path, raw: Path, seed: int, images: str) -> Parts:
    """Return a seed's images through a manifest."""
    del images  # another manifest under the same name is read again
    return manifest.load(path, raw, seed)


class _Keeping:
    """Keeps one training, not too often, and on the way out."""

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key = store, key
        self.snapshot: Snapshot | None = None
        self.kept = -inf

    def epoch(self, training: Training) -> None:
        self.snapshot = Snapshot.of(training)
        if time.monotonic() - self.kept >= KEEP:
            self.keep()

    def keep(self) -> None:
        """Keep the last epoch, unless that is done."""
        if self.snapshot:
            self.store.keep(self.key, self.snapshot)
            self.snapshot, self.kept = None, time.monotonic()


class _Telling:
    """Tells of one training, not too often."""

    def __init__(self, order: Order, splits: Splits, tell: Tell) -> None:
        self.key, self.show, self.tell = order.key, order.show, tell
        self.shown = splits["test"].part(order.show.start, order.show.stop) if order.show else None
        self.num_images = len(splits["train"])
        self.waiting, self.told = 0, time.monotonic()
        self.began, self.panel = time.monotonic(), -inf

    def images(self, number: int) -> None:
        self.waiting += number
        if time.monotonic() - self.told >= TELL:
            self._flush()

    def _flush(self) -> None:
        self.tell((self.key, "images", self.waiting))
        self.waiting, self.told = 0, time.monotonic()

    def epoch(self, training: Training) -> None:
        speed = self.num_images / (time.monotonic() - self.began)
        row = {**training.history[-1], "images_per_second": speed}
        self.tell((self.key, "epoch", row))
        if time.monotonic() - self.panel >= PANELS:
            self._show(training)
        self.began = time.monotonic()  # what was told is no part of the next epoch

    def finish(self) -> None:
        self._flush()
        self.tell((self.key, "finish", None))

    def _show(self, training: Training) -> None:
        if self.show and self.shown:
            maps = self.show.maps(training.network, self.shown)
            self.tell((self.key, "panel", (len(training.history), maps)))
            self.panel = time.monotonic()
