"""From several experiments to one page that sets them side by side."""

__all__ = ["content"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from whitepatch.report.page import Figure, Table, spread
from whitepatch.report.results import Results
from whitepatch.report.tables import ATTENTION, map_table, seed_table

PLANS = {"per_image": "drawn for each image", "per_batch": "by place in the batch"}
"""What people call a plan of patches."""


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
        "missing": missing,
        "origins": list(
            dict.fromkeys(f"{it.experiment.source}: {it.origin['words']}" for it in found)
        ),
        "all_stand_in": all(it.origin["stand_in"] for it in found),
        "figures": figures,
        "plans": PLANS,
        "losses": _losses(found, titles),
        "accuracies": _table(found, titles, lambda results: _seeds(results, "accuracy", 3)),
        "evidence": _table(found, titles, lambda results: _looks(results, ["evidence"])),
        "attention": _table(found, titles, lambda results: _looks(results, list(ATTENTION))),
    }


def _table(
    found: Sequence[Results],
    titles: Mapping[str, str],
    cells: Callable[[Results], Mapping[str, str]],
) -> Table:
    """Return a table with a row for each variant and a column for each experiment."""
    columns = [cells(results) for results in found]
    rows = [
        [title, *(column.get(variant, "–") for column in columns)]
        for variant, title in titles.items()
    ]
    head = ["variant", *(results.name for results in found)]
    return Table(head, [row for row in rows if set(row[1:]) != {"–"}])


def _losses(found: Sequence[Results], titles: Mapping[str, str]) -> Table:
    """Return smallest test losses, the published ones first."""
    measured = _table(found, titles, lambda results: _seeds(results, "min_test_loss", 4))
    published = {
        results.titles[variant]: f"{numbers['min_test_loss']:.4f}"
        for results in found
        for variant, numbers in results.published.items()
        if variant in results.titles
    }
    return Table(
        ["variant", "published", *measured.head[1:]],
        [[row[0], published.get(row[0], "–"), *row[1:]] for row in measured.rows],
    )


def _seeds(results: Results, measure: str, digits: int) -> dict[str, str]:
    table = seed_table(results)
    return {
        variant: spread(table.loc[table["variant"] == variant, measure], digits)
        for variant in results.titles
    }


def _looks(results: Results, names: Sequence[str]) -> dict[str, str]:
    """Return the pixel ROC-AUC of the first of the named maps that each variant has."""
    table: pd.DataFrame = map_table(results)
    table = table[table["trained"] & table["map"].isin(names)]
    return {
        str(variant): spread(rows["auc"], 2)
        for variant, rows in table.groupby("variant", sort=False)
    }
