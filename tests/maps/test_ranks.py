import numpy as np
import pytest
from scipy import stats

from whitepatch.maps.ranks import rank_correlation, roc_auc


def test_roc_auc_by_hand():
    positive = np.array([True, False, True, False])
    # pairs of a positive and a negative: 2 > -1, 2 > 0.5, 0.5 > -1, and one draw
    assert roc_auc(np.array([2.0, -1.0, 0.5, 0.5]), positive) == pytest.approx(3.5 / 4)
    assert roc_auc(np.ones(4), positive) == 0.5


def test_rank_correlation_is_spearmans():
    generator = np.random.default_rng(0)
    first = generator.normal(size=(4, 5, 5)).round(1)
    second = (first + generator.normal(size=first.shape)).round(1)
    expected = [
        stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(rank_correlation(first, second), expected)
    assert rank_correlation(first, np.ones_like(first)).tolist() == [0] * 4
