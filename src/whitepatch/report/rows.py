"""The tables of an experiment's page."""

__all__ = [
    "PLANNED",
    "claims",
    "clean",
    "errors",
    "features",
    "pairs",
    "probes",
    "published",
    "randomised",
    "scores",
    "variants",
]

from collections.abc import Sequence

import pandas as pd

from whitepatch.claims import Claim, Pair
from whitepatch.localization import SCORES
from whitepatch.report.numbers import Number, Source
from whitepatch.report.page import Table
from whitepatch.report.results import Results, description
from whitepatch.report.sources import ERROR, SEPARATION, deciding, seeds, total
from whitepatch.report.tables import (
    clean_table,
    feature_table,
    looking_maps,
    map_table,
    mixing_maps,
    probe_tables,
    published_table,
    seed_table,
)
from whitepatch.statistics import Difference, Interval

NOTHING = "–"

PLANNED = Source("src/whitepatch/claims.py", "PAIRS"), Source("params.yaml", "variants")
"""What the number of comparisons comes from."""

LOSSES = {"min_train_loss": "smallest train loss", "min_test_loss": "smallest test loss"}
"""What people call the article's two numbers."""

MEASURES = {
    "min_train_loss": ("smallest train loss", 4, "min_train_loss"),
    "min_test_loss": ("smallest test loss", 4, "min_test_loss"),
    "loss": ("chosen test loss", 4, "test.loss"),
    "accuracy": ("test accuracy", 3, "test.accuracy"),
    "auc": ("test ROC-AUC", 3, "test.auc"),
}
"""By column of the seeds' table: its heading, decimals, and key below a seed."""

CONTROLS = {
    "brightness": "control: brightness",
    "edges": "control: edges",
    "blob": "control: a blob in the middle",
    "uniform": "chance (uniform map)",
    "perfect": "ceiling (perfect 24×24 map)",
}
"""What people call the maps that no network made."""


def errors(results: Results) -> Table:
    """Return errors of the variants."""
    table = seed_table(results)
    rows: list[list[str | Number]] = []
    for variant, title in results.titles.items():
        some = table[table["variant"] == variant]
        size = results.metrics[variant]["num_parameters"]
        rows.append([title, Number.count(size, total(variant, "num_parameters"))])
        for column, (_, digits, key) in MEASURES.items():
            rows[-1].append(Number.spread(some[column], digits, *seeds(variant, key)))
    return Table(["variant", "parameters", *(it[0] for it in MEASURES.values())], rows)


def published(results: Results) -> Table:
    """Return the article's numbers beside ours; empty where the images are not its own kind."""
    head = ["variant", "loss", "published", "measured", "difference", "seeds below"]
    if results.experiment.source != "stl10":
        return Table(head, [])
    rows: list[list[str | Number]] = []
    for row in published_table(results).to_dict("records"):
        variant, measure, several = row["variant"], row["measure"], row["num_seeds"] > 1
        theirs = Source("data/published.csv", f"{variant}.{measure}")
        ours = seeds(variant, measure)
        spread = f" ± {row['std']:#.2g}" if several else ""
        below = f"{row['num_below']} of {row['num_seeds']}"
        rows.append(
            [
                results.titles[variant],
                LOSSES[measure],
                Number(f"{row['published']:#.3g}", "3 significant digits", (theirs,)),
                Number(f"{row['mean']:#.3g}{spread}", "mean, 3 significant digits", ours),
                Number.signed(row["difference"], 2, *ours, theirs),
                Number(below, "seeds below the published number", (*ours, theirs)),
            ]
        )
    return Table(head, rows)


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
    return Table(
        ["map", "pixel AUC", "AP", "pointing", "mass", "rank", "pixel AUC, untrained"], rows
    )


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


def claims(results: Results, found: Sequence[Claim]) -> Table:
    """Return a row for each number that decides; claim and verdict stand in the first of theirs."""
    rows: list[list[str | Number]] = []
    for claim in found:
        first = [f"{claim.number}. {claim.text}", claim.verdict]
        for name, number in claim.numbers.items():
            sources = deciding(claim, name)
            interval = number.interval if isinstance(number, Difference) else number
            p = (
                Number.fixed(number.p_value, 3, *sources, form="p of the sign flips")
                if isinstance(number, Difference)
                else NOTHING
            )
            rows.append(
                [
                    *first,
                    _with_titles(results, name),
                    Number.ranged(interval, 4, *sources),
                    p,
                    _detectable(interval, sources),
                ]
            )
            first = ["", ""]
    return Table(
        ["claim", "verdict", "decided by", "mean [95 % interval]", "p", "detectable"],
        rows,
    )


def pairs(results: Results, found: Sequence[Pair]) -> Table:
    """Return the planned comparisons."""
    rows: list[list[str | Number]] = []
    for pair in found:
        both = (*seeds(pair.first, ERROR), *seeds(pair.second, ERROR))
        it = pair.difference
        rows.append(
            [
                f"{results.titles[pair.first]} − {results.titles[pair.second]}",
                Number.ranged(it.interval, 4, *both),
                Number.fixed(it.p_value, 3, *both, form="p of the sign flips"),
                Number.fixed(
                    pair.adjusted_p, 3, *seeds("*", ERROR), *PLANNED, form="p, adjusted by Holm"
                ),
                Number.fixed(it.probability, 2, *both, form="probability"),
                _detectable(it.interval, (*both, *PLANNED)),
            ]
        )
    return Table(
        [
            "smallest test loss of",
            "mean [95 % interval]",
            "p",
            "p, Holm",
            "P(first > second)",
            "detectable",
        ],
        rows,
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


def variants(results: Results) -> Table:
    """Return what each variant is."""
    rows = [[title, description(variant)] for variant, title in results.titles.items()]
    return Table(["variant", "what it is"], rows)


def _with_titles(results: Results, name: str) -> str:
    """Return the name of a number with titles instead of variants: `error: a - b`."""
    measure, _, rest = name.rpartition(": ")
    parts = [results.titles.get(part, part) for part in rest.split(" - ")]
    return f"{measure}: {' − '.join(parts)}" if measure else " − ".join(parts)


def _detectable(found: Interval, sources: Sequence[Source]) -> Number | str:
    if found.num_seeds < 2:
        return NOTHING
    return Number.fixed(found.detectable, 4, *sources, form="smallest detectable difference")
