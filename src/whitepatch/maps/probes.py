"""Does the decision use the patch, and do the maps follow it? Numbers from interventions."""

__all__ = ["Probed", "mixes_places", "probe"]

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from whitepatch.data.images import DeviceImages
from whitepatch.maps.evaluation import Truth, map_scores
from whitepatch.maps.extract import CELLS, looking
from whitepatch.maps.interventions import moved, occlusion, planted, randomised
from whitepatch.maps.ranks import rank_correlation
from whitepatch.models.classifier import Classifier
from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.params import Score
from whitepatch.seeding import numpy_generator
from whitepatch.training.loop import predict

DISTRACTORS = {"black": -1.0, "grey": 0.0}
"""Values of patches that mean nothing, normalised units; none was seen in training."""


@dataclass(frozen=True)
class Probed:
    """What the probes of one seed found.

    Attributes:
        numbers: Means over images, for the metrics.
        arrays: Image by image, or place by place.
    """

    numbers: dict[str, Any]
    arrays: dict[str, NDArray[np.float32]]


def mixes_places(network: Classifier) -> bool:
    """Say whether the attention layer brings to a cell what another cell holds.

    One cell holds nothing but zeros, all others hold random features. If what the layer makes of it
    is another when the cell in the opposite corner is, the layer mixes places. A gate only scales
    what a cell holds itself: it leaves zero what is zero, whatever the others hold.
    """
    random = numpy_generator("probe", "mixing").normal(size=(CHANNELS, CELLS, CELLS))
    features = torch.from_numpy(random).float().to(network.head.weight.device).repeat(2, 1, 1, 1)
    features[..., -1, -1] = 0
    features[1, :, 0, 0] += 1
    network.eval()
    with torch.inference_mode():
        one, other = network.attention(features)[..., -1, -1]
    return not torch.equal(one, other)


def probe(network: Classifier, fresh: Classifier, images: DeviceImages, params: Score) -> Probed:
    """Probe a network.

    Args:
        network: A trained one; its weights are drawn anew in the end.
        fresh: The same variant, untrained, from another seed.
        images: The scored ones, patched and clean.
        params: How many pictures are moved, and over how many places.
    """
    patched, clean = images.at(images.labels > 0), images.at(images.labels == 0)
    arrays: dict[str, NDArray[np.float32]] = {}
    numbers = {
        "occlusion": _occlusion(network, patched, arrays),
        "moved": _moved(network, clean.part(0, params.movers), params.grid, arrays),
        "distractor": {
            name: _distractor(network, clean, patched, value) for name, value in DISTRACTORS.items()
        },
        "randomised": _randomised(network, fresh, patched),
    }
    return Probed(numbers, arrays)


def _occlusion(
    network: Classifier, patched: DeviceImages, arrays: dict[str, NDArray[np.float32]]
) -> dict[str, float]:
    """Return how far the logit falls, mean over images."""
    logits = occlusion(network, patched)
    arrays |= {f"occlusion/{name}": values for name, values in logits.items()}
    return {
        name: float((logits["seen"] - values).mean())
        for name, values in logits.items()
        if name != "seen"
    }


def _moved(
    network: Classifier,
    pictures: DeviceImages,
    steps: int,
    arrays: dict[str, NDArray[np.float32]],
) -> dict[str, Any]:
    """Return how often the patch is found, and the maps' pixel AUC, over a grid of places."""
    right = np.zeros((steps, steps), np.float32)
    aucs: dict[str, NDArray[np.float32]] = {}
    for row, column, images in moved(pictures, steps):
        right[row, column] = (predict(network, images, "fp32") > 0).float().mean().item()
        scores = map_scores(looking(network, images), Truth.of(images))
        for name, kinds in scores.items():
            aucs.setdefault(name, np.zeros_like(right))[row, column] = kinds["auc"].mean()
    arrays["moved/found"] = right
    arrays |= {f"moved/{name}": values for name, values in aucs.items()}
    return {
        "found": float(right.mean()),
        "found_at_worst_place": float(right.min()),
        "auc": {name: float(values.mean()) for name, values in aucs.items()},
        "auc_at_worst_place": {name: float(values.min()) for name, values in aucs.items()},
    }


def _distractor(
    network: Classifier, clean: DeviceImages, patched: DeviceImages, value: float
) -> dict[str, Any]:
    """Return what a patch without meaning does: to the decision, and to the maps at its place."""
    number = min(len(clean), len(patched))
    pictures = clean.part(0, number)
    some = planted(pictures, patched.tops[:number, 0], patched.lefts[:number, 0], value)
    before, after = (predict(network, it, "fp32") for it in (pictures, some))
    scores = map_scores(looking(network, some), Truth.of(some))
    return {
        "logit_rise": float((after - before).mean()),
        "fooled": float(((after > 0) & (before <= 0)).float().mean()),
        "maps": {
            name: {kind: float(values.mean()) for kind, values in kinds.items()}
            for name, kinds in scores.items()
        },
    }


def _randomised(
    network: Classifier, fresh: Classifier, patched: DeviceImages
) -> dict[str, dict[str, dict[str, float]]]:
    """Return how near the maps stay to the trained ones, and how well they still point."""
    truth, trained = Truth.of(patched), looking(network, patched)
    found = {}
    for step, changed in randomised(network, fresh):
        maps = looking(changed, patched)
        scores = map_scores(maps, truth)
        found[step] = {
            name: {
                "correlation": float(rank_correlation(trained[name], maps[name]).mean()),
                "auc": float(scores[name]["auc"].mean()),
            }
            for name in maps
        }
    return found
