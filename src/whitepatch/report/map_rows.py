"""The tables of a page that say what maps and probes show."""

__all__ = ["clean", "features", "gates", "probes", "randomised", "scores"]

import pandas as pd

from whitepatch.maps.scores import SCORES
from whitepatch.report.numbers import Number
from whitepatch.report.page import Table
from whitepatch.report.results import Results
from whitepatch.report.sources import SEPARATION, seeds, total
from whitepatch.report.tables import (
    clean_table,
    feature_table,
    looking_maps,
    map_table,
    mixing_maps,
    probe_tables,
)

NOTHING = "–"

CONTROLS = {
    "brightness": "control: brightness",
    "edges": "control: edges",
    "blob": "control: a blob in the middle",
    "uniform": "chance (uniform map)",
    "perfect": "ceiling (perfect 24×24 map)",
    "perfect strips": "ceiling of strips",
}
"""What people call the maps that no network made."""


def scores(results: Results) -> Table:
    """Return how well the maps point at the patch, controls last."""
    table = map_table(results)
    rows: list[list[str | Number]] = []
    for variant, name, label in [*looking_maps(results), *mixing_maps(results)]:
        chosen = table[(table["variant"] == variant) & (table["map"] == name)]
        trained, untrained = chosen[chosen["trained"]], chosen[~chosen["trained"]]
        cells = [
            Number.spread(trained[kind], 2, *seeds(variant, f"maps.{name}.{kind}"))
            for kind in SCORES
        ]
        before = Number.spread(untrained["auc"], 2, *seeds(variant, f"untrained_maps.{name}.auc"))
        rows.append([label, *cells, before])
    # every variant's file has the same controls; they are read from the first
    first, controls = next(iter(results.metrics)), results.any_variant["controls"]["maps"]
    for name, label in CONTROLS.items():
        numbers = [
            Number.fixed(controls[name][kind], 2, total(first, f"controls.maps.{name}.{kind}"))
            for kind in SCORES
        ]
        rows.append([label, *numbers, NOTHING])
    return Table(["map", *SCORES.values(), "pixel AUC, untrained"], rows)


def features(results: Results) -> Table:
    """Return how far the channels that the article draws tell the patch from the rest."""
    table = feature_table(results)

    def cell(variant: str, side: str, *, trained: bool) -> Number:
        chosen = (
            (table["variant"] == variant) & (table["side"] == side) & (table["trained"] == trained)
        )
        key = SEPARATION[side if trained else "untrained"]
        return Number.spread(table.loc[chosen, "separation"], 2, *seeds(variant, key))

    return Table(
        ["variant", "output", "input", "output, untrained"],
        [
            [
                title,
                cell(variant, "output", trained=True),
                cell(variant, "input", trained=True),
                cell(variant, "output", trained=False),
            ]
            for variant, title in results.titles.items()
        ],
    )


def probes(results: Results) -> Table:
    """Return what the probes found."""
    tables = probe_tables(results)
    columns = [
        ("occlusion", "removed", "", "logit falls: patch gone"),
        ("occlusion", "hidden", "", "grey box over it"),
        ("occlusion", "elsewhere", "", "grey box elsewhere"),
        ("moved", "found", "", "found, all places"),
        ("moved", "found_at_worst_place", "", "found, worst place"),
        ("distractor", "logit_rise", "black", "logit rises: black box"),
        ("distractor", "logit_rise", "grey", "grey box"),
        ("distractor", "fooled", "grey", "turned by a grey box"),
    ]

    def cell(variant: str, name: str, column: str, planted: str) -> Number | str:
        table = tables["fooled" if planted else name]
        chosen = table["variant"] == variant
        if planted:
            chosen &= table["planted"] == planted
        values: pd.Series[float] = table.loc[chosen, column]
        key = ".".join(part for part in ("probes", name, planted, column) if part)
        return Number.spread(values, 2, *seeds(variant, key)) if len(values) else NOTHING

    return Table(
        ["variant", *(heading for *_, heading in columns)],
        [
            [title, *(cell(variant, *where) for *where, _ in columns)]
            for variant, title in results.titles.items()
        ],
    )


def clean(results: Results) -> Table:
    """Return what the maps follow where there is no patch."""
    table = clean_table(results)
    followed = [str(name) for name in table if name not in ("variant", "map", "seed")]
    rows: list[list[str | Number]] = []
    for variant, name, label in looking_maps(results):
        some = table[(table["variant"] == variant) & (table["map"] == name)]
        if len(some):
            keys = {control: f"clean.{name}.{control}" for control in followed}
            cells = [Number.spread(some[it], 2, *seeds(variant, keys[it])) for it in followed]
            rows.append([label, *cells])
    return Table(["map", *followed], rows)


def randomised(results: Results) -> Table:
    """Return how well maps point at the patch while ever more layers are drawn anew."""
    steps = list(next(iter(results.any_variant["seeds"].values()))["probes"]["randomised"])
    rows: list[list[str | Number]] = []
    for variant, name, label in looking_maps(results):
        found = list(results.metrics[variant]["seeds"].values())
        if name not in found[0]["probes"]["randomised"][steps[0]]:
            continue
        rows.append(
            [
                label,
                Number.spread(
                    [seed["maps"][name]["auc"] for seed in found],
                    2,
                    *seeds(variant, f"maps.{name}.auc"),
                ),
            ]
        )
        for step in steps:
            aucs = [seed["probes"]["randomised"][step][name]["auc"] for seed in found]
            key = f"probes.randomised.{step}.{name}.auc"
            rows[-1].append(Number.spread(aucs, 2, *seeds(variant, key)))
    return Table(["pixel AUC, drawn anew down to", "nothing", *steps], rows)


def gates(results: Results) -> Table:
    """Return whether channel gates know of the patch, for the variants that have one."""
    columns = {
        "patched": "mean gate, patched pictures",
        "clean": "mean gate, clean pictures",
        "separation": "separation",
    }
    rows: list[list[str | Number]] = []
    for variant, title in results.titles.items():
        found = [seed["channel_gate"] for seed in results.metrics[variant]["seeds"].values()]
        if found[0] is not None:
            cells = [
                Number.spread(
                    [gate[it] for gate in found], 2, *seeds(variant, f"channel_gate.{it}")
                )
                for it in columns
            ]
            rows.append([title, *cells])
    return Table(["variant", *columns.values()], rows)
