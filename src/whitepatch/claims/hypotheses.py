"""What is claimed or predicted, in statements of one form, and the one rule that decides it.

A hypothesis is one or several statements: a number lies above a level, or below it. It holds if all
do, and fails if one is contradicted; both as told by a two-sided p-value of at most 0.05, behind
Holm's correction for the number of all hypotheses that stand together, those that cannot be judged
yet included. Anything else is open. The p-value of a hypothesis that looks true is the highest of
its statements', for all must hold; of one that looks false, the lowest of those that are
contradicted, times the number of statements.
"""

__all__ = ["Hypothesis", "Judged", "Outcome", "Statement", "judge"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from whitepatch.claims.crossed import Crossed
from whitepatch.claims.statistics import ALPHA, holm

Q = TypeVar("Q")
"""What names a number."""

Outcome: TypeAlias = Literal["holds", "fails", "open", "not run"]


@dataclass(frozen=True)
class Statement(Generic[Q]):
    """On which side of a level a number lies."""

    quantity: Q
    side: Literal["above", "below"]
    level: float

    def looks_true(self, found: Crossed) -> bool:
        """Say whether the number, as measured, lies on this side."""
        return found.value > self.level if self.side == "above" else found.value < self.level


@dataclass(frozen=True)
class Hypothesis(Generic[Q]):
    """Statements that must all be true.

    Attributes:
        group: What it is of a kind with.
        text: What is said, in a sentence; variants stand in braces.
        statements: What that means.
    """

    group: str
    text: str
    statements: tuple[Statement[Q], ...]


@dataclass(frozen=True)
class Judged(Generic[Q]):
    """A hypothesis, and what came of it.

    Attributes:
        hypothesis: Which.
        outcome: By the rule.
        p: Of the outcome, adjusted for the number of hypotheses; 1 of what has not run.
        numbers: What each statement speaks of, as measured; none of what has not run.
    """

    hypothesis: Hypothesis[Q]
    outcome: Outcome
    p: float = 1.0
    numbers: tuple[Crossed, ...] = ()


def judge(
    hypotheses: Sequence[Hypothesis[Q]], measured: Callable[[Q], Crossed | None]
) -> list[Judged[Q]]:
    """Say what came of every hypothesis.

    Args:
        hypotheses: All that stand together.
        measured: Returns a number with its interval, or None where it was not measured.
    """
    alone = [_judged(it, [measured(one.quantity) for one in it.statements]) for it in hypotheses]
    return [
        Judged(
            one.hypothesis,
            one.outcome if one.outcome == "not run" or p <= ALPHA else "open",
            p,
            one.numbers,
        )
        for one, p in zip(alone, holm([one.p for one in alone]), strict=True)
    ]


def _judged(hypothesis: Hypothesis[Q], found: Sequence[Crossed | None]) -> Judged[Q]:
    """Judge a hypothesis as if it were the only one."""
    numbers = tuple(it for it in found if it is not None)
    if len(numbers) < len(found):
        return Judged(hypothesis, "not run")
    pairs = list(zip(hypothesis.statements, numbers, strict=True))
    p_values = [it.p_value(one.level) for one, it in pairs]
    against = [p for p, (one, it) in zip(p_values, pairs, strict=True) if not one.looks_true(it)]
    if against:
        return Judged(hypothesis, "fails", min(1.0, min(against) * len(pairs)), numbers)
    return Judged(hypothesis, "holds", max(p_values), numbers)
