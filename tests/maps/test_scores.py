import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from whitepatch.maps.scores import SCORES, coverage, far_corners, score

AREA = 16 * 16 / 96**2


def at(top, left, cells=24):
    return coverage(np.array([top]), np.array([left]), 16, cells)


def pixels(top, left):
    mask = np.zeros((96, 96), bool)
    mask[top : top + 16, left : left + 16] = True
    return mask


def by_pixels(values, mask):
    """Score one picture of pixels by the definitions, pixel by pixel."""
    inside, outside = values[mask], values[~mask]
    auc = np.mean((inside[:, None] > outside) + 0.5 * (inside[:, None] == outside))
    highest = values == values.max()
    positive = np.maximum(values, 0)
    if positive.max() == 0:
        positive = np.ones_like(positive)
    number = mask.sum()
    threshold = np.sort(positive.ravel())[-number]
    sure, equal = positive > threshold, positive == threshold
    share = (number - sure.sum()) / equal.sum()
    return {
        "auc": auc,
        "ap": average_precision_score(mask.ravel(), values.ravel()),
        "pointing": mask[highest].mean(),
        "mass": positive[mask].sum() / positive.sum(),
        "rank": (mask[sure].sum() + share * mask[equal].sum()) / number,
    }


@pytest.mark.parametrize(("top", "left"), [(0, 0), (80, 80), (13, 50), (3, 77)])
def test_coverage_is_the_share_of_each_cells_pixels(top, left):
    expected = pixels(top, left).reshape(24, 4, 24, 4).mean((1, 3))
    assert (at(top, left)[0] == expected).all()
    assert (at(top, left, 96)[0] == pixels(top, left)).all()


@settings(max_examples=30, deadline=None)
@given(
    top=st.integers(0, 80),
    left=st.integers(0, 80),
    seed=st.integers(0, 1000),
    levels=st.integers(1, 9),
    shift=st.integers(-8, 2),
)
def test_scores_of_cells_are_the_scores_of_their_pixels(top, left, seed, levels, shift):
    generator = np.random.default_rng(seed)
    cells = (generator.integers(levels, size=(1, 24, 24)) + shift).astype(float)
    found = score(cells, at(top, left))
    expected = by_pixels(cells[0].repeat(4, 0).repeat(4, 1), pixels(top, left))
    for name in SCORES:
        assert found[name][0] == pytest.approx(expected[name], abs=1e-12), name


def test_a_map_equal_to_the_mask_scores_one_at_pixel_size():
    found = score(pixels(13, 50)[None].astype(float), at(13, 50, 96))
    assert all(found[name][0] == 1 for name in SCORES)


def test_its_inverse_avoids_the_patch():
    found = score(1 - pixels(13, 50)[None].astype(float), at(13, 50, 96))
    assert all(found[name][0] == 0 for name in SCORES if name != "ap")
    # the patch comes last: its pixels are found when all others are
    assert found["ap"][0] == pytest.approx(AREA)


@pytest.mark.parametrize("level", [0.0, 1.0, -3.0])
def test_a_uniform_map_scores_chance(level):
    found = score(np.full((1, 24, 24), level), at(13, 50))
    assert found["auc"][0] == 0.5
    for name in ("ap", "pointing", "mass", "rank"):
        assert found[name][0] == pytest.approx(AREA, abs=1e-12)


def test_a_map_without_a_positive_value_scores_chance_in_mass_and_rank_only():
    found = score(at(12, 48) - 1, at(12, 48))
    assert found["auc"][0] == found["pointing"][0] == 1
    assert found["mass"][0] == pytest.approx(AREA)
    assert found["rank"][0] == pytest.approx(AREA)


def test_a_single_spike():
    spike = np.zeros((2, 24, 24))
    spike[0, 5, 14], spike[1, 0, 0] = 1, 1
    shares = np.concatenate([at(20, 56), at(20, 56)])
    found = score(spike, shares)
    assert found["pointing"].tolist() == found["mass"].tolist() == [1, 0]
    # inside: the spike's cell, 1 of 16, beats all; the other 15 draw with everything
    assert found["auc"][0] == pytest.approx(1 / 16 + 15 / 16 / 2)
    # the spike, and 15 of the 575 zero cells, of which 15 lie inside
    assert found["rank"][0] == pytest.approx((1 + 15 * 15 / 575) / 16)


@pytest.mark.parametrize(
    ("inside", "share"),
    [
        ([1, 0, 0, 1, 0], 1 / 2),  # two cells are taken, one of them inside
        ([0, 0, 1, 1, 1], 1 / 3),  # three are taken
        ([0.5, 0, 1, 0, 0], 0.5 / 1.5),  # the first, and half of the second
        ([0.5, 1, 0, 0, 0], 1 / 1.5),
    ],
)
def test_rank_takes_as_many_of_the_highest_cells_as_the_patch_is_large(inside, share):
    found = score(np.array([[[5.0, 4, 3, 2, 1]]]), np.array([[inside]], float))
    assert found["rank"][0] == pytest.approx(share)


def test_the_perfect_map_of_24_cells_stays_below_one_where_the_patch_cuts_cells():
    aligned, cut = score(at(12, 48), at(12, 48)), score(at(13, 50), at(13, 50))
    assert aligned["mass"][0] == aligned["rank"][0] == 1
    assert 0.7 < cut["mass"][0] < 0.9
    assert cut["pointing"][0] == 1


def test_each_map_is_scored_by_itself():
    generator = np.random.default_rng(2)
    maps = generator.normal(size=(5, 24, 24))
    shares = np.concatenate([at(*place) for place in itertools.pairwise([3, 7, 31, 50, 64, 80])])
    together = score(maps, shares)
    for index in range(5):
        alone = score(maps[index : index + 1], shares[index : index + 1])
        assert all(together[name][index] == alone[name][0] for name in SCORES)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_refused(bad):
    maps = np.zeros((1, 24, 24))
    maps[0, 3, 3] = bad
    with pytest.raises(ValueError, match="finite"):
        score(maps, at(3, 3))


def test_the_far_corner_lies_opposite_the_patch():
    tops, lefts = np.array([0, 0, 80, 80, 39, 40]), np.array([0, 80, 0, 80, 41, 40])
    found = far_corners(tops, lefts, 16, 24).tolist()
    assert found == [[23, 23], [23, 0], [0, 23], [0, 0], [23, 0], [0, 0]]
