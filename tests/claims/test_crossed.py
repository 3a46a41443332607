import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from whitepatch.claims import crossed as module
from whitepatch.claims.crossed import Crossed, Images, crossed, weights

GENERATOR = np.random.default_rng(3)


def images(num_seeds=5, num_scenes=7, each=4):
    """Return seed and scene of images, every pair as often."""
    seeds, scenes = np.meshgrid(np.arange(num_seeds), np.arange(num_scenes), indexing="ij")
    return Images(seeds.ravel().repeat(each), scenes.ravel().repeat(each))


def test_a_mean_keeps_its_value_and_has_the_same_interval_every_time():
    values, tested = GENERATOR.normal(size=140), images()
    one, other = (crossed(values, tested, "a test") for _ in range(2))
    assert one.value == pytest.approx(values.mean())
    assert (one.low, one.high) == (other.low, other.high)
    assert one.low < one.value < one.high
    assert (one.num_seeds, one.num_scenes) == (5, 7)
    assert crossed(values, tested, "another").low != one.low


def test_resamples_are_means_in_which_an_image_counts_seed_times_scene():
    values, tested = GENERATOR.normal(size=140), images()
    of_seeds, of_scenes = weights(5, 7, "by hand", 40)
    by_hand = [
        np.average(values, weights=one[tested.seeds] * other[tested.scenes])
        for one, other in zip(of_seeds, of_scenes, strict=True)
    ]
    all_of_them = crossed(values, tested, "by hand").resamples
    assert len(all_of_them) == 9999
    full = weights(5, 7, "by hand")
    at_first = np.average(values, weights=full[0][0][tested.seeds] * full[1][0][tested.scenes])
    assert np.isclose(all_of_them, at_first).any()
    assert np.std(by_hand) == pytest.approx(all_of_them.std(), rel=0.5)


@pytest.mark.parametrize("unit", ["seeds", "scenes"])
def test_what_differs_by_seeds_or_scenes_is_as_uncertain_as_their_mean(unit):
    """A number that a seed, or a scene, decides alone: the bootstrap of a mean of so few."""
    tested = images(num_seeds=6, num_scenes=8, each=10)
    of = getattr(tested, unit)
    effects = GENERATOR.normal(size=of.max() + 1)
    found = crossed(effects[of], tested, "effects")
    assert found.resamples.std() == pytest.approx(effects.std() / len(effects) ** 0.5, rel=0.05)


def test_where_nothing_varies_the_interval_has_no_width():
    found = crossed(np.ones(140), images(), "x")
    assert (found.low, found.value, found.high) == (1, 1, 1)
    assert found.p_value(0.5) == pytest.approx(2 / 10_000)


@given(st.floats(-3, 3))
def test_p_is_at_most_five_percent_exactly_where_the_interval_leaves_the_level_out(level):
    found = Crossed(0.0, np.sort(np.random.default_rng(1).normal(size=9999)), 5, 7)
    assert (found.p_value(level) <= 0.05) == (not found.low <= level <= found.high)


def test_resamples_without_a_number_speak_against_any_side():
    found = Crossed(1.0, np.concatenate([np.ones(900), np.full(99, np.nan)]), 5, 7)
    assert found.p_value(0) == pytest.approx(0.2)


def test_a_draw_in_which_seeds_and_scenes_never_met_is_left_out():
    tested = Images(np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "d"]))
    found = crossed(np.arange(4.0), tested, "folds")
    assert len(found.resamples) < 9999
    assert np.isfinite(found.resamples).all()


@pytest.mark.parametrize("block", [7, 9998, 20_000])
def test_resamples_are_the_same_however_many_are_drawn_at_a_time(block, monkeypatch):
    values, tested = GENERATOR.normal(size=140), images()
    expected = crossed(values, tested, "blocks").resamples
    monkeypatch.setattr(module, "BLOCK", block)
    found = crossed(values, tested, "blocks").resamples
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    assert len(found) == 9999


def test_images_that_are_scenes_of_their_own_take_little_memory():
    tested = Images(np.arange(3).repeat(2000), np.tile(np.arange(2000), 3))
    tracemalloc.start()
    found = crossed(np.tile(np.arange(2000.0), 3), tested, "rows")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    assert found.num_scenes == 2000
    # the mean of 2000 images, all of whose seeds agree
    expected = np.arange(2000).std() / 2000**0.5
    assert found.resamples.std() == pytest.approx(expected, rel=0.05)


def test_of_a_single_scene_seeds_alone_are_drawn():
    seeds = np.array([0.0, 0.0, 0.0, 4.0])
    found = crossed(seeds, Images(np.arange(4), np.zeros(4)), "seeds")
    # each of four draws is the last seed once in four
    np.testing.assert_array_equal(np.unique(found.resamples), [0, 1, 2, 3, 4])
    assert (found.resamples == 0).mean() == pytest.approx(0.75**4, abs=0.02)


def test_what_is_called_detectable_is_found_in_eight_cases_of_ten():
    generator = np.random.default_rng(5)
    found = Crossed(0.0, np.sort(generator.normal(0, 3, 9999)), 5, 7)
    assert found.detectable == pytest.approx(3 * (1.959964 + 0.841621), rel=0.03)
    measured = generator.normal(found.detectable, 3, 9999)
    assert (2 * norm.sf(np.abs(measured) / 3) < 0.05).mean() == pytest.approx(0.8, abs=0.02)
