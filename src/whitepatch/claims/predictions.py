"""What was predicted of the sweeps before they ran; `hypotheses` has the rule that decides.

The predictions were written with pilots in view, which docs/second-edition.md lists, and committed
before the first of these sweeps ran.
"""

__all__ = ["AVERAGING", "CEILING", "CHANCE", "PREDICTIONS", "SELECTING", "Quantity", "sweep_of"]

from dataclasses import dataclass
from typing import Literal, TypeAlias

from whitepatch.claims.hypotheses import Hypothesis, Statement

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


Prediction: TypeAlias = Hypothesis[Quantity]


AT_FOUR = (("patch.size", 4.0),)


def _at_chance(group: str, text: str, quantity: Quantity) -> Prediction:
    low, high = CHANCE
    both = Statement(quantity, "above", low), Statement(quantity, "below", high)
    return Prediction(group, text, both)


def _above(group: str, text: str, level: float, *quantities: Quantity) -> Prediction:
    return Prediction(group, text, tuple(Statement(it, "above", level) for it in quantities))


def _below(group: str, text: str, level: float, *quantities: Quantity) -> Prediction:
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


def sweep_of(prediction: Prediction) -> str:
    """Return the sweep that answers a prediction."""
    return prediction.statements[0].quantity.sweep
