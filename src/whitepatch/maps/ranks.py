"""Two measures that are made of ranks; equals share the mean of their ranks."""

__all__ = ["rank_correlation", "roc_auc"]

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def roc_auc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive scores above a negative, a tie counting half.

    Args:
        scores: [N].
        positive: [N]; NaN where all are, or none.
    """
    num_positive = int(positive.sum())
    pairs = num_positive * (len(positive) - num_positive)
    wins = rankdata(scores)[positive].sum() - num_positive * (num_positive + 1) / 2
    return float(wins / pairs) if pairs else np.nan


def rank_correlation(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return Spearman's correlation of maps, image by image, [N]; 0 where one is constant.

    Args:
        first: [N, H, W].
        second: The same.
    """
    ranks = [rankdata(x.reshape(len(x), -1), axis=1) for x in (first, second)]
    one, other = (x - x.mean(axis=1, keepdims=True) for x in ranks)
    length = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return (one * other).sum(axis=1) / np.where(length == 0, np.inf, length)
