"""Train and test variants under every combination of a sweep's levels."""

from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from whitepatch import paths, sources
from whitepatch.cells.filling import at_once, fill, num_workers
from whitepatch.cells.store import Store
from whitepatch.cells.worker import Order
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.data.layout import SIDE, read_labels
from whitepatch.data.rows import POOL
from whitepatch.files import replacing, write_text
from whitepatch.maps.evaluation import classification
from whitepatch.models.classifier import Classifier, build
from whitepatch.params import Condition, Experiment, Folds, Params, load
from whitepatch.stages import run
from whitepatch.training import machine
from whitepatch.training.loop import Trained, chosen_epoch, predict


def main(name: str) -> None:
    """Write a row for each cell and condition of the test, and the logits image by image."""
    params = load()
    sweep = params.sweep(name)
    trainings = sweep.trainings(params.experiment(sweep.experiment))
    tests = [sweep.tests(it) for it in trainings]
    with TemporaryDirectory() as folder:
        orders = orders_of(name, params, Path(folder))
        cells = [order for _, order in orders]
        workers = params.cells.workers or num_workers(cells)
        trained = fill(
            cells,
            Store.here(params.cells.limit),
            at_once(workers),
            lambda _: None,
        )
        runtime = params.experiment(sweep.experiment).runtime
        device = machine.prepare(runtime.model_copy(update={"precision": "fp32"}))
        rows, arrays, shown = [], [], {}
        for place, order in orders:
            one, variant, seed = trained[order.key], order.cell.variant, order.cell.seed
            network = build(variant, seed)
            network.load_state_dict(one.best)
            network.to(device)
            for number, test in enumerate(tests[place]):
                at = Path(folder, f"{place}-{number}.csv")
                if not at.exists():
                    _write_manifest(at, test)
                numbers, array = _tested(network, at, seed, test, device)
                if place not in shown:
                    shown[place] = _shown(at, seed, test, params)
                levels = {**trainings[place].levels, **_of_test(test)}
                who = {"variant": variant} | levels
                rows.append(who | _of_training(one, order) | numbers)
                arrays.append(array)
    table = pd.DataFrame(rows)
    write_text(paths.sweep(name), table.to_csv(index=False, lineterminator="\n"))
    with replacing(paths.sweep(name).with_suffix(".npz")) as temporary:
        np.savez_compressed(
            temporary,
            allow_pickle=False,
            **{key: np.stack([array[key] for array in arrays]) for key in arrays[0]},
            pictures=np.stack(list(shown.values())),
        )


def _write_manifest(table: Path, condition: Condition) -> None:
    experiment = condition.experiment
    write_text(table, manifest.table(experiment, paths.raw(experiment.source)))


def orders_of(name: str, params: Params, folder: Path) -> list[tuple[int, Order]]:
    """Return the cells of a sweep, each behind the place of its training; writes their manifests.

    Args:
        name: Of the sweep.
        params: All parameters.
        folder: For the manifests.
    """
    sweep, orders = params.sweep(name), []
    experiment = params.experiment(sweep.experiment)
    here = machine.here(experiment.runtime)
    for place, training in enumerate(sweep.trainings(experiment)):
        experiment = training.experiment
        table = folder / f"{place}.csv"
        _write_manifest(table, training)
        for variant, seed in product(sweep.variants, sweep.seeds):
            order = Order.of(
                sweep.experiment,
                experiment,
                variant,
                seed,
                table,
                here,
                any_machine=params.cells.any_machine,
            )
            orders.append((place, order))
    return orders


def _of_test(test: Condition) -> dict[str, Any]:
    """Return what the test alone sets, under names of its own."""
    return {f"test.{key}": value for key, value in test.levels.items()}


def _of_training(trained: Trained, order: Order) -> dict[str, Any]:
    """Return the seed, and what its chosen epoch was in training."""
    epoch = chosen_epoch(trained.history, order.cell.train.choose)
    row = trained.history[epoch - 1]
    names = [f"{split}_loss" for split in ("train", "validation") if f"{split}_loss" in row]
    return {"seed": order.cell.seed, "epoch": epoch} | {
        name: float(f"{row[name]:.9g}") for name in names
    }


def _tested(
    network: Classifier, table: Path, seed: int, test: Condition, device: torch.device
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    experiment = test.experiment
    part = manifest.load(table, paths.raw(experiment.source), seed, "test")["test"]
    images = DeviceImages.of(part, experiment.patch, experiment.pixels, device)
    logits = predict(network, images, "fp32")
    numbers = classification(logits, images.labels)
    arrays = {
        "logits": logits.cpu().numpy(),
        "labels": part.plan.labels.astype(np.uint8),
        "rows": part.rows.astype(np.int32),
        "shows": _labels(experiment, part.rows),
    }
    return {f"test_{key}": float(f"{numbers[key]:.9g}") for key in sorted(numbers)}, arrays


def _shown(table: Path, seed: int, test: Condition, params: Params) -> NDArray[np.uint8]:
    """Return a test image of each label as the networks see it: uint8 [2, 3, 96, 96], 0 first.

    They are the first that a committed figure may show.
    """
    experiment = test.experiment
    raw, pixels = paths.raw(experiment.source), experiment.pixels
    part = manifest.load(table, raw, seed, "test")["test"]
    images = DeviceImages.of(part, experiment.patch, pixels, torch.device("cpu"))
    source = sources.find(experiment.source)
    drawable = np.array(source.drawable(_labels(experiment, part.rows).tolist(), params))
    found = np.full((2, 3, SIDE, SIDE), 128, np.uint8)  # grey where none may be shown
    for label in (0, 1):
        first = np.flatnonzero((part.plan.labels == label) & drawable)[:1]
        for seen in images.batch(torch.from_numpy(first))[0].numpy() if len(first) else ():
            found[label] = np.clip((seen * pixels.scale + pixels.offset).round(), 0, 255)
    return found


def _labels(experiment: Experiment, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the source's labels of some test images."""
    split = experiment.split
    file = POOL if isinstance(split, Folds) else split.test.file
    return read_labels(paths.raw(experiment.source), file)[rows]


if __name__ == "__main__":
    run(main)
