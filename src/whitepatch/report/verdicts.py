"""From results to what decides the article's claims, and to claims.json."""

__all__ = ["ERROR", "ORIGINS", "Histories", "Verdicts", "as_json", "judge", "measured", "origins"]

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from whitepatch.claims.measured import Estimate, Measured, Pair
from whitepatch.claims.rules import PRINTED, Claim, decide, pairs
from whitepatch.claims.statistics import Difference, Interval
from whitepatch.report.numbers import Number, Source, history, seeds
from whitepatch.report.results import Results
from whitepatch.report.tables import feature_table

ERROR = "min_test_loss"
"""The key of the article's error, below a seed."""

ORIGINS = {
    "error": seeds("{}", ERROR),
    "excess": (history("{}", "test_loss"),),
    "unrest": (history("{}", "test_loss"),),
    "output": seeds("{}", "maps.output *.auc"),
    "input": seeds("{}", "maps.input *.auc"),
    "untrained": seeds("{}", "untrained_maps.output *.auc"),
}
"""By field of `Measured`, where it comes from; braces stand for the variant."""

Histories = Mapping[str, pd.DataFrame]
"""By variant, one row a seed and epoch."""


@dataclass(frozen=True)
class Verdicts:
    """What an experiment says of the article's claims, and what is behind it."""

    claims: list[Claim]
    pairs: list[Pair]
    measured: Measured

    def spread(self, measure: str, variant: str) -> Number:
        """Return mean and standard deviation of a field of `Measured`."""
        return Number.spread(getattr(self.measured, measure)[variant], 2, *_of(measure, variant))


def origins(estimate: Estimate) -> tuple[Source, ...]:
    """Return where a number that decides a claim comes from."""
    return tuple(source for one in estimate.inputs for source in _of(*one))


def _of(measure: str, variant: str) -> tuple[Source, ...]:
    return tuple(Source(it.file.format(variant), it.key) for it in ORIGINS[measure])


def judge(results: Results, histories: Histories) -> Verdicts:
    """Decide all claims; none where a variant of the article is missing."""
    numbers = measured(results, histories)
    compared = pairs(numbers.error)
    printed = all(variant in numbers.error for variant in PRINTED)
    return Verdicts(decide(numbers, compared) if printed else [], compared, numbers)


def measured(results: Results, histories: Histories) -> Measured:
    """Return the numbers that decide, one a seed, by variant."""
    features = feature_table(results).astype({"seed": int}).sort_values("seed", kind="stable")
    tests = {
        variant: table.pivot_table("test_loss", "epoch", "seed").to_numpy()
        for variant, table in histories.items()
    }

    def separation(side: str, *, trained: bool) -> dict[str, Any]:
        some = features[(features["side"] == side) & (features["trained"] == trained)]
        return {v: some.loc[some["variant"] == v, "separation"].to_numpy() for v in results.metrics}

    return Measured(
        error={v: results.seeds(v, ERROR) for v in results.metrics},
        excess={v: losses[-1] / losses.min(axis=0) - 1 for v, losses in tests.items()},
        unrest={v: losses[len(losses) // 2 :].std(axis=0) for v, losses in tests.items()},
        output=separation("output", trained=True),
        input=separation("input", trained=True),
        untrained=separation("output", trained=False),
    )


def as_json(verdicts: Verdicts) -> dict[str, Any]:
    """Return claims and comparisons as JSON; what a single seed cannot have is null."""
    return {
        "claims": [
            {
                "id": claim.number,
                "text": claim.text,
                "variant": claim.subject,
                "verdict": claim.verdict,
                "confirmed_if": claim.rule[0],
                "refuted_if": claim.rule[1],
                "numbers": {name: _number(it.value) for name, it in claim.numbers.items()},
                "figure": claim.figure,
            }
            for claim in verdicts.claims
        ],
        "pairs": [
            {"first": pair.first, "second": pair.second}
            | _number(pair.difference)
            | {"adjusted_p": pair.adjusted_p, "significantly_lower": pair.lower}
            for pair in verdicts.pairs
        ],
    }


def _number(value: Difference | Interval) -> dict[str, Any]:
    found = asdict(value)
    found = found.pop("interval", {}) | found
    return {
        name: None if isinstance(one, float) and not math.isfinite(one) else one
        for name, one in found.items()
    }
