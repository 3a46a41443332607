"""The article's eight claims, each decided by a rule.

When the rules were written, and what was made sharper later, stands in docs/claims.md.
"""

__all__ = [
    "MARGIN",
    "PAIRS",
    "RULES",
    "Claim",
    "Verdict",
    "decide",
    "pairs",
]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from whitepatch.claims.measured import BySeed, Estimate, Measured, Pair
from whitepatch.claims.statistics import (
    ALPHA,
    LEAST_SEEDS,
    Difference,
    difference,
    holm,
    interval,
)

Verdict = Literal["confirmed", "refuted", "not decidable"]

MARGIN = 0.1
"""Part of the plain CNN's error within which claim 1 calls two variants alike; and by which a last
test loss must exceed the smallest for claim 3 to call it overfitting."""

EQUAL = 1e-3
"""Separations of output and input that differ by less are equal. A channel gate scales a channel by
one positive factor a picture, which moves no AUC but by rounding."""

PRINTED = ("cnn", "mha_linear", "mha_conv1d", "cbam")
PAIRS = (
    *combinations(PRINTED, 2),
    ("mha_linear", "mha_linear_tokens"),
    ("cbam", "cbam_spatial"),
    ("mha_linear_tokens", "mha_linear_positions"),
)
"""The planned comparisons of smallest test losses; Holm's correction counts all nine."""


RULES = {
    1: (
        "interval of cnn − mha_linear above 0",
        f"interval below 0, or wholly within ±{MARGIN:.0%} of cnn's mean",
    ),
    2: (
        "mean separation of the trained output no higher than that of the untrained one",
        "interval of trained − untrained above 0",
    ),
    3: (
        f"interval of last test loss / smallest − 1 above {MARGIN:.0%}",
        f"interval below {MARGIN:.0%}",
    ),
    4: (
        "intervals of mha_linear − mha_conv1d above 0, in the error and in the unrest",
        "either interval below 0",
    ),
    5: (
        f"interval of output − input above {EQUAL}, and of output − untrained above 0",
        f"mean of output − input below {EQUAL}",
    ),
    6: (
        f"cbam lower in every planned pair, Holm-adjusted p below {ALPHA}",
        "any variant significantly lower than cbam",
    ),
    7: ("as claim 5, for cbam", "as claim 5, for cbam"),
    8: ("interval of the unrest of cnn − cbam above 0", "interval below 0"),
}
"""What confirms each claim, and what refutes it; anything else is not decidable."""


@dataclass(frozen=True)
class Claim:
    """A claim of the article, and what our data say of it.

    Attributes:
        number: 1 to 8, as in docs/article.md.
        text: The claim.
        subject: The variant that it speaks of.
        verdict: By the rule.
        numbers: What decided, by name.
        figure: The figure that shows it.
    """

    number: int
    text: str
    subject: str
    verdict: Verdict
    numbers: Mapping[str, Estimate]
    figure: str

    @property
    def rule(self) -> tuple[str, str]:
        """What confirms the claim, and what refutes it."""
        return RULES[self.number]


def pairs(error: BySeed) -> list[Pair]:
    """Compare the smallest test losses of every planned pair whose variants are both there."""
    there = [(first, second) for first, second in PAIRS if first in error and second in error]
    found = [(*pair, _difference(error, *pair, alpha=ALPHA / len(there))) for pair in there]
    adjusted = holm([one.p_value for _, _, one in found])
    return [Pair(*one, p) for one, p in zip(found, adjusted, strict=True)]


def decide(measured: Measured, compared: Sequence[Pair]) -> list[Claim]:
    """Give each claim its verdict.

    Args:
        measured: Of at least the four printed variants.
        compared: From `pairs`.
    """
    claims = [
        _linear_improves(measured),
        _linear_maps_miss(measured),
        _linear_overfits(measured),
        _conv1d_better_and_calmer(measured),
        _output_shows(
            5, "The Conv1d version's layer output highlights the patch.", "mha_conv1d", measured
        ),
        _cbam_best(compared),
        _output_shows(7, "CBAM's map shows the patch clearly.", "cbam", measured),
        _cbam_calm(measured),
    ]
    return [_with_enough_seeds(claim) for claim in claims]


def _with_enough_seeds(claim: Claim) -> Claim:
    least = min(number.interval.num_seeds for number in claim.numbers.values())
    if least >= LEAST_SEEDS:
        return claim
    return replace(claim, verdict="not decidable")


