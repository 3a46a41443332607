"""Ranks with exact rules for ties, and what is made of them."""

__all__ = ["cumulative", "midranks", "rank_correlation", "roc_auc", "ties"]

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def ties(values: NDArray[np.floating]) -> tuple[Places, Places, Places]:
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


def cumulative(values: Floats) -> Floats:
    """Return sums of the first 0, 1, ... all values of each row, [N, cells + 1]."""
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def midranks(values: NDArray[np.floating]) -> Floats:
    """Return each value's place in its row, from 1; equals share the mean of theirs, [N, cells]."""
    first, last, order = ties(values)
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks


def roc_auc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive scores above a negative, a tie counting half.

    Args:
        scores: [N].
        positive: [N], neither all nor none.
    """
    num_positive = int(positive.sum())
    wins = midranks(scores[None])[0, positive].sum() - num_positive * (num_positive + 1) / 2
    return float(wins / (num_positive * (len(positive) - num_positive)))


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    """Return Spearman's correlation of maps, image by image, [N]; 0 where one is constant.

    Args:
        first: [N, H, W].
        second: The same.
    """
    ranks = [midranks(x.reshape(len(x), -1)) for x in (first, second)]
    one, other = (x - x.mean(axis=1, keepdims=True) for x in ranks)
    length = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return (one * other).sum(axis=1) / np.where(length == 0, np.inf, length)
