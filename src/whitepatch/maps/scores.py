"""Does a map point at the patch? Five scores with exact rules for ties.

A map of [H, W] cells is a picture of 96x96 pixels in which every pixel carries its cell's value
(nearest upsampling), so the truth of a cell is a number: the share of its pixels that the patch
covers. Scores are computed from cells and shares, which gives the pixels' score exactly.

Sources: pointing game: Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV
2016, https://arxiv.org/abs/1608.00507, with tolerance 0; relevance mass and rank: Arras, Osman and
Samek, "CLEVR-XAI", 2022, https://arxiv.org/abs/2003.07258; average precision: the area under the
precision-recall curve, as in information retrieval.
"""

__all__ = ["SCORES", "coverage", "far_corners", "score"]

import numpy as np
from numpy.typing import NDArray

from whitepatch.data.layout import SIDE

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

SCORES = {"auc": "pixel AUC", "ap": "AP", "pointing": "pointing", "mass": "mass", "rank": "rank"}
"""What tables call ROC-AUC, average precision, pointing game, relevance mass and relevance rank, by
their keys; each is 0 to 1."""


def coverage(tops: NDArray[np.int64], lefts: NDArray[np.int64], size: int, cells: int) -> Floats:
    """Return the share of each cell that the patch covers, [N, cells, cells], 0 to 1.

    Args:
        tops: [N], first row of the patch, pixels.
        lefts: [N], first column of the patch, pixels.
        size: Height and width of the patch, pixels.
        cells: Cells along a side of the map; must divide 96.
    """
    step = SIDE // cells
    first = np.arange(cells) * step

    def along(starts: NDArray[np.int64]) -> Floats:
        overlap = np.minimum(first + step, starts[:, None] + size) - np.maximum(
            first, starts[:, None]
        )
        return np.clip(overlap, 0, None) / step

    return along(tops)[:, :, None] * along(lefts)[:, None, :]


def far_corners(
    tops: NDArray[np.int64], lefts: NDArray[np.int64], size: int, cells: int
) -> NDArray[np.int64]:
    """Return row and column of the corner cell that is furthest from each patch, [N, 2].

    Args:
        tops: [N], first row of the patch, pixels.
        lefts: [N], first column of the patch, pixels.
        size: Height and width of the patch, pixels.
        cells: Cells along a side of the map.
    """
    middle = np.stack([tops, lefts], axis=1) + size / 2
    return np.where(middle < SIDE / 2, cells - 1, 0)


def score(maps: NDArray[np.floating], shares: Floats) -> dict[str, Floats]:
    """Score maps against the planted truth.

    - `auc`: probability that a pixel of the patch has a higher value than one outside it, a tie
      counting half. Uses the signed map: below 0.5 it avoids the patch.
    - `pointing`: probability that the highest pixel lies in the patch, a random one of equals.
      Uses the signed map.
    - `ap`: share of patch among the pixels with at least a pixel's value, averaged over the pixels
      of the patch. Uses the signed map; chance is the patch's share of the picture.
    - `mass`: share of the map's positive sum that lies in the patch.
    - `rank`: share of the patch's area found among as many of the highest positive pixels,
      a random choice of equals.

    `mass` and `rank` use max(map, 0); a map without a positive value scores chance in both.

    Args:
        maps: [N, H, W], finite.
        shares: [N, H, W], from `coverage`; every row neither all 0 nor all 1.

    Returns:
        [N] for each of `SCORES`.

    Raises:
        ValueError: A value is not finite.
    """
    if not np.isfinite(maps).all():
        raise ValueError("a map must be finite")
    values = maps.reshape(len(maps), -1).astype(np.float64)
    inside = shares.reshape(len(shares), -1)
    positive = np.maximum(values, 0)
    # without a positive value all cells are alike
    positive[positive.max(axis=1) == 0] = 1
    return {
        "auc": _auc(values, inside),
        "ap": _average_precision(values, inside),
        "pointing": _pointing(values, inside),
        "mass": (positive * inside).sum(axis=1) / positive.sum(axis=1),
        "rank": _rank(positive, inside),
    }


def _pointing(values: Floats, inside: Floats) -> Floats:
    highest = values == values.max(axis=1, keepdims=True)
    return (inside * highest).sum(axis=1) / highest.sum(axis=1)


def _auc(values: Floats, inside: Floats) -> Floats:
    first, last, order = _ties(values)
    inside = np.take_along_axis(inside, order, axis=1)
    outside = _cumulative(1 - inside)
    lower = np.take_along_axis(outside, first, axis=1)
    not_higher = np.take_along_axis(outside, last + 1, axis=1)
    wins = (inside * (lower + not_higher) / 2).sum(axis=1)
    return wins / (inside.sum(axis=1) * outside[:, -1])


def _average_precision(values: Floats, inside: Floats) -> Floats:
    _, last, order = _ties(-values)
    ordered = np.take_along_axis(inside, order, axis=1)
    found = np.take_along_axis(_cumulative(ordered), last + 1, axis=1)
    return (ordered * found / (last + 1)).sum(axis=1) / inside.sum(axis=1)


def _rank(values: Floats, inside: Floats) -> Floats:
    first, last, order = _ties(-values)
    found = _cumulative(np.take_along_axis(inside, order, axis=1))
    area = inside.sum(axis=1)
    # the last cell taken is cell ceil(area) in order; of its equals, a random part is taken
    edge = np.ceil(area).astype(int)[:, None] - 1
    start = np.take_along_axis(first, edge, axis=1)
    stop = np.take_along_axis(last, edge, axis=1) + 1
    sure = np.take_along_axis(found, start, axis=1)
    equal = np.take_along_axis(found, stop, axis=1) - sure
    part = (area[:, None] - start) / (stop - start)
    return ((sure + part * equal) / area[:, None])[:, 0]


def _ties(values: NDArray[np.floating]) -> tuple[Places, Places, Places]:
    """Sort each row upwards; say for each place where its equals begin and end.

    Args:
        values: [N, cells].

    Returns:
        first, last, order: each [N, cells].
    """
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    place = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    new = np.ones(values.shape, bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones(values.shape, bool)
    ends[:, :-1] = new[:, 1:]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    beyond = values.shape[1] - 1
    last = np.minimum.accumulate(np.where(ends, place, beyond)[:, ::-1], axis=1)[:, ::-1]
    return first, last, order


def _cumulative(values: Floats) -> Floats:
    """Return sums of the first 0, 1, ... all values of each row, [N, cells + 1]."""
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
