"""What DVC's own commands show: a few numbers a variant, and its curves."""

__all__ = ["curves", "summary"]

from collections.abc import Mapping

import pandas as pd

from whitepatch.figures import palette
from whitepatch.report.results import Results
from whitepatch.report.tables import map_table, seed_table

ERRORS = ("min_test_loss", "loss", "accuracy", "auc")
"""Columns of `seed_table` that `dvc metrics show` has room for."""

SPLITS = ("train", "validation", "test")


def summary(results: Results) -> dict[str, dict[str, float]]:
    """Return a few numbers of each variant, means over seeds, to four decimals.

    Returns:
        By variant: `min_test_loss` and `loss`, nats; `accuracy` and `auc` on test at the chosen
        epoch; `evidence_auc`, pixel ROC-AUC of the evidence as a map of the patch,
        where there is evidence.
    """
    errors = seed_table(results).groupby("variant")[list(ERRORS)].mean()
    maps = map_table(results)
    evidence = maps[maps["trained"] & (maps["map"] == "evidence")].groupby("variant")["auc"].mean()
    return {
        variant: {name: round(float(errors[name][variant]), 4) for name in ERRORS}
        | ({"evidence_auc": round(float(evidence[variant]), 4)} if variant in evidence else {})
        for variant in results.metrics
    }


def curves(results: Results, histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the loss by epoch, one row a variant, split and epoch.

    Columns: `variant` (what people call it), `colour` (that of the figures), `split`, `epoch`, and
    over seeds `loss` (the mean), `least` and `most`, nats. Variants come in the order of
    params.yaml.
    """
    parts = []
    for variant, title in results.titles.items():
        epochs = histories[variant].groupby("epoch")
        for split in SPLITS:
            if f"{split}_loss" not in histories[variant]:
                continue  # the article has no validation
            losses = epochs[f"{split}_loss"].agg(["mean", "min", "max"])
            part = losses.set_axis(["loss", "least", "most"], axis="columns").reset_index()
            part.insert(0, "split", split)
            part.insert(0, "colour", palette.colour(variant))
            part.insert(0, "variant", title)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)
