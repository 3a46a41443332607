"""What was predicted of the sweeps before they ran, and the rule that decides each prediction.

A prediction is one or several statements of one form: a number lies above a level, or below it. It
holds if all do, and fails if one is contradicted; then as now by a two-sided p-value of at most
0.05 behind Holm's correction for the number of all predictions, those that have not run yet
included. Anything else is open. The p-value of a prediction that looks true is the highest of its
statements' (all must hold); of one that looks false, the lowest of those that are contradicted,
times the number of its statements.

They were written with pilots in view, which docs/second-edition.md lists, and committed before the
first of these sweeps ran.
"""

__all__ = [
    "AVERAGING",
    "CEILING",
    "CHANCE",
    "PREDICTIONS",
    "SELECTING",
    "Judged",
    "Prediction",
    "Quantity",
    "Statement",
    "judge",
]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from whitepatch.claims.crossed import Crossed
from whitepatch.claims.statistics import ALPHA, holm

Outcome: TypeAlias = Literal["holds", "fails", "open", "not run"]
Group: TypeAlias = Literal[
    "averaging is blind",
    "selecting notices",
    "a maximum is enough",
    "averaging is steeper",
    "a sum cannot compare",
    "others compare",
    "most know no places",
    "positions are known",
]

AVERAGING = ("cnn", "mha_uniform")
"""What these hand to the head is a mean over all places alike."""

SELECTING = ("cnn_max", "mha_linear_tokens", "mha_conv1d", "cbam")
"""These can give one place more weight than another."""

CHANCE = (0.45, 0.55)
"""Accuracies that are called chance."""

CEILING = 0.75
"""The highest accuracy of a logit that is a sum over places, where pictures come in fours
(`data.plan`)."""

MARGIN = 0.05
"""Of accuracy: by less, a network is not called better than another."""


@dataclass(frozen=True)
class Quantity:
    """A number of a sweep.

    Attributes:
        sweep: Its name.
        variant: Of it.
        minus: Another variant, whose number is subtracted, seed by seed and image by image.
        measure: Test accuracy; or the slope of the log threshold over the log area.
        levels: Columns of the sweep's table, and their values, that tell which rows count.
    """

    sweep: str
    variant: str
    minus: str | None = None
    measure: Literal["accuracy", "slope"] = "accuracy"
    levels: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Statement:
    """On which side of a level a number lies."""

    quantity: Quantity
    side: Literal["above", "below"]
    level: float

    def looks_true(self, found: Crossed) -> bool:
        """Say whether the number, as measured, lies on this side."""
        return found.value > self.level if self.side == "above" else found.value < self.level


@dataclass(frozen=True)
class Prediction:
    """Statements that must all be true.

    Attributes:
        group: What it is of a kind with.
        text: What is predicted, in a sentence; variants stand in braces.
        statements: What that means.
    """

    group: Group
    text: str
    statements: tuple[Statement, ...]

    @property
    def sweep(self) -> str:
        """The sweep that answers it."""
        return self.statements[0].quantity.sweep


@dataclass(frozen=True)
class Judged:
    """A prediction, and what came of it.

    Attributes:
        prediction: Which.
        outcome: By the rule.
        p: Of the outcome, adjusted for the number of predictions; 1 of what has not run.
        numbers: What each statement speaks of, as measured; none of what has not run.
    """

    prediction: Prediction
    outcome: Outcome
    p: float = 1.0
    numbers: tuple[Crossed, ...] = field(default=())


AT_FOUR = (("patch.size", 4.0),)


def _at_chance(group: Group, text: str, quantity: Quantity) -> Prediction:
    low, high = CHANCE
    both = Statement(quantity, "above", low), Statement(quantity, "below", high)
    return Prediction(group, text, both)


def _above(group: Group, text: str, level: float, *quantities: Quantity) -> Prediction:
    return Prediction(group, text, tuple(Statement(it, "above", level) for it in quantities))


