"""What a trained variant does, in numbers and maps."""

__all__ = ["Truth", "classification", "control_maps", "map_scores", "maps_of", "means"]

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, stats
from torch import Tensor
from torch.nn import functional as F

from whitepatch.data.images import DeviceImages
from whitepatch.localization import Floats, coverage, score
from whitepatch.models.classifier import Classifier, Look

DRAWN = 3
"""Channels of the features that the article draws: its numbers 1 to 3, our indices 0 to 2."""

CELLS = 24
"""Cells along a side of the variants' maps."""

Maps = dict[str, NDArray[np.float32]]
"""[M, H, W] by name."""

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
            images.tops.cpu().numpy(),
            images.lefts.cpu().numpy(),
            images.patch.size,
        )

    def shares(self, cells: int) -> Floats:
        """Return the patched share of each cell of each patched image, [patched, cells, cells]."""
        return coverage(self.tops[self.patched], self.lefts[self.patched], self.size, cells)


def classification(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return accuracy, ROC-AUC and loss (nats, from logits) of predictions.

    Args:
        logits: [N].
        labels: [N], 0 or 1, both present.
    """
    return {
        "accuracy": (logits > 0).eq(labels > 0).double().mean().item(),
        "auc": _roc_auc(logits.cpu().double().numpy(), labels.cpu().numpy() > 0),
        "loss": F.binary_cross_entropy_with_logits(logits, labels).item(),
    }


def maps_of(network: Classifier, images: DeviceImages) -> Maps:
    """Return every map of a network on some images, by name.

    `evidence` is what each cell adds to the decision; `attention ...` the layer's own maps over
    space, where it has any; `output N` and `input N` channels of the features behind and before
    the layer, as the article draws them.
    """
    network.eval()
    found: list[Maps] = []
    index = images.first(len(images))
    with torch.inference_mode():
        for some in index.split(20):  # the attention weights take 5 MB an image
            look = network.look(images.batch(some)[0])
            found.append({name: x.cpu().numpy() for name, x in _named(look).items()})
    return {name: np.concatenate([maps[name] for maps in found]) for name in found[0]}


def control_maps(images: DeviceImages, truth: Truth) -> dict[str, NDArray[np.floating]]:
    """Return maps that no network made, [M, H, W] by name.

    `brightness` of the picture; `edges`, the length of its Sobel gradient; `uniform`, which says
    nothing and scores chance; `perfect`, the truth on the variants' own grid of 24x24 cells, which
    scores the ceiling (on clean images it is zero).
    """
    index = images.first(len(images))
    brightness = images.batch(index)[0].mean(dim=1).cpu().numpy()
    edges = np.hypot(ndimage.sobel(brightness, axis=1), ndimage.sobel(brightness, axis=2))
    perfect = np.zeros((len(index), CELLS, CELLS))
    perfect[truth.patched] = truth.shares(CELLS)
    uniform = np.ones_like(perfect)
    return {"brightness": brightness, "edges": edges, "uniform": uniform, "perfect": perfect}


def brightest_box_auc(images: DeviceImages) -> float:
    """Return the ROC-AUC of a rule without learning: the brightest patch-sized box."""
    scores = []
    for some in images.first(len(images)).split(100):
        brightness = images.batch(some)[0].mean(dim=1, keepdim=True)
        boxes = F.avg_pool2d(brightness, images.patch.size, stride=1)
        scores.append(boxes.amax(dim=(1, 2, 3)).cpu().double().numpy())
    return _roc_auc(np.concatenate(scores), images.labels.cpu().numpy() > 0)


def map_scores(maps: Mapping[str, NDArray[np.floating]], truth: Truth) -> Scores:
    """Score maps [M, H, W] on the images that have a patch."""
    return {
        name: score(values[truth.patched], truth.shares(values.shape[1]))
        for name, values in maps.items()
    }


def means(scores: Scores) -> dict[str, dict[str, float]]:
    """Average scores over images."""
    return {
        name: {kind: float(values.mean()) for kind, values in kinds.items()}
        for name, kinds in scores.items()
    }


def _named(look: Look) -> dict[str, Tensor]:
    maps = {"evidence": look.evidence}
    if look.attention is not None:
        num_maps = look.attention.shape[1]
        for head in range(num_maps):
            name = f"attention head {head + 1}" if num_maps > 1 else "attention gate"
            maps[name] = look.attention[:, head]
        if num_maps > 1:
            maps["attention mean"] = look.attention.mean(dim=1)
    for channel in range(DRAWN):
        maps[f"output {channel + 1}"] = look.after[:, channel]
        maps[f"input {channel + 1}"] = look.before[:, channel]
    return maps


def _roc_auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive scores above a negative, a tie counting half."""
    num_positive = int(positive.sum())
    wins = stats.rankdata(scores)[positive].sum() - num_positive * (num_positive + 1) / 2
    return float(wins / (num_positive * (len(positive) - num_positive)))
