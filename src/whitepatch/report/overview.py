"""What the template of the overview is filled with: several experiments side by side."""

__all__ = ["content", "titles"]

from collections.abc import Mapping, Sequence
from typing import Any

from whitepatch.claims.predictions import AVERAGING, SELECTING
from whitepatch.report.numbers import Number, Source, parameter
from whitepatch.report.questions import SMALL, Questions
from whitepatch.report.results import PLANS, Results
from whitepatch.report.tables import own_maps

ERROR = "min_test_loss"
"""The key of the article's error, below a seed."""


def content(
    found: Sequence[Results],
    missing: Mapping[str, str],
    sweeps: Sequence[str],
    questions: Questions,
    marked: bool,
) -> dict[str, Any]:
    """Return what the template of the overview is filled with.

    Args:
        found: The experiments that can be compared, in order.
        missing: Of the others, by name, why not.
        sweeps: The names of sweeps over sizes that are drawn.
        questions: Of the second edition.
        marked: Whether the figure marks the article's numbers.
    """
    names = titles(found)
    having = {v: [it for it in found if v in it.metrics] for v in names}
    words = [f"{it.experiment.source}: {it.images['words']}" for it in found]
    return {
        "name": "all experiments",
        "found": found,
        "missing": missing,
        "sweeps": sweeps,
        "questions": questions,
        "averaging": AVERAGING,
        "selecting": SELECTING,
        "small": SMALL,
        "marked": marked,
        "words": list(dict.fromkeys(words)),
        "all_stand_in": all(it.images["stand_in"] for it in found),
        "plans": PLANS,
        "seeds": {
            it.name: Number.count(it.num_seeds, parameter(it.name, "train.seeds")) for it in found
        },
        "titles": names,
        "attending": [v for v in names if any(_attention(it, v) for it in having[v])],
        "mixing": [
            names[v] for v in names if any(it.metrics[v]["mixes_places"] for it in having[v])
        ],
        "published": _published(found),
        "loss_heads": [head for it in found for head in _heads(it)],
        "losses": lambda v: [cell for it in found for cell in _losses(it, v)],
        "each": lambda cell, v, *how: [cell(it, v, *how) for it in found],
        "spread": _spread,
        "attention": _attention,
        "evidence": _evidence,
    }


def titles(found: Sequence[Results]) -> dict[str, str]:
    """Return what people call the variants of all experiments, each where it first comes up."""
    return {variant: title for results in found for variant, title in results.titles.items()}


def _published(found: Sequence[Results]) -> dict[str, Number]:
    """Return the article's smallest test losses, by variant."""
    return {
        variant: Number.fixed(numbers[ERROR], 4, Source("data/published.csv", f"{variant}.{ERROR}"))
        for results in found
        for variant, numbers in results.published.items()
    }


def _spread(results: Results, variant: str, key: str, digits: int) -> Number | str:
    if variant not in results.metrics:
        return ""
    return results.spread(variant, key, digits).below(results.name)


def _evidence(results: Results, variant: str) -> Number | str:
    """Return the pixel ROC-AUC of a variant's evidence, which not all have."""
    has = variant in results.metrics and results.has(variant, "evidence")
    return _spread(results, variant, "maps.evidence.auc", 2) if has else ""


def _attention(results: Results, variant: str) -> Number | str:
    """Return the pixel ROC-AUC of the first map of attention that a variant names."""
    own = own_maps(results, variant) if variant in results.metrics else []
    return _spread(results, variant, f"maps.{own[0]}.auc", 2) if own else ""


def _heads(results: Results) -> list[str]:
    beside = [] if results.images["stand_in"] else [f"{results.name} − published"]
    return [results.name, *beside]


def _losses(results: Results, variant: str) -> list[Number | str]:
    """Return the smallest test losses; on the article's own images, minus the published one too."""
    ours = _spread(results, variant, ERROR, 4)
    if results.images["stand_in"]:
        return [ours]
    if isinstance(ours, str) or variant not in results.published:
        return [ours, ""]
    theirs = Source("data/published.csv", f"{variant}.{ERROR}")
    more = results.seeds(variant, ERROR).mean() - results.published[variant][ERROR]
    return [ours, Number.signed(more, 2, *ours.sources, theirs)]
