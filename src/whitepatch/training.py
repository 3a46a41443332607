"""One training loop for all variants."""

__all__ = ["Splits", "Training", "learning_rate", "loss_of", "measure", "train"]

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from whitepatch.data.images import DeviceImages
from whitepatch.errors import UserError
from whitepatch.models.classifier import Classifier, build
from whitepatch.params import Train
from whitepatch.seeding import seed_for

EVALUATION_BATCH = 100
"""Images at a time where no gradient is needed; moves no result, only memory."""

Splits: TypeAlias = dict[str, DeviceImages]
"""`train`, `test` and, where the experiment has one, `validation`."""

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
    """

    network: Classifier
    optimizer: torch.optim.Adam
    history: list[Row]
    best: dict[str, Tensor]

    @classmethod
    def start(cls, variant: str, seed: int, device: torch.device) -> "Training":
        """Return a training before its first epoch."""
        network = build(variant, seed).to(device)
        # every step sets the rate, so the optimizer has none of its own
        return cls(network, torch.optim.Adam(network.parameters(), lr=0.0), [], {})

    def chosen_epoch(self, choose: str) -> int:
        """Return the epoch of the lowest loss on the split `choose`; of equals the first."""
        losses = [row[f"{choose}_loss"] for row in self.history]
        return losses.index(min(losses)) + 1


def train(
    training: Training,
    seed: int,
    splits: Splits,
    params: Train,
    *,
    after_epoch: Callable[[Training], None],
    after_batch: Callable[[int], None],
) -> None:
    """Train one seed to the end, in place, from wherever `training` stands.

    Args:
        training: New, or restored from a checkpoint.
        seed: Names the generators of order and dropout, anew in every epoch; so a resumed
            training goes on exactly as if it had not stopped.
        splits: Images on the device.
        params: The protocol.
        after_epoch: Called with the training after every epoch.
        after_batch: Called with the number of images after every step.

    Raises:
        UserError: The loss is no longer a finite number; names the first such step.
    """
    images = splits["train"]
    steps_per_epoch = math.ceil(len(images) / params.batch_size)
    for epoch in range(len(training.history) + 1, params.epochs + 1):
        torch.manual_seed(seed_for("dropout", seed, epoch))
        training.network.train()
        loss_sum = torch.zeros((), device=images.labels.device)
        num_correct = torch.zeros((), device=images.labels.device)
        losses = torch.zeros(steps_per_epoch, device=images.labels.device)
        for step, index in enumerate(_order(images, seed, epoch, params).split(params.batch_size)):
            rate = learning_rate((epoch - 1) * steps_per_epoch + step, steps_per_epoch, params)
            batch, labels = images.batch(index)
            logits = training.network(batch)
            loss = loss_of(logits, labels, params)
            _step(training.optimizer, loss, rate)
            # sums stay on the device: asking for a number would wait for it
            losses[step] = loss.detach()
            loss_sum += losses[step] * len(index)
            num_correct += (logits.detach() > 0).eq(labels > 0).sum()
            after_batch(len(index))
        row: Row = {"epoch": epoch, "learning_rate": rate}
        row["train_loss"] = loss_sum.item() / len(images)
        row["train_accuracy"] = num_correct.item() / len(images)
        for name, held_out in splits.items():
            if name != "train":
                row[f"{name}_loss"], row[f"{name}_accuracy"] = measure(
                    training.network, held_out, params
                )
        _refuse_what_is_not_finite(losses, row, seed, steps_per_epoch, params)
        training.history.append(row)
        if training.chosen_epoch(params.choose) == epoch:
            training.best = {
                name: value.clone() for name, value in training.network.state_dict().items()
            }
        after_epoch(training)


def _refuse_what_is_not_finite(
    losses: Tensor, row: Row, seed: int, steps_per_epoch: int, params: Train
) -> None:
    """Refuse an epoch in which a loss, of a step or of a whole split, is not a finite number."""
    epoch = int(row["epoch"])
    bad = (~losses.isfinite()).nonzero()
    if len(bad) == 0 and all(math.isfinite(value) for value in row.values()):
        return
    step = int(bad[0]) if len(bad) else steps_per_epoch - 1
    rate = learning_rate((epoch - 1) * steps_per_epoch + step, steps_per_epoch, params)
    last = f"epoch {epoch - 1} was the last good one" if epoch > 1 else "no epoch was good"
    raise UserError(
        f"seed {seed}: the loss is no longer finite at step {step + 1} of epoch {epoch}, at a "
        f"learning rate of {rate:g}; {last}; lower train.learning_rate in params.yaml"
    )


def learning_rate(step: int, steps_per_epoch: int, params: Train) -> float:
    """Return the learning rate of a step, counted from 0 over the whole training.

    `one_cycle` rises linearly to `learning_rate`, then falls along half a cosine to zero; each
    step takes the value at its middle. Source: Smith and Topin, "Super-Convergence", 2018,
    https://arxiv.org/abs/1708.07120; ours leaves the momentum alone.
    """
    if params.schedule == "constant":
        return params.learning_rate
    done = (step + 0.5) / (params.epochs * steps_per_epoch)
    if done < params.rise:
        return params.learning_rate * done / params.rise
    return (
        params.learning_rate
        * (1 + math.cos(math.pi * (done - params.rise) / (1 - params.rise)))
        / 2
    )


def loss_of(logits: Tensor, labels: Tensor, params: Train) -> Tensor:
    """Return the binary cross-entropy, a scalar, mean over images, in nats.

    `logits` is the exact one; `printed` is the article's, from probabilities with 1e-8 added
    inside the logarithms, which cannot exceed 18.4 for one image.
    """
    if params.loss == "logits":
        return F.binary_cross_entropy_with_logits(logits, labels)
    probability = torch.sigmoid(logits)
    return -torch.mean(
        labels * torch.log(probability + 1e-8) + (1 - labels) * torch.log(1 - probability + 1e-8)
    )


def predict(network: Classifier, images: DeviceImages) -> Tensor:
    """Return the logits of all images, [N], in eval mode."""
    network.eval()
    index = images.first(len(images))
    with torch.inference_mode():
        return torch.cat([network(images.batch(i)[0]) for i in index.split(EVALUATION_BATCH)])


def measure(network: Classifier, images: DeviceImages, params: Train) -> tuple[float, float]:
    """Return loss (nats) and accuracy (0 to 1) over all images, in eval mode."""
    logits = predict(network, images)
    accuracy = (logits > 0).eq(images.labels > 0).double().mean()
    return loss_of(logits, images.labels, params).item(), accuracy.item()


def _order(images: DeviceImages, seed: int, epoch: int, params: Train) -> Tensor:
    order = torch.arange(len(images))
    if params.shuffle:
        generator = torch.Generator().manual_seed(seed_for("order", seed, epoch))
        order = torch.randperm(len(images), generator=generator)
    return order.to(images.labels.device)


def _step(optimizer: torch.optim.Adam, loss: Tensor, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
