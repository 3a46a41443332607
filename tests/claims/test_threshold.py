import numpy as np
import pytest
from scipy.stats import norm

from whitepatch.claims.threshold import curve, slope, threshold

CONTRASTS = np.array([1, 0.5, 0.25, 0.125, 0.0625, 0.03125])


def test_a_curve_starts_at_chance_ends_at_its_lapse_and_is_a_normal_between():
    assert curve([1e-9], -1.0, 0.5, 0.02) == pytest.approx(0.5)
    assert curve([1e9], -1.0, 0.5, 0.02) == pytest.approx(0.98)
    assert curve([np.exp(-0.5)], -1.0, 0.5, 0.0) == pytest.approx(0.5 + 0.5 * norm.cdf(1))


@pytest.mark.parametrize("middle", [0.4, 0.2, 0.1])
@pytest.mark.parametrize("lapse", [0.0, 0.03])
def test_the_threshold_of_a_planted_curve_is_found(middle, lapse):
    areas = curve(CONTRASTS, np.log(middle), 0.6, lapse)
    at = threshold(CONTRASTS, areas)
    assert curve([at], np.log(middle), 0.6, lapse) == pytest.approx(0.75, abs=0.002)


def test_what_lies_beyond_the_contrasts_is_not_guessed():
    assert threshold(CONTRASTS, np.full(6, 0.5)) == np.inf
    assert threshold(CONTRASTS, np.full(6, 0.99)) == 0


def test_a_response_that_adds_up_has_riccos_slope_and_one_of_a_single_place_none():
    sizes = np.array([4, 8, 16, 32])
    assert slope(sizes, 2.0 / sizes**2) == pytest.approx(-1)
    assert slope(sizes, np.full(4, 0.2)) == pytest.approx(0)
    assert slope(sizes, [np.inf, *(2.0 / sizes[1:] ** 2)]) == pytest.approx(-1)
    assert np.isnan(slope(sizes, [np.inf, 0.0, 0.1, 0.2])), "two are no line"