def _difference(measure: BySeed, first: str, second: str, alpha: float = ALPHA) -> Difference:
    return difference(measure[first], measure[second], f"{first} - {second}", alpha=alpha)


def _between(measured: Measured, measure: str, first: str, second: str) -> Estimate:
    """Return the difference of two variants in one measure."""
    value = _difference(getattr(measured, measure), first, second)
    return Estimate(value, ((measure, first), (measure, second)))


def _within(measured: Measured, variant: str, first: str, second: str, purpose: str) -> Estimate:
    """Return the difference of two measures of one variant."""
    one, other = (getattr(measured, measure)[variant] for measure in (first, second))
    return Estimate(difference(one, other, purpose), ((first, variant), (second, variant)))


def _linear_improves(measured: Measured) -> Claim:
    gain = _between(measured, "error", "cnn", "mha_linear")
    margin = MARGIN * measured.error["cnn"].mean()
    alike = gain.interval.above(-margin) and gain.interval.below(margin)
    improves = gain.interval.above(0)
    return Claim(
        1,
        "Linear multi-head attention improves on the plain CNN.",
        "mha_linear",
        _verdict(improves, gain.interval.below(0) or (alike and not improves)),
        {"error: cnn - mha_linear": gain},
        "errors",
    )


def _linear_maps_miss(measured: Measured) -> Claim:
    gain = _within(measured, "mha_linear", "output", "untrained", "claim 2")
    return Claim(
        2,
        "Linear multi-head attention's maps do not highlight the patch.",
        "mha_linear",
        _verdict(gain.interval.mean <= 0, gain.interval.above(0)),
        {"separation: trained - untrained": gain},
        "article",
    )


def _linear_overfits(measured: Measured) -> Claim:
    excess = interval(measured.excess["mha_linear"], "claim 3")
    estimate = Estimate(excess, (("excess", "mha_linear"),))
    return Claim(
        3,
        "Linear multi-head attention overfits somewhat.",
        "mha_linear",
        _verdict(excess.above(MARGIN), excess.below(MARGIN)),
        {"last test loss / smallest - 1": estimate},
        "learning_curves",
    )


def _conv1d_better_and_calmer(measured: Measured) -> Claim:
    gain = _between(measured, "error", "mha_linear", "mha_conv1d")
    calm = _between(measured, "unrest", "mha_linear", "mha_conv1d")
    return Claim(
        4,
        "The Conv1d version is clearly better and more stable.",
        "mha_conv1d",
        _verdict(
            gain.interval.above(0) and calm.interval.above(0),
            gain.interval.below(0) or calm.interval.below(0),
        ),
        {"error: mha_linear - mha_conv1d": gain, "unrest: mha_linear - mha_conv1d": calm},
        "learning_curves",
    )


def _output_shows(number: int, text: str, variant: str, measured: Measured) -> Claim:
    over_input = _within(measured, variant, "output", "input", f"claim {number}, input")
    over_untrained = _within(measured, variant, "output", "untrained", f"claim {number}, untrained")
    return Claim(
        number,
        text,
        variant,
        _verdict(
            over_input.interval.above(EQUAL) and over_untrained.interval.above(0),
            over_input.interval.mean < EQUAL,
        ),
        {
            "separation: output - input": over_input,
            "separation: output - untrained": over_untrained,
        },
        "article",
    )


def _cbam_best(compared: Sequence[Pair]) -> Claim:
    mine = [pair for pair in compared if "cbam" in (pair.first, pair.second)]
    return Claim(
        6,
        "CBAM is the best of all, with the lowest validation loss.",
        "cbam",
        _verdict(
            all(pair.lower == "cbam" for pair in mine),
            any(pair.lower not in (None, "cbam") for pair in mine),
        ),
        {
            f"error: {pair.first} - {pair.second}": Estimate(
                pair.difference, (("error", pair.first), ("error", pair.second))
            )
            for pair in mine
        },
        "errors",
    )


def _cbam_calm(measured: Measured) -> Claim:
    calm = _between(measured, "unrest", "cnn", "cbam")
    return Claim(
        8,
        "CBAM trains very stably.",
        "cbam",
        _verdict(calm.interval.above(0), calm.interval.below(0)),
        {"unrest: cnn - cbam": calm},
        "learning_curves",
    )


def _verdict(confirmed: bool, refuted: bool) -> Verdict:
    if confirmed and refuted:
        raise AssertionError("a rule confirms and refutes at once")
    return "confirmed" if confirmed else "refuted" if refuted else "not decidable"
