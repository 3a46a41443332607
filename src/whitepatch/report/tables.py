"""From metrics to tidy tables."""

__all__ = [
    "attribution_table",
    "comparison",
    "emergence_table",
    "feature_table",
    "looking_maps",
    "map_table",
    "mixing_maps",
    "own_maps",
    "probe_tables",
    "score_table",
    "seed_table",
]

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from whitepatch.claims.crossed import Crossed
from whitepatch.claims.statistics import interval
from whitepatch.maps.scores import SCORES
from whitepatch.report.results import Results

MEASURES = ("loss", "accuracy", "auc", "min_test_loss", "min_train_loss", "chosen_epoch")
"""Loss, accuracy and ROC-AUC on test at the chosen epoch; then the article's two numbers."""

ATTENTION = {
    "attention mean": "mean of heads",
    "attention gate": "spatial gate",
    "strips": "its strips",
}
"""What people call an attention map, where it is not a single head."""

MIXING = {"from patch": "from the patch", "to patch": "to the patch", "from afar": "from afar"}
"""What people call attention that leaves or reaches chosen cells."""


def seed_table(results: Results) -> pd.DataFrame:
    """Return one row a variant and seed: `variant`, `seed` and each of `MEASURES`."""
    return pd.DataFrame(
        {"variant": variant, "seed": int(seed)}
        | {name: value for name, value in numbers.items() if name in MEASURES}
        | numbers["test"]
        for variant, metrics in results.metrics.items()
        for seed, numbers in metrics["seeds"].items()
    )


def comparison(results: Results, primary: Mapping[str, Mapping[str, Crossed]]) -> pd.DataFrame:
    """Return one row a variant and measure: seeds, mean, standard deviation, least and most.

    The standard deviation is that of the seeds (n - 1), empty for one; `low` and `high` are the
    ends of a 95 % interval. It is that of `crossed`, over seeds and scenes, for loss and accuracy,
    and that of `interval`, over seeds, for the rest; empty where there is none.

    Args:
        results: Of an experiment.
        primary: Loss and accuracy, by measure and variant.
    """
    table = seed_table(results).melt(["variant", "seed"], list(MEASURES), "measure")
    values = table.groupby(["variant", "measure"], sort=False)["value"]
    summary = values.agg(["count", "mean", "std", "min", "max"])
    found = []
    for group, seeds in values:
        variant, measure = map(str, group)
        name = f"table of {measure}, {variant}"
        crossed = primary[measure][variant] if measure in primary else None
        found.append(crossed or interval(seeds.to_numpy(float), name))
    summary["low"], summary["high"] = [it.low for it in found], [it.high for it in found]
    return summary.rename(columns={"count": "num_seeds"}).reset_index()


def map_table(results: Results) -> pd.DataFrame:
    """Return one row a map and seed: `variant`, `map`, `trained`, `seed` and each score.

    Controls have the variant `control`.
    """
    rows = [
        {"variant": variant, "map": name, "trained": key == "maps", "seed": seed, **scores}
        for variant, metrics in results.metrics.items()
        for seed, numbers in metrics["seeds"].items()
        for key in ("maps", "untrained_maps")
        for name, scores in numbers[key].items()
    ]
    rows += [
        {"variant": "control", "map": name, "trained": True, "seed": seed, **scores}
        for seed, numbers in results.any_variant["seeds"].items()
        for name, scores in numbers["controls"]["maps"].items()
    ]
    return pd.DataFrame(rows)


def attribution_table(results: Results) -> pd.DataFrame:
    """Return one row an attribution, network and seed, with each score.

    Columns: `variant`, `map`, `network` (`trained`, `untrained` or `redrawn`), `seed`, the scores.
    """
    return pd.DataFrame(
        {"variant": variant, "map": name, "network": network, "seed": seed, **scores}
        for variant, metrics in results.metrics.items()
        for seed, numbers in metrics["seeds"].items()
        for network in ("trained", "untrained", "redrawn")
        for name, scores in numbers["attributions"][network].items()
    )


