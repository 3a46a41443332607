"""Maps that no network made, scored like all others."""

__all__ = ["controls"]

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from whitepatch.data.images import DeviceImages
from whitepatch.maps.extract import CELLS
from whitepatch.maps.scores import coverage
from whitepatch.models.layers.backbone import CHANNELS


def controls(images: DeviceImages) -> dict[str, NDArray[np.floating]]:
    """Return the controls of some images, [M, H, W] by name.

    `brightness` of the picture; `edges`, the length of its Sobel gradient; `blob`, a bell over the
    middle, half as high a quarter of the side away; `uniform`, which says nothing and scores
    chance; `perfect`, the truth on the variants' own grid of 24x24 cells, which scores the ceiling
    (on clean images it is zero); `perfect strips`, the same on the strips of `strip_map`.
    """
    brightness = images.batch(images.first(len(images)))[0].mean(dim=1).cpu().numpy()
    edges = np.stack([_gradient(picture) for picture in brightness])
    tops, lefts = (x[:, 0].cpu().numpy() for x in (images.tops, images.lefts))
    perfect = coverage(tops, lefts, images.patch.size, CELLS) * (tops >= 0)[:, None, None]
    away = np.arange(CELLS) + 0.5 - CELLS / 2
    bell = 0.5 ** ((away[:, None] ** 2 + away**2) / (CELLS / 4) ** 2)
    return {
        "brightness": brightness,
        "edges": edges,
        "blob": np.broadcast_to(bell, perfect.shape),
        "uniform": np.ones_like(perfect),
        "perfect": perfect,
        "perfect strips": _in_strips(perfect),
    }


def _gradient(picture: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the length of the Sobel gradient of one picture, [H, W]."""
    return np.hypot(ndimage.sobel(picture, axis=0), ndimage.sobel(picture, axis=1))


def _in_strips(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return maps in which the cells of a strip share their mean, [M, 24, 24]."""
    strips = maps.reshape(len(maps), -1, CHANNELS).mean(axis=2)
    return strips.repeat(CHANNELS, axis=1).reshape(maps.shape)
