"""What the page of one experiment is filled with."""

__all__ = ["content"]

from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd

from whitepatch.claims import LEAST_SEEDS, Claim, Pair, Verdict
from whitepatch.localization import SCORES
from whitepatch.report.page import Figure, Table, ranged, spread
from whitepatch.report.results import Results
from whitepatch.report.tables import (
    comparison,
    feature_table,
    looking_maps,
    map_table,
    mixing_maps,
    probe_tables,
    published_table,
    seed_table,
)
from whitepatch.report.verdicts import Verdicts
from whitepatch.statistics import ALPHA, Difference, Interval

LOSSES = {"min_train_loss": "smallest train loss", "min_test_loss": "smallest test loss"}
"""What people call the article's two numbers."""

CONTROLS = {
    "brightness": "control: brightness",
    "edges": "control: edges",
    "blob": "control: a blob in the middle",
    "uniform": "chance (uniform map)",
    "perfect": "ceiling (perfect 24×24 map)",
}
"""What people call the maps that no network made."""


def content(results: Results, verdicts: Verdicts, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Return what the templates of a page are filled with."""
    some = results.any_variant
    return {
        "name": results.name,
        "experiment": results.experiment,
        "origin": results.origin,
        "is_printed": results.is_printed,
        "published": _published(results),
        "figures": figures,
        "some": some,
        "num_seeds": len(results.experiment.train.seeds),
        "lowest": _best(results, "min_test_loss", "idxmin"),
        "highest": _best(results, "accuracy", "idxmax"),
        "errors": _errors(results),
        "scores": _scores(results),
        "claims": _claims(results, verdicts.claims),
        "verdicts": _by_verdict(verdicts.claims),
        "pairs": _pairs(results, verdicts.pairs),
        "significant": [pair for pair in verdicts.pairs if pair.lower],
        "titles": results.titles,
        "num_pairs": len(verdicts.pairs),
        "least_seeds": LEAST_SEEDS,
        "reachable": _reachable(verdicts.pairs),
        "looks": _extreme(results, "idxmax"),
        "misses": _extreme(results, "idxmin"),
        "smallest_p": max((it.difference.smallest_p for it in verdicts.pairs), default=1.0),
        "probes": _probes(results),
        "features": _features(results),
        "first_seed": results.experiment.train.seeds[0],
    }


def _best(results: Results, measure: str, which: str) -> dict[str, Any]:
    table = comparison(results)
    table = table[table["measure"] == measure].reset_index(drop=True)
    row = table.loc[getattr(table["mean"], which)()]
    return {"title": results.titles[row["variant"]], "mean": row["mean"], "std": row["std"]}


def _errors(results: Results) -> Table:
    table = seed_table(results)
    rows = []
    for variant, title in results.titles.items():
        seeds = table[table["variant"] == variant]
        rows.append(
            [
                title,
                f"{results.metrics[variant]['num_parameters']:,}",
                spread(seeds["min_train_loss"], 4),
                spread(seeds["min_test_loss"], 4),
                spread(seeds["loss"], 4),
                spread(seeds["accuracy"], 3),
                spread(seeds["auc"], 3),
            ]
        )
    return Table(
        [
            "variant",
            "parameters",
            "smallest train loss",
            "smallest test loss",
            "chosen test loss",
            "test accuracy",
            "test ROC-AUC",
        ],
        rows,
    )


def _published(results: Results) -> Table:
    """Return the article's numbers beside ours; empty where the images are not its own kind."""
    head = ["variant", "loss", "published", "measured", "difference", "seeds below"]
    if results.experiment.source != "stl10":
        return Table(head, [])
    return Table(
        head,
        [
            [
                results.titles[row["variant"]],
                LOSSES[row["measure"]],
                f"{row['published']:#.3g}",
                f"{row['mean']:#.3g}" + (f" ± {row['std']:#.2g}" if row["num_seeds"] > 1 else ""),
                f"{row['difference']:+#.2g}",
                f"{row['num_below']} of {row['num_seeds']}",
            ]
            for row in published_table(results).to_dict("records")
        ],
    )


def _scores(results: Results) -> Table:
    table = map_table(results)
    rows = []
    for variant, name, label in [*looking_maps(results), *mixing_maps(results)]:
        chosen = table[(table["variant"] == variant) & (table["map"] == name)]
        trained, untrained = chosen[chosen["trained"]], chosen[~chosen["trained"]]
        rows.append(
            [
                label,
                *(spread(trained[kind], 2) for kind in SCORES),
                spread(untrained["auc"], 2),
            ]
        )
    controls = results.any_variant["controls"]["maps"]
    rows += [
        [label, *(f"{controls[name][kind]:.2f}" for kind in SCORES), "–"]
        for name, label in CONTROLS.items()
    ]
    return Table(
        ["map", "pixel AUC", "AP", "pointing", "mass", "rank", "pixel AUC, untrained"],
        rows,
    )


def _features(results: Results) -> Table:
    table = feature_table(results)

    def cell(variant: str, side: str, *, trained: bool) -> str:
        chosen = (
            (table["variant"] == variant) & (table["side"] == side) & (table["trained"] == trained)
        )
        return spread(table.loc[chosen, "separation"], 2)

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


def _claims(results: Results, claims: list[Claim]) -> Table:
    """Return a row for each number that decides; claim and verdict stand in the first of theirs."""
    rows = []
    for claim in claims:
        first = [f"{claim.number}. {claim.text}", claim.verdict]
        for name, number in claim.numbers.items():
            p = f"{number.p_value:.3f}" if isinstance(number, Difference) else "–"
            found = number.interval if isinstance(number, Difference) else number
            shown = [ranged(found, 4), p, _detectable(found)]
            rows.append([*first, _with_titles(results, name), *shown])
            first = ["", ""]
    return Table(
        ["claim", "verdict", "decided by", "mean [95 % interval]", "p", "smallest detectable"],
        rows,
    )


def _with_titles(results: Results, name: str) -> str:
    """Return the name of a number with titles instead of variants: `error: a - b`."""
    measure, _, rest = name.rpartition(": ")
    parts = [results.titles.get(part, part) for part in rest.split(" - ")]
    return f"{measure}: {' − '.join(parts)}" if measure else " − ".join(parts)


def _detectable(found: Interval) -> str:
    return f"{found.detectable:.4f}" if found.num_seeds > 1 else "–"


def _reachable(pairs: list[Pair]) -> bool:
    """Say whether so many seeds could make any comparison significant."""
    return bool(pairs) and len(pairs) * pairs[0].difference.smallest_p < ALPHA


def _extreme(results: Results, which: str) -> dict[str, Any]:
    """Return the trained map with the highest or lowest mean pixel AUC, heads left out."""
    table = map_table(results)
    means = table.groupby(["variant", "map", "trained"])["auc"].mean()
    rows = pd.DataFrame(
        {
            "label": label,
            "trained": means[variant, name, True],
            "untrained": means[variant, name, False],
        }
        for variant, name, label in looking_maps(results)
        if " head " not in name
    )
    return dict(rows.loc[getattr(rows["trained"], which)()])


def _by_verdict(claims: list[Claim]) -> list[dict[str, Any]]:
    """Return how many claims got each verdict, and which; nothing if there are none."""
    found = {
        verdict: [str(claim.number) for claim in claims if claim.verdict == verdict]
        for verdict in get_args(Verdict)
    }
    return [
        {"verdict": verdict, "number": len(numbers), "claims": ", ".join(numbers)}
        for verdict, numbers in found.items()
        if claims
    ]


def _pairs(results: Results, pairs: list[Pair]) -> Table:
    return Table(
        [
            "smallest test loss of",
            "mean [95 % interval]",
            "p",
            "p, Holm",
            "P(first > second)",
            "detectable",
        ],
        [
            [
                f"{results.titles[pair.first]} − {results.titles[pair.second]}",
                ranged(pair.difference.interval, 4),
                f"{pair.difference.p_value:.3f}",
                f"{pair.adjusted_p:.3f}",
                f"{pair.difference.probability:.2f}",
                _detectable(pair.difference.interval),
            ]
            for pair in pairs
        ],
    )


def _probes(results: Results) -> Table:
    tables = probe_tables(results)

    def cell(name: str, variant: str, column: str, digits: int, **where: str) -> str:
        table = tables[name]
        chosen = table["variant"] == variant
        for key, value in where.items():
            chosen &= table[key] == value
        values: pd.Series[float] = table.loc[chosen, column]
        return spread(values, digits) if len(values) else "–"

    return Table(
        [
            "variant",
            "logit falls: patch taken away",
            "grey box over it",
            "grey box elsewhere",
            "found, all places",
            "found, worst place",
            "logit rises: black box",
            "grey box",
        ],
        [
            [
                title,
                *(cell("occlusion", variant, it, 2) for it in ("removed", "hidden", "elsewhere")),
                *(cell("moved", variant, it, 2) for it in ("found", "found_at_worst_place")),
                *(cell("fooled", variant, "logit_rise", 2, planted=it) for it in ("black", "grey")),
            ]
            for variant, title in results.titles.items()
        ],
    )