def own_maps(results: Results, variant: str) -> list[str]:
    """Return the maps that a variant's layer names; figures draw the first as its attention."""
    return [name for name in results.metrics[variant]["emergence"]["auc"] if name != "evidence"]


def looking_maps(results: Results) -> list[tuple[str, str, str]]:
    """Return (variant, map, label) of the maps that say where a variant looks, in order.

    These are the evidence of every variant that has it, and what its layer names: the mean of its
    heads, beside each head, or the gate, or what the article's mixed axes allow, or a map of its
    own.
    """
    found = [
        (variant, "evidence", f"{title}: evidence")
        for variant, title in results.titles.items()
        if results.has(variant, "evidence")
    ]
    for variant, title in results.titles.items():
        metrics = results.metrics[variant]
        names = next(iter(metrics["seeds"].values()))["maps"]
        own = own_maps(results, variant)
        found += [
            (variant, name, f"{title}: {ATTENTION.get(name, name.removeprefix('attention '))}")
            for name in names
            if name.startswith("attention head ") or name in own
        ]
    return found


def mixing_maps(results: Results) -> list[tuple[str, str, str]]:
    """Return (variant, map, label) of the attention of chosen queries, and to chosen keys."""
    return [
        (variant, name, f"{title}: {label}")
        for variant, title in results.titles.items()
        for name, label in MIXING.items()
        if results.has(variant, name)
    ]


def score_table(results: Results) -> pd.DataFrame:
    """Return one row an experiment, variant, map, network, seed and score, with its `value`.

    The network is `trained`, `untrained`, or `redrawn`: untrained, of the next seed.
    """
    maps = map_table(results)
    maps.insert(2, "network", maps.pop("trained").map({True: "trained", False: "untrained"}))
    table = pd.concat([maps, attribution_table(results)]).melt(
        ["variant", "map", "network", "seed"], list(SCORES), "score", "value"
    )
    table.insert(0, "experiment", results.name)
    return table


def probe_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Return what the probes found, one row a variant and seed, and map where there are several.

    Returns:
        `occlusion`: falls of the logit, `removed`, `hidden` and `elsewhere`. `distractor`: `map`
        (`evidence` or `attention`), `planted`, `auc`; for the real patch too. `randomised`: `map`,
        `step`, `correlation`, `auc`.
    """
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("occlusion", "distractor", "randomised")
    }
    for variant, metrics in results.metrics.items():
        own = own_maps(results, variant)
        for seed, numbers in metrics["seeds"].items():
            who, probes = {"variant": variant, "seed": int(seed)}, numbers["probes"]
            rows["occlusion"].append(who | probes["occlusion"])
            planted = {"white, the real one": numbers} | probes["distractor"]
            for name, found in planted.items():
                rows["distractor"] += [
                    who | {"planted": name, "map": kind, "auc": scores["auc"]}
                    for kind, scores in _kinds(found["maps"], own)
                ]
            for step, maps in probes["randomised"].items():
                rows["randomised"] += [
                    who | {"step": step, "map": kind} | found for kind, found in _kinds(maps, own)
                ]
    return {name: pd.DataFrame(some) for name, some in rows.items()}


def _kinds(maps: Mapping[str, Any], own: Sequence[str]) -> list[tuple[str, Any]]:
    """Return evidence and attention, as far as they are there, by these names."""
    found = [("evidence", maps["evidence"])] if "evidence" in maps else []
    return found + [("attention", maps[name]) for name in own[:1] if name in maps]


def emergence_table(results: Results) -> pd.DataFrame:
    """Return how well the first seed's maps point, epoch by epoch; epoch 0 is before the first.

    Columns: `variant`, `map` (`evidence` or `attention`), `epoch` and `auc`.
    """
    return pd.DataFrame(
        {"variant": variant, "map": kind, "epoch": epoch, "auc": auc}
        for variant, metrics in results.metrics.items()
        for kind, aucs in _kinds(metrics["emergence"]["auc"], own_maps(results, variant))
        for epoch, auc in enumerate(aucs)
    )


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
