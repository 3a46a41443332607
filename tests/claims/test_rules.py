import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from whitepatch.claims.measured import Measured
from whitepatch.claims.rules import PAIRS, PRINTED, decide, pairs
from whitepatch.claims.statistics import ALPHA, POWER, difference

GENERATOR = np.random.default_rng(4)
VARIANTS = dict.fromkeys(name for pair in PAIRS for name in pair)
NOISE = {name: GENERATOR.normal(0, 0.01, 10) for name in VARIANTS}


def around(**levels):
    """Return ten seeds of each variant, around 1 unless a level says otherwise."""
    return {name: levels.get(name, 1.0) + noise for name, noise in NOISE.items()}


ALIKE = Measured(around(), around(), around(), around(), around(), around())


def verdicts(**changes):
    measured = replace(ALIKE, **changes)
    return {it.number: it.verdict for it in decide(measured, pairs(measured.error))}


CASES = {
    "1: clearly lower": (1, {"error": around(mha_linear=0.5)}, "confirmed"),
    "1: clearly higher": (1, {"error": around(mha_linear=1.5)}, "refuted"),
    "1: within a tenth": (1, {"error": around()}, "refuted"),
    "1: surely a little lower": (1, {"error": around(mha_linear=0.95)}, "confirmed"),
    "2: lower than untrained": (2, {"untrained": around(mha_linear=1.5)}, "confirmed"),
    "2: higher than untrained": (2, {"untrained": around(mha_linear=0.5)}, "refuted"),
    "3: far beyond": (3, {"excess": around(mha_linear=0.3)}, "confirmed"),
    "3: hardly beyond": (3, {"excess": around(mha_linear=0.02)}, "refuted"),
    "3: about a tenth": (3, {"excess": around(mha_linear=0.1)}, "not decidable"),
    "4: better and calmer": (
        4,
        {"error": around(mha_conv1d=0.5), "unrest": around(mha_conv1d=0.5)},
        "confirmed",
    ),
    "4: better, not calmer": (
        4,
        {"error": around(mha_conv1d=0.5), "unrest": around(mha_conv1d=1.5)},
        "refuted",
    ),
    "5: above both": (5, {"output": around(mha_conv1d=1.5)}, "confirmed"),
    "5: above the untrained only": (
        5,
        {"output": around(mha_conv1d=1.5), "input": around(mha_conv1d=1.6)},
        "refuted",
    ),
    "5: above the input by rounding": (
        5,
        {"output": around(mha_conv1d=1.0005), "untrained": around(mha_conv1d=0.5)},
        "refuted",
    ),
    "5: above the input only": (
        5,
        {"output": around(mha_conv1d=1.5), "untrained": around(mha_conv1d=1.6)},
        "not decidable",
    ),
    "6: lowest of all": (6, {"error": around(cbam=0.5)}, "confirmed"),
    "6: one is lower": (6, {"error": around(mha_conv1d=0.5)}, "refuted"),
    "6: all alike": (6, {}, "not decidable"),
    "7: above both": (7, {"output": around(cbam=1.5)}, "confirmed"),
    "7: below the input": (7, {"input": around(cbam=1.5)}, "refuted"),
    "8: calmer": (8, {"unrest": around(cbam=0.5)}, "confirmed"),
    "8: less calm": (8, {"unrest": around(cbam=1.5)}, "refuted"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule(case):
    number, changes, verdict = CASES[case]
    assert verdicts(**changes)[number] == verdict


def test_a_wide_interval_around_zero_decides_nothing():
    wide = {name: 1 + 40 * noise for name, noise in NOISE.items()}
    found = verdicts(error=wide, unrest=wide)
    assert found[1] == found[4] == found[6] == found[8] == "not decidable"


def test_few_seeds_decide_nothing_however_clear():
    clear = replace(ALIKE, error=around(mha_linear=0.5, cbam=0.1))
    few = Measured(*({name: x[:5] for name, x in it.items()} for it in vars(clear).values()))
    assert {it.verdict for it in decide(few, pairs(few.error))} == {"not decidable"}


def test_the_planned_pairs_are_nine_and_only_those_that_are_there_are_compared():
    assert len(PAIRS) == 9
    error = around()
    del error["cbam_spatial"], error["mha_linear_positions"]
    assert len(pairs(error)) == 7


def test_adjusted_p_values_are_holms_of_all_pairs():
    found = pairs(around(mha_conv1d=0.5))
    clear = [pair for pair in found if "mha_conv1d" in (pair.first, pair.second)]
    assert [pair.lower for pair in clear] == ["mha_conv1d"] * 3
    assert all(pair.difference.p_value == pytest.approx(2 / 1024) for pair in clear)
    # the first three of nine, all equal
    assert all(pair.adjusted_p == pytest.approx(9 * 2 / 1024) for pair in clear)
    assert all(pair.lower is None for pair in found if pair not in clear)


def test_every_claim_has_numbers_and_a_figure():
    for claim in decide(ALIKE, pairs(ALIKE.error)):
        assert claim.numbers
        assert claim.figure
        assert claim.text.endswith(".")


def test_the_docs_have_the_same_claims_and_rules(root):
    page = (root / "docs/claims.md").read_text(encoding="utf-8")
    for claim in decide(ALIKE, pairs(ALIKE.error)):
        assert f"| {claim.number}. {claim.text} | {' | '.join(claim.rule)} |" in page


def test_what_the_docs_say_of_the_verdicts_is_what_the_seeds_say(root):
    """The numbers of docs/claims.md that no page has, from docs/first-edition."""
    losses, measured = {}, {}
    for variant in ("cnn", "mha_linear", "mha_conv1d", "cbam"):
        path = root / f"docs/first-edition/metrics/{variant}.json"
        seeds = json.loads(path.read_text(encoding="utf-8"))["seeds"].values()
        names = ("loss", "accuracy", "auc")
        measured[variant] = {name: [one["test"][name] for one in seeds] for name in names}
        measured[variant]["smallest"] = [one["min_test_loss"] for one in seeds]
        history = pd.read_csv(root / f"docs/first-edition/history/{variant}.csv")
        losses[variant] = history.pivot_table("test_loss", "epoch", "seed").to_numpy()
        measured[variant]["last"] = losses[variant][-1].tolist()

    def p(first, second, measure):
        found = difference(measured[first][measure], measured[second][measure], "docs")
        return f"p {found.p_value:.3f}"

    page = " ".join((root / "docs/claims.md").read_text(encoding="utf-8").split())
    gain = np.mean(measured["mha_conv1d"]["accuracy"]) - np.mean(measured["cnn"]["accuracy"])
    assert f"({gain:+.3f}, {p('mha_conv1d', 'cnn', 'accuracy')})" in page
    for measure, words in {
        "loss": "the loss at the chosen epoch",
        "last": "the loss of the last epoch",
        "accuracy": "accuracy",
        "auc": "AUC",
    }.items():
        assert f"{words} ({p('mha_conv1d', 'cbam', measure)})" in page
    spread = np.std(np.subtract(*(measured[v]["smallest"] for v in PRINTED[:2])), ddof=1)
    assert f"standard deviation of the differences: {spread:.3f}" in page
    published = pd.read_csv(root / "data/published.csv").set_index("variant")["min_test_loss"]
    share = 1 - published["mha_linear"] / published["cnn"]
    assert f"{100 * share:.0f} % of the CNN's error" in page
    effect = share * np.mean(measured["cnn"]["smallest"]) / spread
    needed = TTestPower().solve_power(effect_size=effect, alpha=ALPHA, power=POWER)
    assert f"some {round(needed, -1):.0f} " in page
    for variant in ("cnn", "cbam"):
        before, after = losses[variant].mean(axis=1)[-2:]
        assert f"from {before:.2f} to {after:.2f}" in page
