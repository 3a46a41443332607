"""What the stages measured in an experiment, read from their files.

A number and its origin are read by one key, so that they cannot disagree.
"""

__all__ = ["PLANS", "Floats", "Results", "description", "published", "read", "title", "why_not"]

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib.resources import files
from operator import getitem
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from whitepatch import paths
from whitepatch.claims.statistics import interval
from whitepatch.params import Experiment, Params, protocol
from whitepatch.report.numbers import Number, Source, parameter, seeds

Floats: TypeAlias = NDArray[np.float64]
"""[S], one number a seed, or [..., N], one an image."""

PLANS = {"per_image": "drawn for each image", "per_batch": "by place in the batch"}
"""What people call a plan of patches."""

MEASURES = ("min_train_loss", "min_test_loss")
"""Of which the article has numbers."""


@dataclass(frozen=True)
class Results:
    """Everything that the stages measured in an experiment.

    Attributes:
        name: Of the experiment.
        experiment: Its parameters.
        metrics: By variant, in the order of params.yaml, the metrics file's content.
        published: By variant, the article's numbers, as `published` gives them.
    """

    name: str
    experiment: Experiment
    metrics: Mapping[str, Any]
    published: Mapping[str, Mapping[str, float]]

    @property
    def titles(self) -> dict[str, str]:
        """What people call each variant, in order."""
        return {variant: metrics["title"] for variant, metrics in self.metrics.items()}

    @property
    def images(self) -> Any:
        """What its images are: `words`, and whether they are a `stand_in` for STL-10."""
        return self.any_variant["images"]

    @property
    def is_printed(self) -> bool:
        """Whether patches, loss and choice of the epoch are as the article prints them."""
        patch, train = self.experiment.patch, self.experiment.train
        return (patch.plan, train.loss, train.choose) == ("per_batch", "printed", "test")

    @property
    def any_variant(self) -> Any:
        """Metrics of the first variant, for what all share: counts, machine."""
        return next(iter(self.metrics.values()))

    @property
    def elsewhere(self) -> list[str]:
        """Which seeds were trained on another machine than the page names, and on which."""
        named = self.any_variant["trained_on"]
        machines = {
            (metrics["title"], seed): metrics.get("trained_elsewhere", {}).get(
                seed, metrics["trained_on"]
            )
            for metrics in self.metrics.values()
            for seed in metrics["seeds"]
        }
        words = "{} seed {} on {device_name}, {threads} threads, torch {torch}"
        return [words.format(*it, **there) for it, there in machines.items() if there != named]

    @property
    def first_seed(self) -> Any:
        """Numbers of a seed of the first variant, for what all name alike."""
        return next(iter(self.any_variant["seeds"].values()))

    @property
    def num_seeds(self) -> int:
        """How many seeds each variant has."""
        return len(self.experiment.train.seeds)

    def has(self, variant: str, name: str, among: str = "maps") -> bool:
        """Say whether a variant has a map of this name, or what else it has below a seed."""
        return name in (next(iter(self.metrics[variant]["seeds"].values()))[among] or ())

    def seeds(self, variant: str, key: str) -> Floats:
        """Return a number of every seed of a variant, in the order of the seeds.

        Args:
            variant: Which.
            key: Below a seed in its metrics, the parts joined by points.
        """
        found = self.metrics[variant]["seeds"]
        return np.array([_get(found[seed], key) for seed in sorted(found, key=int)], float)

    def spread(self, variant: str, key: str, digits: int) -> Number:
        """Return mean and standard deviation of what `seeds` returns."""
        return Number.spread(self.seeds(variant, key), digits, *seeds(variant, key))

    def spreads(
        self, variant: str, pattern: str, names: Sequence[str], digits: int
    ) -> list[Number]:
        """Return `spread` of several keys: a pattern whose braces stand for each of the names."""
        return [self.spread(variant, pattern.format(name), digits) for name in names]

    def ranged(self, variant: str, key: str, digits: int) -> Number:
        """Return the mean of what `seeds` returns, with its interval."""
        found = interval(self.seeds(variant, key), f"page: {key}, {variant}")
        return Number.ranged(found, digits, *seeds(variant, key))

    def total(self, variant: str, key: str, digits: int = 0) -> Number:
        """Return what the evaluation of a variant has but once: a count, if there are no digits."""
        value, source = _get(self.metrics[variant], key), Source(f"metrics/{variant}.json", key)
        return Number.fixed(value, digits, source) if digits else Number.count(value, source)

    def common(self, key: str, digits: int) -> Number:
        """Return `spread` of what every variant's file has alike, from the first."""
        return self.spread(next(iter(self.metrics)), key, digits)

    def commons(self, pattern: str, names: Sequence[str], digits: int) -> list[Number]:
        """Return `common` of several keys, as `spreads` does."""
        return [self.common(pattern.format(name), digits) for name in names]

    def shared(self, key: str, digits: int = 0) -> Number:
        """Return what is the same in every variant's file; it is read from the first."""
        return self.total(next(iter(self.metrics)), key, digits)

    def given(self, key: str) -> Number:
        """Return a parameter as it was given, in full."""
        value = reduce(getattr, key.split("."), self.experiment)
        return Number(f"{value:.10g}", "as given", (parameter(self.name, key),))


def read(name: str, params: Params) -> Results:
    """Read the results of an experiment; its evaluations must have run."""
    experiment = params.experiment(name)
    return Results(
        name,
        experiment,
        {variant: _metrics(name, variant) for variant in experiment.variants},
        published(),
    )


def description(variant: str) -> str:
    """Return what a variant is: the first line of its file."""
    return (ast.get_docstring(_parsed(variant)) or "").partition("\n")[0]


def title(variant: str) -> str:
    """Return what people call a variant, from its file; its name where there is none."""
    for node in _parsed(variant).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TITLE":
            return str(ast.literal_eval(node.value))
    return variant


def _parsed(variant: str) -> ast.Module:
    source = files("whitepatch.models.variants").joinpath(f"{variant}.py")
    # it may have been taken away since it was evaluated
    return ast.parse(source.read_text(encoding="utf-8") if source.is_file() else "")


def published() -> dict[str, dict[str, float]]:
    """Return the article's numbers, nats, by variant and measure; not all variants have some."""
    rows = pd.read_csv(paths.PUBLISHED)[["variant", *MEASURES]].itertuples(index=False, name=None)
    return {str(name): dict(zip(MEASURES, row, strict=True)) for name, *row in rows}


def why_not(name: str, params: Params) -> str | None:
    """Say why an experiment cannot be compared yet, or None if it can."""
    experiment, cure = params.experiment(name), f"dvc repro report@{name} runs it"
    if not (paths.report(name) / "report.md").exists():
        return f"has not run yet; {cure}"
    for variant in experiment.variants:
        if not paths.metrics(name, variant).exists():
            return f"has no results of {variant}; {cure}"
        metrics = _metrics(name, variant)
        seeds = [int(seed) for seed in metrics["seeds"]]
        if metrics["protocol"] != protocol(experiment) or seeds != list(experiment.train.seeds):
            return f"was made with other parameters; {cure}"
    return None


def _metrics(name: str, variant: str) -> Any:
    return json.loads(paths.metrics(name, variant).read_text(encoding="utf-8"))


def _get(branch: Any, key: str) -> Any:
    return reduce(getitem, key.split("."), branch)
