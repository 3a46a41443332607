"""Every map of a network, by name."""

__all__ = [
    "CELLS",
    "LOOKING",
    "Maps",
    "channel_gates",
    "looking",
    "maps_of",
    "strip_map",
]

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whitepatch.data.images import DeviceImages
from whitepatch.maps.scores import coverage, far_corners
from whitepatch.models.classifier import Classifier, Look
from whitepatch.models.layers.cbam import CBAM
from whitepatch.models.layers.image import PixelTokens, StripTokens

LOOKING = ("evidence", "attention mean", "attention gate", "strips")
"""The maps that say where a network looks, as far as it has them."""

DRAWN = 3
"""Channels of the features that the article draws: its numbers 1 to 3, our indices 0 to 2."""

CELLS = 24
"""Cells along a side of the variants' maps."""

AT_A_TIME = 20
"""Images; the attention weights of one take 5 MB."""

Maps = dict[str, NDArray[np.float32]]
"""[M, H, W] by name."""


def looking(network: Classifier, images: DeviceImages) -> Maps:
    """Return the maps of `LOOKING` on some images, by name."""

    def named(look: Look, _: Tensor) -> dict[str, Tensor]:
        maps = {"evidence": look.evidence} | _over_space(network, look)
        return {name: x for name, x in maps.items() if name in LOOKING}

    return _batchwise(network, images, named)


def maps_of(network: Classifier, images: DeviceImages) -> Maps:
    """Return every map of a network on some images, by name.

    - `evidence`: what each cell adds to the decision.
    - `attention head N`, `attention mean`: the attention that a cell receives, a mean over queries.
    - `attention gate`: CBAM's spatial gate.
    - `from patch`: where the patch's own cells attend to, mean of heads; zero on clean images.
    - `to patch`: how much of its attention each cell gives to the patch, mean of heads; the same.
    - `from afar`: where the one cell in the corner furthest from the patch attends to, mean of
      heads; the same.
    - `strips`: for the article's mixed axes, see `strip_map`.
    - `output N`, `input N`: channels of the features behind and before the layer, as the article
      draws them.
    """

    def named(look: Look, some: Tensor) -> dict[str, Tensor]:
        layer = network.attention
        maps = {"evidence": look.evidence}
        if isinstance(layer, PixelTokens):
            maps |= _between_cells(layer.weights(look.before), images, some)
        else:
            maps |= _over_space(network, look)
        for channel in range(DRAWN):
            maps[f"output {channel + 1}"] = look.after[:, channel]
            maps[f"input {channel + 1}"] = look.before[:, channel]
        return maps

    return _batchwise(network, images, named)


def channel_gates(network: Classifier, images: DeviceImages) -> NDArray[np.float32] | None:
    """Return CBAM's channel gate on some images, [M, C], 0 to 1; None without one."""
    layer = network.attention
    if not isinstance(layer, CBAM):
        return None
    return _batchwise(
        network, images, lambda look, _: {"gate": layer.gates(look.before)[0].flatten(1)}
    )["gate"]


def strip_map(weights: Tensor, channels: int) -> Tensor:
    """Return the only map over space that strips allow: what each strip receives, drawn over it.

    A strip is `channels` consecutive raster pixels of one channel. What the strips at one place
    receive is averaged over channels and queries, and drawn over all pixels of the place. So the
    map is constant along pieces of a row and a third: it tells rows, and hardly a place within.

    Args:
        weights: [B, h, N, N], queries by keys, between N strips of an image of N cells.
        channels: C, also the length of a strip.

    Returns:
        [B, side, side].
    """
    received = weights.mean(dim=(1, 2)).unflatten(1, (channels, -1)).mean(dim=1)
    side = round(weights.shape[-1] ** 0.5)
    return received.repeat_interleave(channels, dim=1).unflatten(1, (side, side))


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


def _over_space(network: Classifier, look: Look) -> dict[str, Tensor]:
    """Return what the layer says of where it looks, whatever the layer is."""
    layer = network.attention
    if isinstance(layer, StripTokens):
        return {"strips": strip_map(layer.weights(look.before), look.before.shape[1])}
    found = layer.spatial_maps(look.before)
    if found is None:
        return {}
    return {"attention gate": found[:, 0]} if isinstance(layer, CBAM) else _heads(found)


def _between_cells(weights: Tensor, images: DeviceImages, some: Tensor) -> dict[str, Tensor]:
    tops, lefts = images.tops[some].cpu().numpy(), images.lefts[some].cpu().numpy()
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
    maps = _heads(weights.mean(dim=2)) | {
        "from patch": torch.einsum("bqk,bq->bk", mean, inside / area),
        "to patch": torch.einsum("bqk,bk->bq", mean, inside),
        "from afar": torch.einsum("bqk,bq->bk", mean, afar),
    }
    side = round(weights.shape[-1] ** 0.5)
    return {name: x.reshape(-1, side, side) for name, x in maps.items()}


def _heads(received: Tensor) -> dict[str, Tensor]:
    """Name what each head gives, [B, h, ...], and their mean."""
    heads = {f"attention head {i + 1}": received[:, i] for i in range(received.shape[1])}
    return heads | {"attention mean": received.mean(dim=1)}