def _below(group: Group, text: str, level: float, *quantities: Quantity) -> Prediction:
    return Prediction(group, text, tuple(Statement(it, "below", level) for it in quantities))


def _at_four(variant: str, minus: str | None = None) -> Quantity:
    return Quantity("size", variant, minus, levels=AT_FOUR)


SIZE = (
    *(
        _at_chance(
            "averaging is blind",
            f"{{{variant}}} stays at chance on patches of 4×4 pixels.",
            _at_four(variant),
        )
        for variant in AVERAGING
    ),
    *(
        _above(
            "selecting notices",
            f"{{{variant}}} notices them more often than {{cnn}} and {{mha_uniform}}.",
            0,
            *(_at_four(variant, other) for other in AVERAGING),
        )
        for variant in SELECTING
    ),
    *(
        _below(
            "a maximum is enough",
            f"{{{variant}}} is not better at this than {{cnn_max}} by {MARGIN} of accuracy.",
            MARGIN,
            _at_four(variant, "cnn_max"),
        )
        for variant in SELECTING[1:]
    ),
)
THRESHOLD = (
    _below(
        "averaging is steeper",
        f"The smaller the patch, the more contrast {{{variant}}} needs, and more steeply so than "
        "what selects (slope of log threshold over log area).",
        0,
        *(Quantity("threshold", variant, other, "slope") for other in SELECTING),
    )
    for variant in AVERAGING
)
COMPARE = (
    _below(
        "a sum cannot compare",
        "{cnn}, a sum over places, stays below the ceiling of such sums.",
        CEILING,
        Quantity("compare", "cnn"),
    ),
    *(
        _above(
            "others compare",
            f"{{{variant}}} compares two places: it is above the ceiling of sums over places.",
            CEILING,
            Quantity("compare", variant),
        )
        for variant in (
            *("cnn_max", "cnn_hidden", "mha_uniform", "mha_linear_tokens", "mha_conv1d"),
            *("cbam", "cbam_spatial"),
        )
    ),
)
ARRANGE = (
    *(
        _at_chance(
            "most know no places",
            f"{{{variant}}} does not know places: on noise it is at chance.",
            Quantity("arrange-noise", variant),
        )
        for variant in ("cnn", "cnn_max", "cbam", "mha_linear_tokens")
    ),
    _above(
        "positions are known",
        "{mha_linear_positions} knows places: on noise it is above chance.",
        CHANCE[1],
        Quantity("arrange-noise", "mha_linear_positions"),
    ),
)
PREDICTIONS = (*SIZE, *THRESHOLD, *COMPARE, *ARRANGE)
"""All of them, in the order of the questions."""


def judge(measured: Callable[[Quantity], Crossed | None]) -> list[Judged]:
    """Say what came of every prediction.

    Args:
        measured: Returns a number with its interval, or None if its sweep has not run.
    """
    raw = [_judged(it, [measured(one.quantity) for one in it.statements]) for it in PREDICTIONS]
    adjusted = holm([one.p for one in raw])
    return [
        Judged(
            one.prediction,
            one.outcome if one.outcome == "not run" or p <= ALPHA else "open",
            p,
            one.numbers,
        )
        for one, p in zip(raw, adjusted, strict=True)
    ]


def _judged(prediction: Prediction, found: Sequence[Crossed | None]) -> Judged:
    """Judge a prediction as if it were the only one."""
    numbers = tuple(it for it in found if it is not None)
    if len(numbers) < len(found):
        return Judged(prediction, "not run")
    pairs = list(zip(prediction.statements, numbers, strict=True))
    p_values = [it.p_value(one.level) for one, it in pairs]
    against = [p for p, (one, it) in zip(p_values, pairs, strict=True) if not one.looks_true(it)]
    if against:
        return Judged(prediction, "fails", min(1.0, min(against) * len(pairs)), numbers)
    return Judged(prediction, "holds", max(p_values), numbers)
