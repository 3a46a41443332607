import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from whitepatch.claims import statistics
from whitepatch.claims.statistics import Interval, difference, holm, interval
from whitepatch.seeding import numpy_generator

SEEDS = np.array([0.31, 0.28, 0.35, 0.33, 0.29, 0.40, 0.27, 0.36, 0.30, 0.34])
values = arrays(float, 8, elements=st.floats(-10, 10).map(lambda x: round(x, 3)))


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
        assert not found.above(0), "it proves nothing"
        assert not found.below(9)


@pytest.mark.parametrize("scale", [-1e-6, 1.0, 1e6])
def test_seeds_that_differ_by_rounding_are_equal_at_every_scale(scale):
    equal = interval(np.array([1, 1 + 1e-13, 1] * 2) * scale, "x")
    assert equal.low == equal.mean == equal.high == pytest.approx(scale)
    assert (equal.num_seeds, equal.detectable) == (6, 0)
    apart = interval(np.array([1, 1 + 1e-10, 1] * 2) * scale, "x")
    assert apart.low < apart.mean < apart.high
    assert apart.detectable > 0


def test_an_interval_that_touches_a_level_is_on_neither_side_of_it():
    touching = Interval(mean=2.0, low=1.0, high=3.0, num_seeds=5, detectable=1.0)
    assert touching.above(0.9)
    assert not touching.above(1.0)
    assert touching.below(3.1)
    assert not touching.below(3.0)


def test_every_draw_has_a_generator_of_its_own_named_by_purpose(monkeypatch):
    asked = []

    def generator(*name):
        asked.append(name)
        return numpy_generator(*name)

    monkeypatch.setattr(statistics, "numpy_generator", generator)
    difference(SEEDS, np.zeros(10), "first and second")
    assert asked == [("bootstrap", "first and second"), ("sign flips", "first and second")]


def test_sign_flips_by_hand():
    # all 2^3 flips of (1, 2, 4): sums 7, 5, 3, 1 and their negatives; two are as far as 7
    found = difference([2.0, 4.0, 8.0], [1.0, 2.0, 4.0], "x")
    assert found.p_value == pytest.approx(2 / 8)
    assert found.smallest_p == 2 / 8
    # of (1, 2, -4), sum -1, none of the eight is nearer to zero
    assert difference([1.0, 2.0, 0.0], [0.0, 0.0, 4.0], "x").p_value == pytest.approx(1)


@pytest.mark.parametrize("num_seeds", [2, 3, 12, 13])
def test_of_few_seeds_every_flip_is_counted(num_seeds):
    # all above zero: only they as they are, and all turned, are as far from it
    found = difference(np.arange(1.0, num_seeds + 1), np.zeros(num_seeds), "x")
    assert found.p_value == found.smallest_p == 2 / 2**num_seeds


def test_of_many_seeds_9999_flips_are_drawn():
    # none of them is as far from zero; each side counts the seeds as they are
    found = difference(np.arange(1.0, 41), np.zeros(40), "x")
    assert found.p_value == found.smallest_p == 2 / 10000
    assert difference(np.arange(14.0), np.zeros(14), "x").smallest_p == 2 / 10000


def test_the_probability_counts_every_pair_and_half_of_ties():
    found = difference([1.0, 3.0], [1.0, 2.0], "x")
    # 1 against 1 and 2: half a win; 3: two wins
    assert found.probability == pytest.approx(2.5 / 4)


def test_the_detectable_difference_is_found_in_eight_of_ten_experiments():
    generator = np.random.default_rng(1)
    one, other = generator.normal(size=(2, 10))
    effect = difference(one, other, "x").interval.detectable
    spread = (one - other).std(ddof=1)
    samples = generator.normal(effect, spread, size=(4000, 10))
    found = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("num_seeds", range(2, 13))
def test_fewer_seeds_detect_less(num_seeds):
    found = difference(np.arange(num_seeds) % 2 * 1.0, np.zeros(num_seeds), "x")
    assert found.interval.detectable > 0
    assert math.isfinite(found.interval.detectable)


def test_one_seed_decides_nothing():
    found = difference([3.0], [1.0], "x")
    assert found.interval.mean == 2
    assert found.p_value == found.smallest_p == 1
    assert math.isnan(found.interval.detectable)


def test_equal_variants_differ_by_nothing():
    found = difference(SEEDS, SEEDS, "x")
    assert (found.interval.mean, found.p_value, found.interval.detectable) == (0, 1, 0)
    assert found.probability == pytest.approx(0.5)


@given(values, values)
def test_turning_a_difference_turns_its_sign(one, other):
    there, back = difference(one, other, "x"), difference(other, one, "x")
    assert there.interval.mean == pytest.approx(-back.interval.mean)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.probability == pytest.approx(1 - back.probability)
    assert there.interval.detectable == pytest.approx(back.interval.detectable)
    assert there.smallest_p <= there.p_value + 1e-12


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


def test_several_tests_detect_less():
    alone, one_of_nine = (
        difference(SEEDS, SEEDS[::-1], "x", alpha=alpha).interval for alpha in (0.05, 0.05 / 9)
    )
    assert one_of_nine.detectable > 1.3 * alone.detectable
