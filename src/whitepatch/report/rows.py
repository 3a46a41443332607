"""The tables of a page that say how well the variants classify, and what the claims are worth."""

__all__ = ["PLANNED", "claims", "errors", "pairs", "published", "rules", "variants"]

from collections.abc import Sequence

from whitepatch.claims import representative
from whitepatch.claims.rules import Claim, Pair
from whitepatch.claims.statistics import Difference, Interval
from whitepatch.report.numbers import Number, Source
from whitepatch.report.page import Table
from whitepatch.report.results import Results, description
from whitepatch.report.sources import ERROR, choosing, deciding, seeds, total
from whitepatch.report.tables import published_table, seed_table
from whitepatch.report.verdicts import Histories

NOTHING = "–"

PLANNED = Source("src/whitepatch/claims/rules.py", "PAIRS"), Source("params.yaml", "variants")
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


def rules(found: Sequence[Claim]) -> Table:
    """Return what confirms each claim, and what refutes it."""
    return Table(
        ["claim", "confirmed if", "refuted if"],
        [[f"{claim.number}. {claim.text}", *claim.rule] for claim in found],
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


def variants(results: Results, histories: Histories) -> Table:
    """Return what each variant is, and which of its networks stands for it."""
    choose = results.experiment.train.choose
    rows: list[list[str | Number]] = []
    for variant, title in results.titles.items():
        stands = representative.of_variant(histories[variant], choose)
        where = choosing(variant, choose)
        rows.append(
            [
                title,
                description(variant),
                Number.count(stands.seed, where, form="chosen seed"),
                Number.count(stands.epoch, where, form="chosen epoch"),
                Number.fixed(stands.loss, 4, where, form="chosen loss"),
            ]
        )
    return Table(["variant", "what it is", "seed", "epoch", f"{choose} loss"], rows)


def _with_titles(results: Results, name: str) -> str:
    """Return the name of a number with titles instead of variants: `error: a - b`."""
    measure, _, rest = name.rpartition(": ")
    parts = [results.titles.get(part, part) for part in rest.split(" - ")]
    return f"{measure}: {' − '.join(parts)}" if measure else " − ".join(parts)


def _detectable(found: Interval, sources: Sequence[Source]) -> Number | str:
    if found.num_seeds < 2:
        return NOTHING
    return Number.fixed(found.detectable, 4, *sources, form="smallest detectable difference")
