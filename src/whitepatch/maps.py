"""Every map of a network, by name, and the maps that no network made."""

__all__ = ["CELLS", "Maps", "controls", "maps_of", "strip_map"]

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from whitepatch.data.images import DeviceImages
from whitepatch.localization import coverage
from whitepatch.models.classifier import Classifier
from whitepatch.models.layers.image import PixelTokens, StripTokens

DRAWN = 3
"""Channels of the features that the article draws: its numbers 1 to 3, our indices 0 to 2."""

CELLS = 24
"""Cells along a side of the variants' maps."""

AT_A_TIME = 20
"""Images; the attention weights of one take 5 MB."""

Maps = dict[str, NDArray[np.float32]]
"""[M, H, W] by name."""


def maps_of(network: Classifier, images: DeviceImages) -> Maps:
    """Return every map of a network on some images, by name.

    - `evidence`: what each cell adds to the decision.
    - `attention head N`, `attention mean`: the attention that a cell receives, a mean over queries.
    - `attention gate`: CBAM's spatial gate.
    - `from patch`: where the patch's own cells attend to, mean of heads; zero on clean images.
    - `to patch`: how much of its attention each cell gives to the patch, mean of heads; the same.
    - `strips`: for the article's mixed axes, see `strip_map`.
    - `output N`, `input N`: channels of the features behind and before the layer, as the article
      draws them.
    """
    network.eval()
    found: list[Maps] = []
    with torch.inference_mode():
        for some in images.first(len(images)).split(AT_A_TIME):
            maps = _named(network, images, some)
            found.append({name: x.float().cpu().numpy() for name, x in maps.items()})
    return {name: np.concatenate([maps[name] for maps in found]) for name in found[0]}


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


def controls(images: DeviceImages) -> dict[str, NDArray[np.floating]]:
    """Return maps that no network made, [M, H, W] by name.

    `brightness` of the picture; `edges`, the length of its Sobel gradient; `blob`, a bell over the
    middle, half as high a quarter of the side away; `uniform`, which says nothing and scores
    chance; `perfect`, the truth on the variants' own grid of 24x24 cells, which scores the ceiling
    (on clean images it is zero).
    """
    brightness = images.batch(images.first(len(images)))[0].mean(dim=1).cpu().numpy()
    edges = np.hypot(ndimage.sobel(brightness, axis=1), ndimage.sobel(brightness, axis=2))
    tops, lefts = (x.cpu().numpy() for x in (images.tops, images.lefts))
    perfect = coverage(tops, lefts, images.patch.size, CELLS) * (tops >= 0)[:, None, None]
    away = np.arange(CELLS) + 0.5 - CELLS / 2
    bell = 0.5 ** ((away[:, None] ** 2 + away**2) / (CELLS / 4) ** 2)
    return {
        "brightness": brightness,
        "edges": edges,
        "blob": np.broadcast_to(bell, perfect.shape),
        "uniform": np.ones_like(perfect),
        "perfect": perfect,
    }


def _named(network: Classifier, images: DeviceImages, some: Tensor) -> dict[str, Tensor]:
    look = network.look(images.batch(some)[0])
    maps = {"evidence": look.evidence}
    layer = network.attention
    if isinstance(layer, PixelTokens):
        maps |= _attention(layer.weights(look.before), _shares(images, some))
    elif isinstance(layer, StripTokens):
        maps["strips"] = strip_map(layer.weights(look.before), look.before.shape[1])
    elif look.attention is not None and look.attention.shape[1] == 1:
        maps["attention gate"] = look.attention[:, 0]
    elif look.attention is not None:
        maps |= _heads(look.attention)
    for channel in range(DRAWN):
        maps[f"output {channel + 1}"] = look.after[:, channel]
        maps[f"input {channel + 1}"] = look.before[:, channel]
    return maps


def _attention(weights: Tensor, shares: Tensor) -> dict[str, Tensor]:
    side = round(weights.shape[-1] ** 0.5)
    inside = shares.flatten(1)
    area = inside.sum(dim=1, keepdim=True).clamp(
        min=1e-9
    )  # clean images: nothing over nothing is nothing
    mean = weights.mean(dim=1)
    maps = _heads(weights.mean(dim=2)) | {
        "from patch": torch.einsum("bqk,bq->bk", mean, inside / area),
        "to patch": torch.einsum("bqk,bk->bq", mean, inside),
    }
    return {name: x.unflatten(1, (side, side)) for name, x in maps.items()}


def _heads(received: Tensor) -> dict[str, Tensor]:
    """Name what each head gives, [B, h, ...], and their mean."""
    heads = {f"attention head {i + 1}": received[:, i] for i in range(received.shape[1])}
    return heads | {"attention mean": received.mean(dim=1)}


def _shares(images: DeviceImages, some: Tensor) -> Tensor:
    """Return the patched share of each cell, [B, 24, 24]; zero on clean images."""
    tops, lefts = images.tops[some].cpu().numpy(), images.lefts[some].cpu().numpy()
    shares = coverage(tops, lefts, images.patch.size, CELLS) * (tops >= 0)[:, None, None]
    return torch.as_tensor(shares, dtype=torch.float32).to(images.labels.device)
