import math

import numpy as np
import pytest
from scipy import stats

from whitepatch.claims.statistics import holm, interval

SEEDS = np.array([0.31, 0.28, 0.35, 0.33, 0.29, 0.40, 0.27, 0.36, 0.30, 0.34])


def test_an_interval_holds_the_mean_and_is_near_the_t_interval_of_well_behaved_seeds():
    found = interval(SEEDS, "a test")
    assert found.mean == pytest.approx(SEEDS.mean())
    low, high = stats.t.interval(0.95, 9, SEEDS.mean(), stats.sem(SEEDS))
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)
    assert found.num_seeds == 10


def test_an_interval_is_the_same_every_time_and_named_by_its_purpose():
    assert interval(SEEDS, "one") == interval(SEEDS, "one")
    assert interval(SEEDS, "one") != interval(SEEDS, "other")


def test_equal_seeds_have_an_interval_of_no_width_and_few_have_none():
    assert (interval([2.0] * 6, "x").low, interval([2.0] * 6, "x").high) == (2, 2)
    for few in ([2.0], [1.0, 2.0, 2.5, 2.5, 2.0]):
        found = interval(few, "x")
        assert (found.mean, found.num_seeds) == (2, len(few))
        assert math.isnan(found.low)
        assert math.isnan(found.high)


@pytest.mark.parametrize("scale", [-1e-6, 1.0, 1e6])
def test_seeds_that_differ_by_rounding_are_equal_at_every_scale(scale):
    equal = interval(np.array([1, 1 + 1e-13, 1] * 2) * scale, "x")
    assert equal.low == equal.mean == equal.high == pytest.approx(scale)
    assert equal.num_seeds == 6
    apart = interval(np.array([1, 1 + 1e-10, 1] * 2) * scale, "x")
    assert apart.low < apart.mean < apart.high


def test_holm_by_hand():
    # sorted .01 .02 .03 .04: times 4, 3, 2, 1; never smaller than the one before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []


def test_of_ten_seeds_an_interval_holds_the_true_mean_in_about_nine_cases_of_ten():
    """As docs/claims.md and the page say; with many seeds it would be nineteen of twenty."""
    samples = np.random.default_rng(2).normal(size=(400, 10))
    found = [interval(seeds, f"sample {i}") for i, seeds in enumerate(samples)]
    held = np.mean([it.low < 0 < it.high for it in found])
    assert 0.86 < held < 0.945
