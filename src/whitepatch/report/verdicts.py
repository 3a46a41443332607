"""From results to what decides the article's claims, and to claims.json."""

__all__ = ["Histories", "Verdicts", "as_json", "judge", "measured"]

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from whitepatch.claims.rules import PRINTED, Claim, Measured, Pair, decide, pairs
from whitepatch.claims.statistics import Difference, Interval
from whitepatch.report.results import Results
from whitepatch.report.tables import feature_table, seed_table

Histories = Mapping[str, pd.DataFrame]
"""By variant, one row a seed and epoch."""


@dataclass(frozen=True)
class Verdicts:
    """What an experiment says of the article's claims, and the comparisons behind it."""

    claims: list[Claim]
    pairs: list[Pair]


def judge(results: Results, histories: Histories) -> Verdicts:
    """Decide all claims; none where a variant of the article is missing."""
    numbers = measured(results, histories)
    compared = pairs(numbers.error)
    printed = all(variant in numbers.error for variant in PRINTED)
    return Verdicts(decide(numbers, compared) if printed else [], compared)


def measured(results: Results, histories: Histories) -> Measured:
    """Return the numbers that decide, one a seed, by variant."""
    seeds = seed_table(results).sort_values("seed", kind="stable").set_index("variant")
    features = feature_table(results).astype({"seed": int}).sort_values("seed", kind="stable")
    tests = {
        variant: table.pivot_table("test_loss", "epoch", "seed").to_numpy()
        for variant, table in histories.items()
    }

    def separation(side: str, *, trained: bool) -> dict[str, Any]:
        some = features[(features["side"] == side) & (features["trained"] == trained)]
        return {v: some.loc[some["variant"] == v, "separation"].to_numpy() for v in results.metrics}

    return Measured(
        error={v: seeds.loc[[v], "min_test_loss"].to_numpy() for v in results.metrics},
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
                "numbers": {name: _number(value) for name, value in claim.numbers.items()},
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
    if isinstance(value, Interval):
        found = asdict(value)
    else:
        found = asdict(value.interval) | {
            name: one for name, one in asdict(value).items() if name != "interval"
        }
    return {
        name: None if isinstance(one, float) and not math.isfinite(one) else one
        for name, one in found.items()
    }
