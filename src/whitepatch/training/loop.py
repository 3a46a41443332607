"""One training loop for all variants."""

__all__ = [
    "Row",
    "Splits",
    "Trained",
    "Training",
    "Weights",
    "chosen_epoch",
    "measure",
    "predict",
    "train",
]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whitepatch.data.images import DeviceImages
from whitepatch.errors import UserError
from whitepatch.models.classifier import Classifier, build
from whitepatch.params import Precision, Runtime, Train
from whitepatch.seeding import seed_for
from whitepatch.training.adam import Adam
from whitepatch.training.schedule import learning_rate
from whitepatch.training.step import Step, forward, loss_of

EVALUATION_BATCHES = {"cpu": 100, "cuda": 500}
"""Images at a time where no gradient is needed, by device."""

Splits: TypeAlias = dict[str, DeviceImages]
"""`train`, `test` and, where the experiment has one, `validation`."""

Weights: TypeAlias = dict[str, Tensor]
"""A network's state by name."""

Row: TypeAlias = dict[str, float]
"""One epoch: epoch, learning_rate, and <split>_loss and <split>_accuracy of each split."""


@dataclass
class Training:
    """The whole state of one seed's training between two epochs.

    Attributes:
        network: As after the last finished epoch.
        optimizer: The same.
        history: One row for each finished epoch.
        best: Weights at the epoch that has been chosen so far.
        epochs: Weights after each finished epoch, where they are kept; else None.
    """

    network: Classifier
    optimizer: Adam
    history: list[Row]
    best: Weights
    epochs: list[Weights] | None = None

    @classmethod
    def start(
        cls, variant: str, seed: int, device: torch.device, *, keep_epochs: bool = False
    ) -> "Training":
        """Return a training before its first epoch."""
        network = build(variant, seed).to(device)
        return cls(network, Adam(network.parameters()), [], {}, [] if keep_epochs else None)

    def weights(self) -> Weights:
        """Return a copy of the weights as they are now."""
        return {name: value.clone() for name, value in self.network.state_dict().items()}


@dataclass(frozen=True)
class Trained:
    """What a finished training leaves.

    Attributes:
        history: One row for each epoch.
        best: Weights at the chosen epoch.
        epochs: Weights after each epoch, where they were kept; else None.
        trained_on: See `machine.environment`.
    """

    history: list[Row]
    best: Weights
    epochs: list[Weights] | None
    trained_on: Mapping[str, str | int]


def chosen_epoch(history: Sequence[Mapping[str, float]], choose: str) -> int:
    """Return the epoch of the lowest loss on the split `choose`; of equals the first."""
    losses = [row[f"{choose}_loss"] for row in history]
    return losses.index(min(losses)) + 1


def train(
    training: Training,
    seed: int,
    splits: Splits,
    params: Train,
    runtime: Runtime,
    *,
    after_epoch: Callable[[Training], None],
    after_batch: Callable[[int], None],
) -> None:
    """Train one seed to the end, in place, from wherever `training` stands.

    Args:
        training: New, or as it was left between two epochs.
        seed: Names the generators of order and dropout, anew in every epoch; so a resumed
            training goes on exactly as if it had not stopped.
        splits: Images on the device.
        params: The protocol.
        runtime: In which precision, and on a GPU whether as a CUDA graph.
        after_epoch: Called with the training after every epoch.
        after_batch: Called with the number of images after every step.

    Raises:
        UserError: The loss is no longer a finite number; names the first such step.
    """
    images = splits["train"]
    step_once = Step(training.network, training.optimizer, images, params, runtime)
    steps_per_epoch = math.ceil(len(images) / params.batch_size)
    for epoch in range(len(training.history) + 1, params.epochs + 1):
        torch.manual_seed(seed_for("dropout", seed, epoch))
        training.network.train()
        told = torch.zeros(steps_per_epoch, 2, device=images.labels.device)
        batches = _order(images, seed, epoch, params).split(params.batch_size)
        for step, index in enumerate(batches):
            rate = learning_rate((epoch - 1) * steps_per_epoch + step, steps_per_epoch, params)
            # it stays on the device: asking for a number would wait for it
            told[step] = step_once(index, rate)
            after_batch(len(index))
        losses, correct = told.cpu().numpy().T
        sizes = np.array([len(index) for index in batches], np.float32)
        row: Row = {"epoch": epoch, "learning_rate": rate}
        # one after the other, in float32, as the device would add them up
        row["train_loss"] = float(np.cumsum(losses * sizes, dtype=np.float32)[-1]) / len(images)
        row["train_accuracy"] = float(correct.sum()) / len(images)
        for name, held_out in splits.items():
            if name != "train":
                row[f"{name}_loss"], row[f"{name}_accuracy"] = measure(
                    training.network, held_out, params, runtime.precision
                )
        _refuse_what_is_not_finite(losses, row, seed, steps_per_epoch, params)
        training.history.append(row)
        if chosen_epoch(training.history, params.choose) == epoch:
            training.best = training.weights()
        if training.epochs is not None:
            training.epochs.append(training.weights())
        after_epoch(training)


def _refuse_what_is_not_finite(
    losses: NDArray[np.float32], row: Row, seed: int, steps_per_epoch: int, params: Train
) -> None:
    """Refuse an epoch in which a loss, of a step or of a whole split, is not a finite number."""
    epoch = int(row["epoch"])
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad) == 0 and all(math.isfinite(value) for value in row.values()):
        return
    step = int(bad[0]) if len(bad) else steps_per_epoch - 1
    rate = learning_rate((epoch - 1) * steps_per_epoch + step, steps_per_epoch, params)
    last = f"epoch {epoch - 1} was the last good one" if epoch > 1 else "no epoch was good"
    raise UserError(
        f"seed {seed}: the loss is no longer finite at step {step + 1} of epoch {epoch}, at a "
        f"learning rate of {rate:g}; {last}; lower train.learning_rate in params.yaml"
    )


def predict(network: Classifier, images: DeviceImages, precision: Precision) -> Tensor:
    """Return the logits of all images, [N], in eval mode."""
    network.eval()
    size = EVALUATION_BATCHES[images.labels.device.type]
    batches = images.first(len(images)).split(size)
    with torch.inference_mode():
        return torch.cat([forward(network, images.batch(i)[0], precision) for i in batches])


def measure(
    network: Classifier, images: DeviceImages, params: Train, precision: Precision
) -> tuple[float, float]:
    """Return loss (nats) and accuracy (0 to 1) over all images, in eval mode."""
    logits = predict(network, images, precision)
    accuracy = (logits > 0).eq(images.labels > 0).double().mean()
    return loss_of(logits, images.labels, params).item(), accuracy.item()


def _order(images: DeviceImages, seed: int, epoch: int, params: Train) -> Tensor:
    order = torch.arange(len(images))
    if params.shuffle:
        generator = torch.Generator().manual_seed(seed_for("order", seed, epoch))
        order = torch.randperm(len(images), generator=generator)
    return order.to(images.labels.device)
