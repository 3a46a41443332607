"""Every map of a network, by name."""

__all__ = ["CELLS", "Maps", "channel_factors", "looking", "maps_of"]

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whitepatch.data.images import DeviceImages
from whitepatch.maps.scores import coverage, far_corners
from whitepatch.models.classifier import Classifier, Look

DRAWN = 3
"""Channels of the features that the article draws: its numbers 1 to 3, our indices 0 to 2."""

CELLS = 24
"""Cells along a side of the variants' maps."""

AT_A_TIME = 20
"""Images; the attention weights of one take 5 MB."""

Maps = dict[str, NDArray[np.float32]]
"""[M, H, W] by name."""


def looking(network: Classifier, images: DeviceImages) -> Maps:
    """Return the maps that say where a network looks: `evidence`, and those that its layer names.

    - `evidence`: class activation mapping (CAM, Zhou et al. 2016), where it is defined: see `Look`.
    - `attention mean`: the attention that a cell receives, a mean over queries and heads.
    - `attention gate`: CBAM's spatial gate.
    - `strips`: for the article's mixed axes, see `strip_map`.
    """
    return _batchwise(
        network,
        images,
        lambda look, _: _evidence(look) | network.attention.maps(look.before),
    )


def maps_of(network: Classifier, images: DeviceImages) -> Maps:
    """Return every map of a network: those of `looking`, and what is drawn beside them.

    - `attention head N`: what a cell receives from one head, a mean over queries.
    - `from patch`: where the patch's own cells attend to, mean of heads; zero on clean images.
    - `to patch`: how much of its attention each cell gives to the patch, mean of heads; the same.
    - `from afar`: where the one cell in the corner furthest from the patch attends to, mean of
      heads; the same.
    - `output N`, `input N`: channels of the features behind and before the layer, as the article
      draws them.
    """

    def named(look: Look, some: Tensor) -> dict[str, Tensor]:
        layer = network.attention
        weights = layer.cell_weights(look.before)
        maps = _evidence(look)
        if weights is not None:
            maps |= _heads(weights)
        maps |= layer.maps(look.before)
        if weights is not None:
            maps |= _of_the_patch(weights, images, some)
        for channel in range(DRAWN):
            maps[f"output {channel + 1}"] = look.after[:, channel]
            maps[f"input {channel + 1}"] = look.before[:, channel]
        return maps

    return _batchwise(network, images, named)


def channel_factors(network: Classifier, images: DeviceImages) -> NDArray[np.float32] | None:
    """Return by what a layer scales each channel, [M, C], 0 to 1; None if it does not."""

    def named(look: Look, _: Tensor) -> dict[str, Tensor]:
        factors = network.attention.channel_factors(look.before)
        return {} if factors is None else {"factors": factors}

    return _batchwise(network, images, named).get("factors")


def _batchwise(
    network: Classifier,
    images: DeviceImages,
    named: Callable[[Look, Tensor], dict[str, Tensor]],
) -> Maps:
    """Collect what `named` makes of what the network shows of a batch, and the batch's indices."""
    network.eval()
    found: list[Maps] = []
    with torch.inference_mode():
        for some in images.first(len(images)).split(AT_A_TIME):
            maps = named(network.look(images.batch(some)[0]), some)
            found.append({name: x.float().cpu().numpy() for name, x in maps.items()})
    return {name: np.concatenate([maps[name] for maps in found]) for name in found[0]}


def _evidence(look: Look) -> dict[str, Tensor]:
    return {} if look.evidence is None else {"evidence": look.evidence}


def _heads(weights: Tensor) -> dict[str, Tensor]:
    """Return what each cell receives from each head, a mean over queries."""
    received = _on_a_square(weights.mean(dim=2))
    return {f"attention head {i + 1}": received[:, i] for i in range(received.shape[1])}


def _of_the_patch(weights: Tensor, images: DeviceImages, some: Tensor) -> dict[str, Tensor]:
    """Return where the patch's cells attend to, who attends to them, and the same from afar."""
    tops, lefts = (x[some, 0].cpu().numpy() for x in (images.tops, images.lefts))
    there = (tops >= 0)[:, None, None]  # clean images: zero
    corners = np.zeros((len(some), CELLS, CELLS))
    rows, columns = far_corners(tops, lefts, images.patch.size, CELLS).T
    corners[np.arange(len(some)), rows, columns] = 1
    inside, afar = (
        torch.as_tensor((x * there).reshape(len(some), -1), dtype=weights.dtype).to(weights.device)
        for x in (coverage(tops, lefts, images.patch.size, CELLS), corners)
    )
    area = inside.sum(dim=1, keepdim=True).clamp(min=1e-9)
    mean = weights.mean(dim=1)
    maps = {
        "from patch": torch.einsum("bqk,bq->bk", mean, inside / area),
        "to patch": torch.einsum("bqk,bk->bq", mean, inside),
        "from afar": torch.einsum("bqk,bq->bk", mean, afar),
    }
    return {name: _on_a_square(x) for name, x in maps.items()}


def _on_a_square(cells: Tensor) -> Tensor:
    """Put the cells of the last axis, in raster order, on a square."""
    side = round(cells.shape[-1] ** 0.5)
    return cells.unflatten(-1, (side, side))
