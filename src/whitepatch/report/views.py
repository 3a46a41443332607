"""What DVC's own commands show: a few numbers a variant."""

__all__ = ["summary"]

from whitepatch.report.results import Results
from whitepatch.report.tables import map_table, seed_table

ERRORS = ("min_test_loss", "loss", "accuracy", "auc")
"""Columns of `seed_table` that `dvc metrics show` has room for."""


def summary(results: Results) -> dict[str, dict[str, float]]:
    """Return a few numbers of each variant, means over seeds, to four decimals.

    Returns:
        By variant: `min_test_loss` and `loss`, nats; `accuracy` and `auc` on test at the chosen
        epoch; `evidence_auc`, pixel ROC-AUC of the evidence as a map of the patch.
    """
    errors = seed_table(results).groupby("variant")[list(ERRORS)].mean()
    maps = map_table(results)
    evidence = maps[maps["trained"] & (maps["map"] == "evidence")].groupby("variant")["auc"].mean()
    return {
        variant: {name: round(float(errors[name][variant]), 4) for name in ERRORS}
        | {"evidence_auc": round(float(evidence[variant]), 4)}
        for variant in results.metrics
    }
