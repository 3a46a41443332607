"""From several experiments to one page that sets them side by side."""

__all__ = ["content"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from whitepatch.claims.statistics import difference
from whitepatch.report.numbers import Number, Source
from whitepatch.report.page import Figure, Table
from whitepatch.report.results import PLANS, Results
from whitepatch.report.sources import ERROR, parameter, seeds, total
from whitepatch.report.tables import ATTENTION, map_table, seed_table

BASELINE = "cnn"
"""The variant that the others are set against."""

Cells = Mapping[str, Number]
"""By variant."""


def content(
    found: Sequence[Results], missing: Mapping[str, str], figures: Mapping[str, Figure]
) -> dict[str, Any]:
    """Return what the templates of the overview are filled with.

    Args:
        found: The experiments that can be compared, in order.
        missing: Of the others, by name, why not.
        figures: By name.
    """
    titles = {variant: title for results in found for variant, title in results.titles.items()}
    return {
        "name": "all experiments",
        "found": found,
        "counts": {results.name: _counts(results) for results in found},
        "missing": missing,
        "origins": list(
            dict.fromkeys(f"{it.experiment.source}: {it.origin['words']}" for it in found)
        ),
        "all_stand_in": all(it.origin["stand_in"] for it in found),
        "figures": figures,
        "plans": PLANS,
        "baseline": titles.get(BASELINE, BASELINE),
        "losses": _losses(found, titles),
        "differences": _table(found, titles, _over_baseline),
        "accuracies": _table(found, titles, lambda it: _seeds(it, "accuracy", "test.accuracy", 3)),
        "evidence": _table(found, titles, lambda it: _looks(it, ["evidence"])),
        "attention": _table(found, titles, lambda it: _looks(it, list(ATTENTION))),
    }


def _table(
    found: Sequence[Results], titles: Mapping[str, str], cells: Callable[[Results], Cells]
) -> Table:
    """Return a table with a row for each variant that has any, a column for each experiment."""
    columns = [cells(results) for results in found]
    rows = [
        [title, *(column.get(variant, "–") for column in columns)]
        for variant, title in titles.items()
        if any(variant in column for column in columns)
    ]
    return Table(["variant", *(results.name for results in found)], rows)


def _losses(found: Sequence[Results], titles: Mapping[str, str]) -> Table:
    """Return smallest test losses, the published ones first.

    Beside an experiment on the article's own images stands what its mean has over the published
    number.
    """
    printed = {
        variant: Number.fixed(numbers[ERROR], 4, Source("data/published.csv", f"{variant}.{ERROR}"))
        for results in found
        for variant, numbers in results.published.items()
        if variant in results.titles
    }
    head = ["variant", "published"]
    columns: list[Cells] = [printed]
    for results in found:
        head.append(results.name)
        columns.append(_seeds(results, ERROR, ERROR, 4))
        if not results.origin["stand_in"]:
            head.append(f"{results.name} − published")
            columns.append(_over_published(results))
    rows = [
        [title, *(column.get(variant, "–") for column in columns)]
        for variant, title in titles.items()
    ]
    return Table(head, rows)


def _counts(results: Results) -> dict[str, Number]:
    key = "num_test_images"
    first = next(iter(results.metrics))
    sources = _within(results, [total(first, key)])
    trained = results.experiment.train.seeds
    return {
        "test_images": Number.count(results.any_variant[key], *sources),
        "seeds": Number.count(len(trained), parameter(results.name, "train.seeds")),
    }


def _seeds(results: Results, measure: str, key: str, digits: int) -> Cells:
    return {
        variant: Number.spread(values, digits, *_within(results, seeds(variant, key)))
        for variant, values in _by_variant(results, measure).items()
    }


def _over_baseline(results: Results) -> Cells:
    """Return each variant's smallest test loss minus the baseline's, paired by seed."""
    losses = _by_variant(results, ERROR)
    if BASELINE not in losses:
        return {}
    return {
        variant: Number.ranged(
            # by the name of the planned comparison, which so has the same resamples and interval
            difference(values, losses[BASELINE], f"{BASELINE} - {variant}").interval,
            4,
            *_within(results, [*seeds(variant, ERROR), *seeds(BASELINE, ERROR)]),
        )
        for variant, values in losses.items()
        if variant != BASELINE
    }


def _over_published(results: Results) -> Cells:
    losses = _by_variant(results, ERROR)
    return {
        variant: Number.signed(
            losses[variant].mean() - numbers[ERROR],
            2,
            *_within(results, seeds(variant, ERROR)),
            Source("data/published.csv", f"{variant}.{ERROR}"),
        )
        for variant, numbers in results.published.items()
        if variant in losses
    }


def _looks(results: Results, names: Sequence[str]) -> Cells:
    """Return the pixel ROC-AUC of that one of the named maps that each variant has."""
    table: pd.DataFrame = map_table(results)
    table = table[table["trained"] & table["map"].isin(names)]
    return {
        str(variant): Number.spread(
            rows["auc"], 2, *_within(results, seeds(str(variant), f"maps.{name}.auc"))
        )
        for (variant, name), rows in table.groupby(["variant", "map"], sort=False)
    }


def _by_variant(results: Results, measure: str) -> dict[str, Any]:
    """Return a measure of each variant's seeds, in the order of the seeds."""
    table = seed_table(results).sort_values("seed", kind="stable")
    return {it: table.loc[table["variant"] == it, measure].to_numpy() for it in results.titles}


def _within(results: Results, sources: Sequence[Source]) -> list[Source]:
    """Return sources by their names from the folder of all reports."""
    return [replace(source, file=f"{results.name}/{source.file}") for source in sources]
