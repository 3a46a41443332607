"""From metrics to tidy tables."""

__all__ = [
    "comparison",
    "feature_table",
    "looking_maps",
    "map_table",
    "published_table",
    "seed_table",
]

import pandas as pd

from whitepatch.report.results import Results

MEASURES = ("min_train_loss", "min_test_loss", "accuracy", "auc", "loss", "chosen_epoch")
"""The article's two numbers; then accuracy, ROC-AUC and loss on test at the chosen epoch."""

ATTENTION = {"attention mean": "mean of heads", "attention gate": "spatial gate"}
"""What people call an attention map, where it is not a single head."""


def seed_table(results: Results) -> pd.DataFrame:
    """Return one row a variant and seed: `variant`, `seed` and each of `MEASURES`."""
    return pd.DataFrame(
        {"variant": variant, "seed": int(seed)}
        | {name: value for name, value in numbers.items() if name in MEASURES}
        | numbers["test"]
        for variant, metrics in results.metrics.items()
        for seed, numbers in metrics["seeds"].items()
    )


def comparison(results: Results) -> pd.DataFrame:
    """Return one row a variant and measure: seeds, mean, standard deviation, least and most.

    The standard deviation is that of the seeds (n - 1), empty for a single one.
    """
    table = seed_table(results).melt(["variant", "seed"], list(MEASURES), "measure")
    values = table.groupby(["variant", "measure"], sort=False)["value"]
    summary = values.agg(["count", "mean", "std", "min", "max"])
    return summary.rename(columns={"count": "num_seeds"}).reset_index()


def published_table(results: Results) -> pd.DataFrame:
    """Return one row a published number: ours beside it, nats.

    Columns: `variant`, `measure`, `published`, `mean`, `std`, `num_seeds`, `difference` (mean minus
    published) and `num_below` (seeds whose loss is smaller than the published one).
    """
    seeds = seed_table(results)
    rows = []
    for variant in results.metrics:
        if variant not in results.published:
            continue
        for measure, published in results.published[variant].items():
            values = seeds.loc[seeds["variant"] == variant, measure]
            rows.append(
                {
                    "variant": variant,
                    "measure": measure,
                    "published": published,
                    "mean": values.mean(),
                    "std": values.std(),
                    "num_seeds": len(values),
                    "difference": values.mean() - published,
                    "num_below": int((values < published).sum()),
                }
            )
    return pd.DataFrame(rows)


def map_table(results: Results) -> pd.DataFrame:
    """Return one row a map and seed: `variant`, `map`, `trained`, `seed` and each score.

    Controls have the variant `control` and no seed.
    """
    rows = [
        {"variant": variant, "map": name, "trained": key == "maps", "seed": seed, **scores}
        for variant, metrics in results.metrics.items()
        for seed, numbers in metrics["seeds"].items()
        for key in ("maps", "untrained_maps")
        for name, scores in numbers[key].items()
    ]
    rows += [
        {"variant": "control", "map": name, "trained": True, "seed": "", **scores}
        for name, scores in results.any_variant["controls"]["maps"].items()
    ]
    return pd.DataFrame(rows)


def looking_maps(results: Results) -> list[tuple[str, str, str]]:
    """Return (variant, map, label) of the maps that say where a variant looks, in order.

    These are the evidence of every variant, and the attention of those that have one over space:
    each head and their mean, or the gate.
    """
    found = [
        (variant, "evidence", f"{title}: evidence") for variant, title in results.titles.items()
    ]
    for variant, title in results.titles.items():
        seeds = results.metrics[variant]["seeds"]
        names = next(iter(seeds.values()))["maps"]
        found += [
            (variant, name, f"{title}: {ATTENTION.get(name, name.removeprefix('attention '))}")
            for name in names
            if name.startswith("attention")
        ]
    return found


def feature_table(results: Results) -> pd.DataFrame:
    """Return how far each drawn channel tells patch from rest: |2 AUC - 1| by variant, seed, side.

    AUC is the mean over images. A channel may mark the patch by high or by low values, so both
    directions count, but it must be the same in every image. The article draws channels of the
    layer's *output*; beside them stand the same channels of its *input*.
    """
    table = map_table(results)
    features = table[table["map"].str.match(r"(input|output) \d")].copy()
    features["separation"] = (2 * features["auc"] - 1).abs()
    features["side"] = features["map"].str.split().str[0]
    separation = features.groupby(["variant", "trained", "seed", "side"], sort=False)["separation"]
    return separation.mean().reset_index()
