"""Changed pictures, and changed networks.

A map can point at the patch in a network that does not use it, and miss it in one that does. So
the patch is hidden, moved and replaced by one that means nothing, and the weights are drawn anew,
layer by layer; `probes` measures what the decision and its maps do then.

Sources: occlusion: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014,
https://arxiv.org/abs/1311.2901; randomised weights: Adebayo et al., "Sanity Checks for Saliency
Maps", 2018, https://arxiv.org/abs/1810.03292.
"""

__all__ = ["CASCADE", "moved", "occlusion", "planted", "randomised"]

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whitepatch.data.images import DeviceImages
from whitepatch.models.classifier import Classifier
from whitepatch.seeding import numpy_generator
from whitepatch.training.loop import predict

CASCADE = (
    ("head", ("head", "readout")),
    ("attention", ("attention",)),
    ("conv 3", ("backbone.conv3",)),
    ("conv 2", ("backbone.norm2", "backbone.conv2")),
    ("conv 1", ("backbone.norm1", "backbone.conv1")),
)
"""What is drawn anew, from the decision down; each step keeps those before it."""

GREY = 0.0
"""Normalised units: half way between black and white."""


def planted(
    images: DeviceImages, tops: Tensor, lefts: Tensor, value: float | None = None
) -> DeviceImages:
    """Return the same pictures with their patches elsewhere.

    Args:
        images: The pictures, as they are at rest: without a patch.
        tops: [N], pixels, -1 for none.
        lefts: [N], the same.
        value: Of the patch, normalised units; the experiment's own if None.
    """
    colours = images.colours if value is None else torch.full_like(images.colours, value)
    labels, tops, lefts = (tops >= 0).float(), tops[:, None], lefts[:, None]
    return replace(images, labels=labels, tops=tops, lefts=lefts, colours=colours)


def occlusion(network: Classifier, images: DeviceImages) -> dict[str, NDArray[np.float32]]:
    """Return logits of patched pictures: as they are, and with something hidden or taken away.

    Args:
        network: A trained one.
        images: Pictures that all have a patch.

    Returns:
        [N] each: `seen`, as they are; `hidden`, with a grey box over the patch; `elsewhere`, with
        the same box where it does not touch the patch; `removed`, without the patch.
    """
    size, positions = images.patch.size, images.patch.positions
    there = images.tops[:, 0], images.lefts[:, 0]
    tops, lefts = (x.cpu().numpy() for x in there)
    apart = _apart(tops, lefts, size, positions)
    boxes = [torch.as_tensor(x).to(images.tops) for x in apart]
    nowhere = torch.full_like(there[0], -1)
    grey = planted(images, *there, GREY)
    found = {
        "seen": predict(network, images, "fp32"),
        "hidden": predict(network, grey, "fp32"),
        "elsewhere": _logits_with_box(network, images, *boxes),
        "removed": predict(network, planted(images, nowhere, nowhere), "fp32"),
    }
    return {name: logits.cpu().numpy() for name, logits in found.items()}


def moved(images: DeviceImages, steps: int) -> Iterator[tuple[int, int, DeviceImages]]:
    """Yield the pictures with their patch at each place of a grid, and its row and column.

    Args:
        images: Any pictures; their own patches are not planted.
        steps: Places along a side, from the first possible to the last.
    """
    places = np.linspace(0, images.patch.positions - 1, steps).round().astype(int)
    for row, top in enumerate(places):
        for column, left in enumerate(places):
            yield (
                row,
                column,
                planted(
                    images,
                    torch.full_like(images.tops[:, 0], int(top)),
                    torch.full_like(images.lefts[:, 0], int(left)),
                ),
            )


def randomised(network: Classifier, fresh: Classifier) -> Iterator[tuple[str, Classifier]]:
    """Yield the network with ever more of its layers replaced by untrained ones, from the top.

    The network is changed as this goes on.

    Args:
        network: A trained one.
        fresh: The same variant, untrained, from another seed.
    """
    for name, parts in CASCADE:
        for part in parts:
            network.get_submodule(part).load_state_dict(fresh.get_submodule(part).state_dict())
        yield name, network


def _logits_with_box(
    network: Classifier, images: DeviceImages, tops: Tensor, lefts: Tensor
) -> Tensor:
    boxes = planted(images, tops, lefts, GREY)
    index = images.first(len(images))
    network.eval()
    with torch.inference_mode():
        found = []
        for some in index.split(100):
            pictures = images.batch(some)[0]
            found.append(network(pictures.masked_fill(boxes.covered(some)[:, None], GREY)))
    return torch.cat(found)


def _apart(
    tops: NDArray[np.int64], lefts: NDArray[np.int64], size: int, positions: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a place for each patch that does not touch it, or as far away as there is one."""
    generator = numpy_generator("probe", "occlusion")
    found = []
    for top, left in zip(tops, lefts, strict=True):
        furthest = max(top, positions - 1 - top, left, positions - 1 - left)
        while True:
            row, column = generator.integers(positions, size=2)
            if max(abs(row - top), abs(column - left)) >= min(size, furthest):
                found.append((row, column))
                break
    rows, columns = np.array(found).reshape(-1, 2).T
    return rows, columns
