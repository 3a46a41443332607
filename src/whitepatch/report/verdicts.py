"""From results to what came of the article's claims, and to claims.json."""

__all__ = ["Histories", "Verdicts", "as_json", "judge", "origins"]

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from whitepatch.claims.article import Measure, Quantity, decide
from whitepatch.claims.crossed import Crossed, Images, crossed
from whitepatch.claims.hypotheses import Judged
from whitepatch.report.losses import Losses
from whitepatch.report.numbers import Number, Source, history, logits, seeds
from whitepatch.report.results import Floats, Results
from whitepatch.report.tables import feature_table

ORIGINS: dict[Measure, tuple[Source, ...]] = {
    "rises": (history("{}", "test_loss"),),
    "excess": (history("{}", "test_loss"),),
    "output": seeds("{}", "maps.output *.auc"),
    "input": seeds("{}", "maps.input *.auc"),
    "untrained": seeds("{}", "untrained_maps.output *.auc"),
}
"""Where what a seed has once comes from; braces stand for the variant."""

Histories = Mapping[str, pd.DataFrame]
"""By variant, one row a seed and epoch."""

PRIMARY: tuple[Measure, ...] = ("loss", "accuracy")


@dataclass(frozen=True)
class Verdicts:
    """What an experiment says of the article's claims, and what is behind it.

    Attributes:
        name: Of the experiment.
        losses: Of it, image by image.
        by_seed: By measure and variant, one number a seed, of those that a seed has once.
    """

    name: str
    losses: Losses
    by_seed: Mapping[str, Mapping[str, Floats]]

    @cached_property
    def claims(self) -> list[Judged[Quantity]]:
        """What came of every claim; none where a variant of the article is missing."""
        return decide(self.losses.variants, self.measure)

    @cached_property
    def primary(self) -> dict[str, dict[str, Crossed]]:
        """Loss and accuracy at the chosen epoch, by measure and variant."""
        of = self.losses.variants
        return {one: {v: self.measure(Quantity(one, v)) for v in of} for one in PRIMARY}

    def measure(self, quantity: Quantity) -> Crossed:
        """Return a number with its interval, over seeds alone where a seed has it but once."""
        values = self._values(quantity.measure, quantity.variant)
        if quantity.minus:
            values = values - self._values(quantity.measure, quantity.minus)
        if quantity.less:
            values = values - self._values(quantity.less, quantity.variant)
        places = np.arange(len(values))
        images = self.losses.images if values.ndim > 1 else Images(places, np.zeros(len(values)))
        # the experiment alone names the resamples: all numbers are seen in the same ones
        return crossed(values.ravel(), images, self.name)

    def spread(self, measure: Measure, variant: str) -> Number:
        """Return mean and standard deviation of what a seed has once."""
        sources = origins(Quantity(measure, variant), self.name)
        return Number.spread(self.by_seed[measure][variant], 2, *sources)

    def _values(self, measure: Measure, variant: str) -> Floats:
        """Return a measure of a variant, [S, N] or [S]."""
        if measure in self.by_seed:
            return self.by_seed[measure][variant]
        of = self.losses.losses if measure == "loss" else self.losses.correct
        return of[self.losses.variants.index(variant)].astype(float)


def origins(quantity: Quantity, experiment: str) -> tuple[Source, ...]:
    """Return where a number comes from."""
    variants = [it for it in (quantity.variant, quantity.minus) if it]
    measures = [it for it in (quantity.measure, quantity.less) if it]
    found = [
        Source(it.file.format(variant), it.key)
        for variant in variants
        for measure in measures
        for it in ORIGINS.get(measure, logits(variant, experiment))
    ]
    return tuple(dict.fromkeys(found))


def judge(results: Results, histories: Histories, losses: Losses) -> Verdicts:
    """Take what decides the claims from an experiment."""
    features = feature_table(results).astype({"seed": int}).sort_values("seed", kind="stable")
    tests = {
        variant: table.pivot_table("test_loss", "epoch", "seed").to_numpy()
        for variant, table in histories.items()
    }

    def separation(side: str, *, trained: bool) -> dict[str, Floats]:
        some = features[(features["side"] == side) & (features["trained"] == trained)]
        return {v: some.loc[some["variant"] == v, "separation"].to_numpy() for v in results.metrics}

    by_seed = {
        # nothing goes before the first epoch, so it does not rise
        "rises": {
            v: np.diff(it, axis=0, prepend=it[:1]).clip(min=0).mean(axis=0)
            for v, it in tests.items()
        },
        "excess": {v: it[-1] / it.min(axis=0) - 1 for v, it in tests.items()},
        "output": separation("output", trained=True),
        "input": separation("input", trained=True),
        "untrained": separation("output", trained=False),
    }
    return Verdicts(results.name, losses, by_seed)


def as_json(verdicts: Verdicts, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what came of every claim as JSON.

    Args:
        verdicts: Of an experiment.
        titles: What to call its variants.
    """
    return [
        {
            "id": it.hypothesis.group,
            "group": it.hypothesis.group.partition(" ")[0],
            "text": it.hypothesis.text.format_map(titles),
            "outcome": it.outcome,
            "p": it.p,
            "statements": [
                asdict(one.quantity)
                | {"side": one.side, "level": one.level, "value": number.value}
                | {name: getattr(number, name) for name in ("low", "high", "detectable")}
                for one, number in zip(it.hypothesis.statements, it.numbers, strict=True)
            ],
        }
        for it in verdicts.claims
    ]
