"""What the page of one experiment is filled with."""

__all__ = ["content"]

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pandas as pd

from whitepatch.claims import representative
from whitepatch.claims.rules import LEAST_SEEDS, MARGIN, Claim, Pair, Verdict
from whitepatch.claims.statistics import ALPHA, POWER
from whitepatch.report import map_rows, rows
from whitepatch.report.numbers import Number, Source
from whitepatch.report.page import Figure, Table
from whitepatch.report.results import PLANS, Results
from whitepatch.report.sources import ERROR, SEPARATION, choosing, curve, parameter, seeds, total
from whitepatch.report.tables import comparison, looking_maps, map_table
from whitepatch.report.verdicts import Histories, Verdicts
from whitepatch.tracking import naming

LEAST = Source("src/whitepatch/claims/rules.py", "LEAST_SEEDS")
"""The number of seeds that a verdict needs."""


def content(
    results: Results,
    histories: Histories,
    verdicts: Verdicts,
    figures: Mapping[str, Figure],
    inputs: Table,
) -> dict[str, Any]:
    """Return what the templates of a page are filled with.

    Args:
        results: Of the experiment.
        histories: Of the same.
        verdicts: Of the same.
        figures: By name.
        inputs: The files that the page was made from.
    """
    some = results.any_variant
    return {
        "name": results.name,
        "experiment": results.experiment,
        "origin": results.origin,
        "is_printed": results.is_printed,
        "plan": PLANS[results.experiment.patch.plan],
        "chosen_by": some["chosen_by"],
        "trained_on": some["trained_on"],
        "figures": figures,
        "titles": results.titles,
        "n": _numbers(results, verdicts),
        "lowest": _best(results, "min_test_loss", ERROR, "idxmin", 4),
        "highest": _best(results, "accuracy", "test.accuracy", "idxmax", 3),
        "looks": _extreme(results, "idxmax"),
        "misses": _extreme(results, "idxmin"),
        "verdicts": _by_verdict(results, verdicts.claims),
        "significant": [pair for pair in verdicts.pairs if pair.lower],
        "others": len(verdicts.pairs) > sum(pair.lower is not None for pair in verdicts.pairs),
        "planned": len(verdicts.pairs),
        "reachable": _reachable(verdicts.pairs),
        "errors": rows.errors(results),
        "published": rows.published(results),
        "pairs": rows.pairs(results, verdicts.pairs),
        "claims": rows.claims(results, verdicts.claims),
        "rules": rows.rules(verdicts.claims),
        "scores": map_rows.scores(results),
        "clean": map_rows.clean(results),
        "probes": map_rows.probes(results),
        "features": map_rows.features(results),
        "randomised": map_rows.randomised(results),
        "gates": map_rows.gates(results),
        "variants": rows.variants(results, histories),
        "chosen": _chosen(results, histories),
        "inputs": inputs,
    }


