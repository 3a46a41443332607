"""Tiny trainings as the stage runs them, of images of noise."""

from pathlib import Path

import numpy as np
import torch

from whitepatch import paths
from whitepatch.cells.filling import Engine, at_once, fill
from whitepatch.cells.store import Store
from whitepatch.cells.worker import Order
from whitepatch.data import layout, manifest
from whitepatch.files import write_text
from whitepatch.params import Folds, Params
from whitepatch.stages.train import orders_of
from whitepatch.tracking.following import follow
from whitepatch.training.loop import Trained

EPOCHS = 3
VARIANT = "cbam_spatial"
CPU = torch.device("cpu")


def small(everything: Params, *, live: bool = False, seeds: tuple[int, ...] = (0,)) -> Params:
    """Write images and a manifest of `demo` here; return parameters of tiny trainings of them."""
    demo = everything.experiments["demo"]
    update = {
        "runtime": demo.runtime.model_copy(update={"threads": 1}),
        "split": Folds(folds=3, train=12, validation=5, test=7),
        "train": demo.train.model_copy(update={"epochs": EPOCHS, "batch_size": 5, "seeds": seeds}),
        "score": demo.score.model_copy(update={"first": 1, "panel": 2, "images": 6}),
    }
    demo = demo.model_copy(update=update)
    raw = paths.raw(demo.source)
    raw.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(1)
    pictures = generator.integers(200, size=(36, 3, 96, 96), dtype=np.uint8)
    layout.write(raw, "train", pictures, np.arange(36, dtype=np.uint8) // 12 + 1)
    write_text(paths.split("demo"), manifest.table(demo, raw))
    more = {
        "live": ("demo",) if live else (),
        "experiments": {"demo": demo},
    }
    return everything.model_copy(update=more)


def orders(params: Params, variant: str = VARIANT) -> list[Order]:
    """Return the cells of a variant of `demo`."""
    return list(orders_of("demo", variant, params).values())


def trained(
    params: Params, store: Path, variant: str = VARIANT, engine: Engine | None = None
) -> list[Trained]:
    """Train the cells of a variant as the stage does; return them in the order of the seeds."""
    asked = orders(params, variant)
    with follow(asked, params) as tell:
        found = fill(asked, Store(store, 1e9), engine or at_once(1), tell)
    return [found[order.key] for order in asked]
