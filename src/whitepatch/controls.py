"""Maps that no network made, scored like all others."""

__all__ = ["controls"]

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from whitepatch.data.images import DeviceImages
from whitepatch.localization import coverage
from whitepatch.maps import CELLS


def controls(images: DeviceImages) -> dict[str, NDArray[np.floating]]:
    """Return the controls of some images, [M, H, W] by name.

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
