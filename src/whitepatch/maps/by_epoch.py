"""Watch the maps emerge: what they show after each epoch of the first seed."""

__all__ = ["Emergence", "emerge"]

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from whitepatch.data.images import DeviceImages
from whitepatch.maps.evaluation import Truth, map_scores
from whitepatch.maps.extract import Maps, looking
from whitepatch.models.classifier import Classifier
from whitepatch.training.loop import Weights


@dataclass(frozen=True)
class Emergence:
    """How the maps came to be.

    Attributes:
        aucs: By map, pixel ROC-AUC, mean over the patched pictures: before the first epoch, then
            after each.
        maps: By map, [epochs + 1, pictures, 24, 24].
    """

    aucs: dict[str, list[float]]
    maps: Maps


def emerge(network: Classifier, epochs: Iterable[Weights], images: DeviceImages) -> Emergence:
    """Look at the maps after each epoch.

    Args:
        network: Untrained, as its seed starts it; has the last epoch's weights in the end.
        epochs: Its weights after each epoch.
        images: The scored ones.
    """
    truth = Truth.of(images)
    found = [looking(network, images)]
    for weights in epochs:
        network.load_state_dict(weights)
        found.append(looking(network, images))
    scored = [map_scores(maps, truth) for maps in found]
    return Emergence(
        {name: [float(scores[name]["auc"].mean()) for scores in scored] for name in found[0]},
        {name: np.stack([maps[name] for maps in found]) for name in found[0]},
    )
