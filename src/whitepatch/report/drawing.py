"""Every figure of an experiment's page."""

__all__ = ["PHOTOGRAPHS", "draw"]

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch.claims.crossed import Crossed
from whitepatch.figures.clean import channel_gates, clean_maps
from whitepatch.figures.costs import costs
from whitepatch.figures.emergence import emergence
from whitepatch.figures.errors import errors, learning_curves
from whitepatch.figures.hardest import Hard, hardest
from whitepatch.figures.localization import localization
from whitepatch.figures.panels import Panel, article_panel, attention_panel
from whitepatch.figures.probes import distractors, occlusions, places, randomisation
from whitepatch.report.results import Results
from whitepatch.report.tables import (
    emergence_table,
    looking_maps,
    map_table,
    mixing_maps,
    own_maps,
    probe_tables,
    seed_table,
)

PHOTOGRAPHS = ("attention", "mixing", "article", "hardest")
"""The figures with photographs in them."""

FIRST = 0
"""Place of the seed whose maps are drawn."""

Floats: TypeAlias = NDArray[np.floating]
Saved = Mapping[str, Any]
"""By variant, the arrays of its evaluation."""


def draw(
    results: Results,
    histories: Mapping[str, pd.DataFrame],
    maps: Saved,
    panel: Panel,
    hard: Sequence[Hard],
    primary: Mapping[str, Mapping[str, Crossed]],
) -> dict[str, Figure]:
    """Draw the figures, by name, as far as the variants have what they show.

    Args:
        results: Of the experiment.
        histories: Of each variant.
        maps: Of each variant.
        panel: The pictures that are drawn, of the first seed.
        hard: The images with the highest losses.
        primary: Loss and accuracy, by measure and variant.
    """
    titles, experiment = results.titles, results.experiment
    some = next(iter(maps.values()))
    probes = probe_tables(results)
    looking, mixing = looking_maps(results), mixing_maps(results)
    drawn = {
        "errors": errors(seed_table(results), titles, primary),
        "learning_curves": learning_curves(histories, titles),
        "costs": costs(histories, titles, _teraflops(results)),
        "localization": localization(map_table(results), looking, titles),
        "attention": attention_panel(panel, maps, looking, titles, FIRST, range(len(panel))),
        "emergence": emergence(
            emergence_table(results), _by_kind(results, maps, "epochs"), panel, titles
        ),
        "clean": clean_maps(_mean_over_seeds(_by_kind(results, maps, "clean")), titles),
        "occlusion": occlusions(probes["occlusion"], titles),
        "places": places(
            _mean_over_seeds(_by_kind(results, maps, "probe/moved")),
            titles,
            experiment.patch.positions - 1,
        ),
        "distractors": distractors(
            probes["distractor"], titles, list(probes["distractor"]["planted"].unique())
        ),
        "randomisation": randomisation(
            probes["randomised"], titles, list(probes["randomised"]["step"].unique())
        ),
        "article": article_panel(panel, maps, titles),
        "hardest": hardest(hard, experiment),
    }
    if mixing and panel.patched:
        drawn["mixing"] = attention_panel(panel, maps, mixing, titles, FIRST, panel.patched)
    gate = "gate/channel"
    gates = {name: saved[gate][FIRST] for name, saved in maps.items() if gate in saved}
    if gates:
        drawn["channel_gates"] = channel_gates(
            gates, some["labels"][FIRST, some["scored"]] > 0, titles
        )
    return drawn


def _by_kind(results: Results, maps: Saved, prefix: str) -> dict[str, dict[str, Floats]]:
    """Return by variant what was saved of its evidence, its attention, and whether it was found."""
    kinds = {
        variant: {"found": "found", "evidence": "evidence"}
        | dict.fromkeys(own_maps(results, variant)[:1], "attention")
        for variant in maps
    }
    return {
        variant: {
            kind: saved[f"{prefix}/{name}"]
            for name, kind in kinds[variant].items()
            if f"{prefix}/{name}" in saved
        }
        for variant, saved in maps.items()
    }


def _mean_over_seeds(
    arrays: Mapping[str, Mapping[str, Floats]],
) -> dict[str, dict[str, Floats]]:
    return {
        variant: {kind: values.mean(axis=0) for kind, values in kinds.items()}
        for variant, kinds in arrays.items()
    }


def _teraflops(results: Results) -> dict[str, float]:
    """Return what an epoch of training takes each variant: forwards, and twice that backwards."""
    images = results.experiment.split.numbers()["train"]
    return {name: 3 * images * it["megaflops"] / 1e6 for name, it in results.metrics.items()}
