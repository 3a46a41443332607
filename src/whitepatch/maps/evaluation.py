"""What a trained variant does, in numbers."""

__all__ = ["Truth", "brightest_box_auc", "channel_gate", "classification", "map_scores", "means"]

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from whitepatch.data.images import DeviceImages
from whitepatch.maps.ranks import roc_auc
from whitepatch.maps.scores import Floats, coverage, score

Scores = dict[str, dict[str, Floats]]
"""[patched] by map, then by score."""


@dataclass(frozen=True)
class Truth:
    """Where the patches are on the images whose maps are scored.

    Attributes:
        patched: [M] bool, which of them have a patch.
        tops: [M], pixels.
        lefts: [M], pixels.
        size: Of the patch, pixels.
    """

    patched: NDArray[np.bool_]
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, images: DeviceImages) -> "Truth":
        """Return the truth of some images."""
        return cls(
            images.labels.cpu().numpy() > 0,
            images.tops[:, 0].cpu().numpy(),
            images.lefts[:, 0].cpu().numpy(),
            images.patch.size,
        )

    def shares(self, cells: int) -> Floats:
        """Return the patched share of each cell of each patched image, [patched, cells, cells]."""
        return coverage(self.tops[self.patched], self.lefts[self.patched], self.size, cells)


def classification(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return accuracy, ROC-AUC and loss (nats, from logits) of predictions.

    Args:
        logits: [N].
        labels: [N], 0 or 1; the AUC of one class alone is NaN.
    """
    return {
        "accuracy": (logits > 0).eq(labels > 0).double().mean().item(),
        "auc": roc_auc(logits.cpu().double().numpy(), labels.cpu().numpy() > 0),
        "loss": F.binary_cross_entropy_with_logits(logits, labels).item(),
    }


def brightest_box_auc(images: DeviceImages) -> float:
    """Return the ROC-AUC of a rule without learning: the brightest patch-sized box."""
    scores = []
    for some in images.first(len(images)).split(100):
        brightness = images.batch(some)[0].mean(dim=1, keepdim=True)
        boxes = F.avg_pool2d(brightness, images.patch.size, stride=1)
        scores.append(boxes.amax(dim=(1, 2, 3)).cpu().double().numpy())
    return roc_auc(np.concatenate(scores), images.labels.cpu().numpy() > 0)


def map_scores(maps: Mapping[str, NDArray[np.floating]], truth: Truth) -> Scores:
    """Score maps [M, H, W] on the images that have a patch."""
    return {
        name: score(values[truth.patched], truth.shares(values.shape[1]))
        for name, values in maps.items()
    }


def channel_gate(gates: NDArray[np.floating], patched: NDArray[np.bool_]) -> dict[str, float]:
    """Say whether a channel gate knows of the patch.

    Args:
        gates: [M, C], 0 to 1.
        patched: [M], which pictures have a patch.

    Returns:
        `patched` and `clean`, the mean gate on such pictures; `separation`, |2 AUC - 1| of telling
        them apart by one channel's gate, mean over channels.
    """
    aucs = np.array([roc_auc(channel, patched) for channel in gates.T])
    return {
        "patched": float(gates[patched].mean()),
        "clean": float(gates[~patched].mean()),
        "separation": float(np.abs(2 * aucs - 1).mean()),
    }


def means(scores: Scores) -> dict[str, dict[str, float]]:
    """Average scores over images."""
    return {
        name: {kind: float(values.mean()) for kind, values in kinds.items()}
        for name, kinds in scores.items()
    }
