"""A training as the stage runs it, small."""

from collections.abc import Callable

import torch
from safetensors.torch import save

from helpers.pictures import images_of
from whitepatch.params import Params
from whitepatch.tracking.following import follow
from whitepatch.training.loop import Training, train

EPOCHS = 3
VARIANT = "cbam_spatial"
CPU = torch.device("cpu")


def small(everything: Params, *, live: bool) -> Params:
    """Return parameters of a tiny training of the demo, shown in MLflow or not."""
    demo = everything.experiments["demo"]
    demo = demo.model_copy(
        update={
            "train": demo.train.model_copy(update={"epochs": EPOCHS, "seeds": (0,)}),
            "score": demo.score.model_copy(update={"first": 1, "panel": 2}),
        }
    )
    shown = ("demo",) if live else ()
    return everything.model_copy(update={"live": shown, "experiments": {"demo": demo}})


def trained(
    everything: Params,
    training: Training | None = None,
    after: dict[int, Callable[[], None]] | None = None,
) -> tuple[Training, bytes]:
    """Train to the end; return the training, and its weights as the stage would write them.

    Args:
        everything: From `small`.
        training: One that was interrupted.
        after: What to do when an epoch is done, by epoch.
    """
    training = training or Training.start(VARIANT, 0, CPU)
    splits = {"train": images_of(12, 1), "validation": images_of(5, 2), "test": images_of(7, 3)}
    environment = {"device": "cpu", "device_name": "x", "threads": 1, "torch": torch.__version__}
    with follow("demo", VARIANT, everything, splits, {0: training}, environment) as shown:
        shown.begin(0, training)

        def after_epoch(state: Training) -> None:
            shown.epoch(state)
            (after or {}).get(len(state.history), lambda: None)()

        train(
            training,
            0,
            splits,
            everything.experiments["demo"].train,
            everything.runtime,
            after_epoch=after_epoch,
            after_batch=lambda _: None,
        )
        shown.finish(training)
    return training, save({name: x.contiguous() for name, x in training.best.items()})
