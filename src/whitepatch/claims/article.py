"""The article's claims: each as it is stated, and as far as attention is what makes it true.

A claim as stated speaks of a network with attention beside another one of the article. Whether
attention is the reason is asked of controls: networks of the same trunk that attend to nothing
(`cnn_max`, `cnn_hidden`), or alike to everything (`mha_uniform`). What the drawn channels of a
layer show could be there without the layer; so its output is set against its input.

docs/claims.md says when these rules were written, and what was known then. Holm's correction counts
all hypotheses of an experiment.
"""

__all__ = [
    "CLAIMS",
    "CONTROLS",
    "HYPOTHESES",
    "MEASURES",
    "PARTS",
    "PRINTED",
    "Measure",
    "Quantity",
    "decide",
    "hypotheses",
]

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from whitepatch.claims.crossed import Crossed
from whitepatch.claims.hypotheses import Hypothesis, Judged, Statement, judge
from whitepatch.claims.statistics import LEAST_SEEDS

Measure: TypeAlias = Literal["loss", "accuracy", "rises", "excess", "output", "input", "untrained"]

MEASURES: dict[Measure, str] = {
    "loss": "test loss",
    "accuracy": "test accuracy",
    "rises": "rise of the test loss",
    "excess": "last test loss / smallest − 1",
    "output": "output",
    "input": "input",
    "untrained": "untrained output",
}
"""What people call them. Loss (nats, from logits) and accuracy are those of the chosen epoch, image
by image. The others are one number a seed: by how much the test loss rises from one epoch to the
next, mean over epochs, nats, where a fall counts as no rise, so that a loss which only falls has 0;
how far the last test loss is above the smallest; and the separations: how far the drawn channels
tell the patch from the rest, |2 AUC - 1|, mean over the channels."""

PRINTED = ("cnn", "mha_linear", "mha_conv1d", "cbam")
CONTROLS = ("cnn_max", "cnn_hidden", "mha_uniform")
"""These have no attention, or none that is learned."""

HARDLY = 0.05
"""Of separation: by less, maps do not highlight the patch more than before training."""

OVERFITS = 0.1
"""Excess from which on it is called overfitting."""

EQUAL = 1e-3
"""Separations of output and input that differ by less are equal. A channel gate scales a channel by
one positive factor a picture, which moves no AUC but by rounding."""

CLAIMS = {
    "1": "Linear multi-head attention improves on the plain CNN.",
    "2": "Linear multi-head attention's maps do not highlight the patch.",
    "3": "Linear multi-head attention overfits somewhat.",
    "4a": "The Conv1d version is clearly better.",
    "4b": "The Conv1d version is more stable.",
    "5": "The Conv1d version's layer output highlights the patch.",
    "6": "CBAM is the best of all, with the lowest validation loss.",
    "7": "CBAM's map shows the patch clearly.",
    "8": "CBAM trains very stably.",
}
"""By number, as the article makes them; its fourth joins two."""

PARTS = ("as stated", "by attention")


@dataclass(frozen=True)
class Quantity:
    """A number of an experiment.

    Attributes:
        measure: Which.
        variant: Of which.
        minus: Another variant, whose number is subtracted, seed by seed and image by image.
        less: Another measure, which is subtracted, seed by seed.
    """

    measure: Measure
    variant: str
    minus: str | None = None
    less: Measure | None = None


Said: TypeAlias = Hypothesis[Quantity]


LOWER = {"loss": "is below", "rises": "rises less than"}
"""What is said of the test loss of a variant that has less of a measure."""


def _lower(
    claim: str, measure: Literal["loss", "rises"], variant: str, *others: str
) -> tuple[Said, Said]:
    """Say that a variant has less of a measure than each of some others, and than every control."""

    def than(part: str, named: str, those: Sequence[str]) -> Said:
        text = f"The test loss of {{{variant}}} {LOWER[measure]} that of {named}."
        of = (Quantity(measure, other, variant) for other in those)
        return Said(f"{claim} {part}", text, tuple(Statement(it, "above", 0) for it in of))

    *first, last = (f"{{{other}}}" for other in others)
    named = f"{', '.join(first)} and {last}" if first else last
    return than(PARTS[0], named, others), than(PARTS[1], "every control", CONTROLS)


def _one(
    group: str, text: str, quantity: Quantity, side: Literal["above", "below"], level: float = 0
) -> Said:
    return Said(group, text, (Statement(quantity, side, level),))


def _shows(claim: str, variant: str) -> tuple[Said, Said]:
    """Say that the drawn channels of a layer's output show the patch, and that it is the layer."""
    text = f"The drawn channels of the output of {{{variant}}} tell the patch from the rest better"
    return (
        _one(
            f"{claim} as stated",
            f"{text} than before training.",
            Quantity("output", variant, less="untrained"),
            "above",
        ),
        _one(
            f"{claim} by attention",
            f"{text}, by more than {EQUAL}, than those of the input.",
            Quantity("output", variant, less="input"),
            "above",
            EQUAL,
        ),
    )


HYPOTHESES = (
    *_lower("1", "loss", "mha_linear", "cnn"),
    _one(
        "2 as stated",
        "The drawn channels of the output of {mha_linear} tell the patch from the rest by less "
        f"than {HARDLY} more than before training.",
        Quantity("output", "mha_linear", less="untrained"),
        "below",
        HARDLY,
    ),
    _one(
        "2 by attention",
        "The drawn channels of the output of {mha_linear} tell the patch from the rest less than "
        "those of the input.",
        Quantity("output", "mha_linear", less="input"),
        "below",
    ),
    _one(
        "3 as stated",
        "The last test loss of {mha_linear} is above its smallest by more than "
        f"{100 * OVERFITS:.0f} %.",
        Quantity("excess", "mha_linear"),
        "above",
        OVERFITS,
    ),
    _one(
        "3 by attention",
        "The last test loss of {mha_linear} is further above its smallest than that of {cnn} is.",
        Quantity("excess", "mha_linear", "cnn"),
        "above",
    ),
    *_lower("4a", "loss", "mha_conv1d", "mha_linear"),
    *_lower("4b", "rises", "mha_conv1d", "mha_linear"),
    *_shows("5", "mha_conv1d"),
    *_lower("6", "loss", "cbam", *PRINTED[:3]),
    *_shows("7", "cbam"),
    *_lower("8", "rises", "cbam", *PRINTED[:3]),
)
"""What the claims mean; the group is the claim and its part, variants stand in braces."""


def hypotheses(variants: Collection[str]) -> list[Said]:
    """Return what the claims mean in an experiment.

    Args:
        variants: Of the experiment. Where one of the article's is missing, there are no claims;
            what is said of controls is said of those that are there, and not at all without any.
    """
    if not {*PRINTED} <= {*variants}:
        return []
    there = [
        replace(it, statements=tuple(x for x in it.statements if x.quantity.variant in variants))
        for it in HYPOTHESES
    ]
    return [it for it in there if it.statements]


def decide(
    variants: Collection[str], measured: Callable[[Quantity], Crossed]
) -> list[Judged[Quantity]]:
    """Say what came of every claim; fewer than LEAST_SEEDS seeds leave all of them open.

    Args:
        variants: Of the experiment.
        measured: Returns a number of it with its interval.
    """
    judged = judge(hypotheses(variants), measured)
    few = any(one.num_seeds < LEAST_SEEDS for it in judged for one in it.numbers)
    return [replace(it, outcome="open", p=1.0) for it in judged] if few else judged