def _numbers(results: Results, verdicts: Verdicts) -> dict[str, Number]:
    """Return the numbers of the sentences that no table has, by name."""
    experiment, some = results.experiment, results.any_variant
    first = next(iter(results.metrics))

    def given(value: float, key: str) -> Number:
        return Number.plain(value, parameter(results.name, key))

    train, patch, score, pixels = (
        experiment.train,
        experiment.patch,
        experiment.score,
        experiment.pixels,
    )
    smallest_p = max((pair.difference.smallest_p for pair in verdicts.pairs), default=1.0)
    trained = parameter(results.name, "split.train.*")
    where = (parameter(results.name, "split.test.start"), parameter(results.name, "score.first"))
    all_seeds = parameter(results.name, "train.seeds")
    threads = some["trained_on"]["threads"]
    return {
        "test_images": Number.count(some["num_test_images"], total(first, "num_test_images")),
        "kept_images": given(score.images, "score.images"),
        "scored_images": Number.count(some["num_scored_images"], total(first, "num_scored_images")),
        "seeds": Number.count(len(train.seeds), all_seeds),
        "first_seed": Number.plain(train.seeds[0], all_seeds),
        "brightest_box": Number.fixed(
            some["controls"]["brightest_box_auc"], 3, total(first, "controls.brightest_box_auc")
        ),
        "pairs": Number.count(len(verdicts.pairs), *rows.PLANNED),
        "smallest_p": Number.fixed(smallest_p, 4, all_seeds, form="smallest p of the sign flips"),
        "least_seeds": Number.count(LEAST_SEEDS, LEAST),
        "margin": Number(
            f"{MARGIN:.0%}", "as given", (Source("src/whitepatch/claims/rules.py", "MARGIN"),)
        ),
        "power": Number(
            f"{POWER:.0%}", "as given", (Source("src/whitepatch/claims/statistics.py", "POWER"),)
        ),
        "claims": Number.count(
            len(verdicts.claims), Source("src/whitepatch/claims/rules.py", "decide")
        ),
        "grid": given(score.grid, "score.grid"),
        "movers": given(score.movers, "score.movers"),
        "first_row": Number.count(experiment.split.test.start + score.first, *where),
        "offset": given(pixels.offset, "pixels.offset"),
        "scale": given(pixels.scale, "pixels.scale"),
        "size": given(patch.size, "patch.size"),
        "value": Number(f"{patch.value}", "as given", (parameter(results.name, "patch.value"),)),
        "positions": given(patch.positions, "patch.positions"),
        "train_images": Number.count(len(experiment.split.train), trained),
        "epochs": given(train.epochs, "train.epochs"),
        "batch_size": given(train.batch_size, "train.batch_size"),
        "learning_rate": given(train.learning_rate, "train.learning_rate"),
        "threads": Number.count(threads, total(first, "trained_on.threads")),
    }


def _best(results: Results, measure: str, key: str, which: str, digits: int) -> dict[str, Any]:
    table = comparison(results)
    table = table[table["measure"] == measure].reset_index(drop=True)
    row = table.loc[getattr(table["mean"], which)()]
    mean = Number.fixed(row["mean"], digits, *seeds("*", key), form="mean of the best variant")
    return {"title": results.titles[row["variant"]], "mean": mean}


def _chosen(results: Results, histories: Histories) -> dict[str, Any]:
    """Return the network that stands for the experiment, and what MLflow calls it."""
    choose = results.experiment.train.choose
    stands = representative.of_experiment(histories, choose)
    return {
        "title": results.titles[stands.variant],
        "seed": Number.count(stands.seed, choosing("*", choose), form="chosen seed"),
        "registered": naming.experiment(results.name),
        "alias": naming.ALIAS,
    }


def _extreme(results: Results, which: str) -> dict[str, Any]:
    """Return the trained map with the highest or lowest mean pixel AUC, heads left out."""
    table = map_table(results)
    means = table.groupby(["variant", "map", "trained"])["auc"].mean()
    found = pd.DataFrame(
        {
            "label": label,
            "trained": means[variant, name, True],
            "untrained": means[variant, name, False],
        }
        for variant, name, label in looking_maps(results)
        if " head " not in name
    )
    row = found.loc[getattr(found["trained"], which)()]
    # which map it is depends on all of them
    ours, before = seeds("*", "maps.*.auc", "untrained_maps.*.auc")
    return {
        "label": row["label"],
        "trained": Number.fixed(row["trained"], 2, ours, form="mean of that map"),
        "untrained": Number.fixed(row["untrained"], 2, ours, before, form="mean of that map"),
    }


def _by_verdict(results: Results, claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Return how many claims got each verdict, and which; nothing if there are none."""
    sources = (
        *seeds("*", ERROR, *dict.fromkeys(SEPARATION.values())),
        curve("*"),
        LEAST,
        parameter(results.name, "train.seeds"),
    )
    found = {
        verdict: [str(claim.number) for claim in claims if claim.verdict == verdict]
        for verdict in get_args(Verdict)
    }
    return [
        {
            "verdict": verdict,
            "several": len(numbers) != 1,
            "number": Number.count(len(numbers), *sources) if numbers else "none",
            "claims": Number(", ".join(numbers), "numbers of the claims", sources)
            if numbers
            else "",
        }
        for verdict, numbers in found.items()
        if claims
    ]


def _reachable(pairs: Sequence[Pair]) -> bool:
    """Say whether so many seeds could make any comparison significant."""
    return bool(pairs) and len(pairs) * pairs[0].difference.smallest_p < ALPHA
