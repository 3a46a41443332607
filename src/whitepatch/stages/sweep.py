"""Train and test a variant under every combination of a sweep's levels."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from whitepatch import paths
from whitepatch.cells.filling import at_once, fill, num_workers
from whitepatch.cells.store import Store
from whitepatch.cells.worker import Order
from whitepatch.data import manifest
from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan, plan
from whitepatch.errors import UserError
from whitepatch.files import replacing, write_text
from whitepatch.maps.evaluation import classification
from whitepatch.models.classifier import Classifier, build
from whitepatch.params import Condition, Params, load
from whitepatch.stages import run
from whitepatch.training import machine
from whitepatch.training.loop import Trained, chosen_epoch, predict


def main(name: str) -> None:
    """Write a row for each cell and condition of the test, and the logits image by image."""
    params = load()
    sweep = params.sweep(name)
    trainings = sweep.trainings(params.experiment(sweep.experiment))
    tests = [[(test, _plan(name, test)) for test in sweep.tests(it)] for it in trainings]
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
        rows, arrays = [], []
        for place, order in orders:
            one, part = trained[order.key], order.parts()["test"]
            network = build(sweep.variant, order.cell.seed)
            network.load_state_dict(one.best)
            network.to(device)
            for test, fate in tests[place]:
                numbers, array = _tested(network, replace(part, plan=fate), test, device)
                levels = {**trainings[place].levels, **_of_test(test)}
                rows.append(levels | _of_training(one, order) | numbers)
                arrays.append(array)
    table = pd.DataFrame(rows)
    table.insert(0, "variant", sweep.variant)
    write_text(paths.sweep(name), table.to_csv(index=False, lineterminator="\n"))
    with replacing(paths.sweep(name).with_suffix(".npz")) as temporary:
        np.savez_compressed(
            temporary,
            allow_pickle=False,
            **{key: np.stack([array[key] for array in arrays]) for key in arrays[0]},
        )


def _plan(name: str, test: Condition) -> Plan:
    """Return who of the test images is patched, and where."""
    experiment = test.experiment
    fate = plan(experiment.split.test, experiment.patch, experiment.train.batch_size)
    if len(set(fate.labels.tolist())) < 2:
        raise UserError(
            f"sweeps.{name}: {dict(test.levels)}: the test must hold images with and without a "
            "patch; take more rows, or another patch.seed or patch.probability"
        )
    return fate


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
        write_text(table, manifest.table(experiment, paths.raw(experiment.source)))
        images = manifest.identity(table)
        for seed in sweep.seeds:
            order = Order.of(
                sweep.experiment,
                experiment,
                sweep.variant,
                seed,
                table,
                here,
                images,
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
    network: Classifier, part: Part, test: Condition, device: torch.device
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    patch, pixels = test.experiment.patch, test.experiment.pixels
    images = DeviceImages.of(part, patch, pixels, device)
    logits = predict(network, images, "fp32")
    numbers = classification(logits, images.labels)
    arrays = {
        "logits": logits.cpu().numpy(),
        "labels": part.plan.labels.astype(np.uint8),
        "rows": part.rows,
    }
    return {f"test_{key}": float(f"{numbers[key]:.9g}") for key in sorted(numbers)}, arrays


if __name__ == "__main__":
    run(main)
