"""What a page says of where decisions look before the attention layer."""

__all__ = ["attributed"]

from collections.abc import Sequence
from typing import Any

from whitepatch.report.numbers import Number, seeds
from whitepatch.report.results import Results

Row = list[Number | str]

WHO = {"trained": "maps", "untrained": "untrained_maps"}
"""The networks that a page sets side by side, and where their other maps are."""

OF_VALUES = ("attention effective", "value norm")
"""Maps that only layers with attention between cells have."""


def attributed(results: Results) -> dict[str, Any]:
    """Return what the section is filled with; all scores are pixel AUCs.

    Returns:
        `pictures`: the most of a seed. `trained` and `untrained`: a table with a row a variant, as
        `head` and `rows`; that of the trained has the error of completeness, too. `attending`: rows
        of the variants that attend between cells. `undefined`: the variants without CAM. `spans`:
        by network and map, the lowest and the highest mean of the variants that have it.
    """
    attending = [v for v in results.metrics if set(OF_VALUES) <= set(_names(results, v))]
    groups = {"trunk length": list(results.metrics), "value norm": attending}
    return {
        **{who: _table(results, who) for who in WHO},
        "attending": [_attending(results, variant) for variant in attending],
        "pictures": _most(results, "attributions.num_pictures"),
        "undefined": [t for v, t in results.titles.items() if not results.has(v, "evidence")],
        "spans": {
            who: {
                name: _span(results, variants, f"attributions.{who}.{name}.auc")
                for name, variants in groups.items()
                if variants
            }
            for who in WHO
        },
    }


def _table(results: Results, who: str) -> dict[str, Any]:
    names = _names(results, next(iter(results.metrics)), who)
    names = [name for name in names if name not in OF_VALUES]
    starts = results.first_seed["attributions"]["completeness"] if who == "trained" else ()
    errors = [f"attributions.completeness.{start}.relative" for start in starts]
    return {
        "head": ["CAM", *map(_words, names), *(f"error, IG {start}" for start in starts)],
        "rows": [
            [
                title,
                _evidence(results, variant, who),
                *_aucs(results, variant, who, names),
                *(results.ranged(variant, key, 3) for key in errors),
            ]
            for variant, title in results.titles.items()
        ],
    }


def _most(results: Results, key: str) -> Number:
    first = next(iter(results.metrics))
    most = int(results.seeds(first, key).max())
    return Number.count(most, *seeds(first, key), form="highest of the seeds")


def _names(results: Results, variant: str, who: str = "trained") -> list[str]:
    return list(next(iter(results.metrics[variant]["seeds"].values()))["attributions"][who])


def _words(name: str) -> str:
    """Return what people call a map: its method, then its place."""
    place, method = name.split(" ", 1)
    return f"{method}, {'trunk' if place == 'trunk' else 'picture'}"


def _evidence(results: Results, variant: str, who: str) -> Number | str:
    if not results.has(variant, "evidence"):
        return "undefined"
    return results.ranged(variant, f"{WHO[who]}.evidence.auc", 2)


def _attending(results: Results, variant: str) -> Row:
    """Return raw and effective attention and the norm of values, trained and untrained."""
    found: Row = [results.titles[variant]]
    for who, others in WHO.items():
        found.append(results.ranged(variant, f"{others}.attention mean.auc", 2))
        found += _aucs(results, variant, who, OF_VALUES)
    return found


def _aucs(results: Results, variant: str, who: str, names: Sequence[str]) -> list[Number]:
    return [results.ranged(variant, f"attributions.{who}.{name}.auc", 2) for name in names]


def _span(results: Results, variants: Sequence[str], key: str) -> list[Number]:
    means = [results.seeds(variant, key).mean() for variant in variants]
    return [
        Number.fixed(value, 2, *seeds("*", key), form=f"mean of the {which}")
        for which, value in (("lowest", min(means)), ("highest", max(means)))
    ]
