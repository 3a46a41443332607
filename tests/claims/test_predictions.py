"""Planted networks, and the verdicts that arithmetic demands of them."""

from collections import Counter

import numpy as np
import pytest
from helpers.networks import additive, constant, right, swept
from numpy.testing import assert_array_equal
from scipy.stats import norm

from whitepatch.claims import hypotheses
from whitepatch.claims.crossed import Crossed
from whitepatch.claims.predictions import CEILING, PREDICTIONS, Quantity
from whitepatch.claims.swept import CONTRAST, PATCHED, SIZE, measured
from whitepatch.claims.threshold import curve


def at(value, width=0.01):
    """Return a number with resamples evenly about it."""
    return Crossed(value, value + np.linspace(-width, width, 9999), 5, 8)


def judge(find):
    return hypotheses.judge(PREDICTIONS, find)


def outcomes(sweeps):
    return {it.hypothesis.text: it.outcome for it in judge(measured(sweeps))}


def test_predictions_are_all_different_and_ask_of_sweeps_that_are_there(everything):
    assert len({it.text for it in PREDICTIONS}) == len(PREDICTIONS) == 24
    for statement in (one for it in PREDICTIONS for one in it.statements):
        sweep = everything.sweeps[statement.quantity.sweep]
        assert {statement.quantity.variant, statement.quantity.minus} - {None} <= {*sweep.variants}
        for key, value in statement.quantity.levels:
            assert value in {level[key] for levels in sweep.axes.values() for level in levels}


def test_without_a_sweep_nothing_is_decided_and_all_count_in_the_correction():
    assert {it.outcome for it in judge(lambda _: None)} == {"not run"}
    only = Quantity("compare", "cnn")
    one = next(it for it in judge(lambda it: at(0.6) if it == only else None) if it.numbers)
    assert (one.outcome, one.p) == ("holds", pytest.approx(24 * 2 / 10_000))


def test_a_prediction_of_two_statements_needs_both_and_one_refutes_it():
    def of_size(value):
        cnn = Quantity("size", "cnn", levels=(("patch.size", 4.0),))
        (found,) = (it for it in judge(lambda it: value if it == cnn else None) if it.numbers)
        return found.outcome

    assert of_size(at(0.5)) == "holds"
    assert of_size(at(0.6)) == of_size(at(0.4)) == "fails"
    assert of_size(at(0.54, width=0.04)) == of_size(at(0.56, width=0.04)) == "open"


def test_a_comparing_an_additive_and_a_constant_network():
    networks = {"cnn": additive, "cnn_max": right(0.95), "cnn_hidden": constant}
    networks |= dict.fromkeys(
        ("mha_uniform", "mha_linear_tokens", "mha_conv1d", "cbam", "cbam_spatial"), right(0.75)
    )
    sweep = swept("compare", networks)
    accuracy = sweep.right("cnn", {}).mean(axis=1)
    assert (accuracy <= CEILING).all(), "a sum over places cannot"
    said = outcomes({"compare": sweep})
    assert said["{cnn}, a sum over places, stays below the ceiling of such sums."] == "holds"
    above = "{%s} compares two places: it is above the ceiling of sums over places."
    assert said[above % "cnn_max"] == "holds"
    assert said[above % "cnn_hidden"] == "fails"
    assert said[above % "cbam"] == "open"
    assert Counter(said.values())["not run"] == 24 - 8


def test_what_selects_and_what_averages():
    small = [{"patch.size": 4.0}, {"patch.size": 16.0}]
    networks = {
        "cnn": constant,
        "mha_uniform": right(0.5),
        "cnn_max": right(0.97),
        "cbam": right(0.97),
        "mha_conv1d": right(0.8),
        "mha_linear_tokens": right(0.5),
    }
    said = outcomes({"size": swept("size", networks, small)})
    assert said["{cnn} stays at chance on patches of 4×4 pixels."] == "holds"
    notices = "{%s} notices them more often than {cnn} and {mha_uniform}."
    for name, outcome in {"cnn_max": "holds", "cbam": "holds", "mha_linear_tokens": "open"}.items():
        assert said[notices % name] == outcome, name
    better = "{%s} is not better at this than {cnn_max} by 0.05 of accuracy."
    assert said[better % "mha_conv1d"] == "holds"


def test_differences_are_those_of_the_same_images():
    sweep = swept("size", {"a": right(0.7), "b": right(0.7)})
    assert_array_equal(sweep.right("a", {}), sweep.right("b", {}))
    nothing = sweep.accuracy("a", "b")
    assert (nothing.low, nothing.value, nothing.high) == (0, 0, 0)
    assert sweep.accuracy("a").value == pytest.approx(sweep.right("a", {}).mean())


def seeing(power, scale):
    """Return a network whose area under the ROC is 0.75 at a contrast of scale / side ** power."""

    def network(level, labels, generator):
        noise = generator.normal(size=len(labels))
        if not level[PATCHED]:
            return noise
        middle = np.log(scale / level[SIZE] ** power)
        area = curve([level[CONTRAST]], middle, 0.8, 0.0)[0]
        # two normals of one width have the area of their distance over the root of two
        return generator.normal(size=len(labels)) + 2**0.5 * norm.ppf(min(area, 0.999))

    return network


def test_a_network_that_adds_up_has_the_steeper_slope(monkeypatch):
    monkeypatch.setattr("whitepatch.claims.swept.REFITS", 99)
    levels = [{PATCHED: 0, SIZE: 4, CONTRAST: 1.0}]
    levels += [{PATCHED: 1, SIZE: s, CONTRAST: 2.0**-c} for s in (4, 8, 16, 32) for c in range(9)]
    sweep = swept("threshold", {"cnn": seeing(2, 12), "cbam": seeing(0.5, 0.6)}, levels)
    steep, flat = (sweep.slopes(name)[0] for name in ("cnn", "cbam"))
    assert steep == pytest.approx(-1, abs=0.3)
    assert flat == pytest.approx(-0.25, abs=0.15)
    found = measured({"threshold": sweep})(Quantity("threshold", "cnn", "cbam", "slope"))
    assert found.value == pytest.approx(steep - flat)
    assert found.high < 0
