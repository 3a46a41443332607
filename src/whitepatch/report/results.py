"""What the stages measured in an experiment, read from their files."""

__all__ = ["PLANS", "Results", "description", "load", "published", "why_not"]

import ast
import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from whitepatch import paths
from whitepatch.errors import UserError, short
from whitepatch.params import VARIANTS, Experiment, Params, protocol

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
    def origin(self) -> Any:
        """What its images are: `words`, and whether they are a `stand_in` for STL-10."""
        return self.any_variant["images"]

    @property
    def is_printed(self) -> bool:
        """Whether patches, loss and choice of the epoch are as the article prints them."""
        patch, train = self.experiment.patch, self.experiment.train
        return (patch.plan, train.loss, train.choose) == ("per_batch", "printed", "test")

    @property
    def any_variant(self) -> Any:
        """Metrics of the first variant, for what all share: counts, controls, machine."""
        return next(iter(self.metrics.values()))


def load(name: str, everything: Params) -> Results:
    """Read the results of an experiment; its evaluations must have run."""
    experiment = everything.experiment(name)
    return Results(
        name,
        experiment,
        {variant: _metrics(name, variant) for variant in everything.variants},
        published(),
    )


def description(variant: str) -> str:
    """Return what a variant is: the first line of its file."""
    source = files("whitepatch.models.variants").joinpath(f"{variant}.py")
    if not source.is_file():
        return ""  # taken away since it was evaluated
    words = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return words.partition("\n")[0]


def published() -> dict[str, dict[str, float]]:
    """Return the article's numbers, nats, by variant and measure; not all variants have some.

    Raises:
        UserError: The file is not such a table.
    """
    try:
        with paths.PUBLISHED.open(encoding="utf-8-sig", newline="") as file:
            rows = {row.pop("variant"): row for row in csv.DictReader(file, strict=True)}
        found = {
            variant: {measure: float(row[measure]) for measure in MEASURES}
            for variant, row in rows.items()
        }
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        reason = short(f"{type(error).__name__}: {error}", 100)
    else:
        numbers = [number for row in found.values() for number in row.values()]
        unknown = [name for name in found if not (VARIANTS / f"{name}.py").is_file()]
        if found and not unknown and all(map(math.isfinite, numbers)):
            return found
        reason = f"no variant {unknown[0]!r}" if unknown else "a number that is not finite, or none"
    raise UserError(
        f"{paths.PUBLISHED} must be a table of variant,{','.join(MEASURES)} ({reason}); "
        f"from Git: git checkout {paths.PUBLISHED}"
    )


def why_not(name: str, everything: Params) -> str | None:
    """Say why an experiment cannot be compared yet, or None if it can."""
    experiment, cure = everything.experiment(name), f"make {name} runs it and draws this page anew"
    if not (paths.report(name) / "report.md").exists():
        return f"has not run yet; {cure}"
    for variant in everything.variants:
        if not paths.metrics(name, variant).exists():
            return f"has no results of {variant}; {cure}"
        metrics = _metrics(name, variant)
        seeds = [int(seed) for seed in metrics["seeds"]]
        if metrics["protocol"] != protocol(experiment) or seeds != list(experiment.train.seeds):
            return f"was made with other parameters; {cure}"
    return None


def _metrics(name: str, variant: str) -> Any:
    return json.loads(paths.metrics(name, variant).read_text(encoding="utf-8"))
