"""Report an experiment: tables, figures and a page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from whitepatch import params, paths
from whitepatch.errors import UserError
from whitepatch.figures import style
from whitepatch.figures.errors import errors, learning_curves
from whitepatch.figures.localization import localization
from whitepatch.figures.panels import Panel, article_panel, attention_panel
from whitepatch.figures.probes import distractors, occlusions, places, randomisation
from whitepatch.files import replacing, write_json, write_text
from whitepatch.report import page
from whitepatch.report.content import content
from whitepatch.report.results import Results, load
from whitepatch.report.tables import (
    ATTENTION,
    comparison,
    looking_maps,
    map_table,
    mixing_maps,
    probe_tables,
    score_table,
    seed_table,
)
from whitepatch.report.verdicts import as_json, judge
from whitepatch.stages import run

FIGURES = {
    "errors": ("Smallest test loss and test accuracy of every seed, by variant", "metrics/"),
    "learning_curves": ("Loss and accuracy by epoch, by variant", "history/"),
    "attention": ("Test pictures beside evidence and attention maps of the variants", "maps/"),
    "localization": ("Scores of the maps, with chance, ceiling and controls", "metrics/"),
    "mixing": ("Test pictures beside attention from the patch's cells, and to them", "maps/"),
    "occlusion": ("Fall of the logit when the patch, or something else, is hidden", "metrics/"),
    "places": (
        "By the place of the patch: how often it is found, and the maps' pixel AUC",
        "maps/",
    ),
    "distractors": ("How well maps point at the patch, and at boxes without meaning", "metrics/"),
    "randomisation": ("How near maps stay while ever more layers are drawn anew", "metrics/"),
    "article": ("Test pictures beside three channels of each variant's layer output", "maps/"),
}
"""What each figure shows, and the files that it is drawn from."""

PHOTOGRAPHS = ("attention", "mixing", "article")
"""The figures with photographs in them."""


def main(name: str) -> None:
    """Write tables, claims.json, figures/, report.html and report.md of an experiment."""
    everything = params.load()
    _refuse_leftovers(name, everything.variants)
    results = load(name, everything)
    histories = {variant: pd.read_csv(paths.history(name, variant)) for variant in results.metrics}
    maps = {variant: np.load(paths.maps(name, variant)) for variant in results.metrics}
    verdicts = judge(results, histories)

    folder = paths.report(name)
    for file, table in (("comparison", comparison(results)), ("scores", score_table(results))):
        with replacing(folder / f"{file}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    write_json(folder / "claims.json", {"experiment": name} | as_json(verdicts))
    with replacing(folder / "figures") as figures:
        figures.mkdir()
        for key, figure in _drawn(results, histories, maps).items():
            style.save(figure, figures / f"{key}.png", photographs=key in PHOTOGRAPHS)

    pictures = {
        key: page.Figure.of(folder, f"figures/{key}.png", alt, f"report@{name}, from {files}")
        for key, (alt, files) in FIGURES.items()
        if (folder / f"figures/{key}.png").exists()
    }
    pictures["contact_sheet"] = page.Figure.of(
        folder,
        paths.contact_sheet(name).name,
        "The first images of each split, with their labels",
        f"split@{name}, from {paths.split(name)}",
    )
    filled = content(results, verdicts, pictures)
    for file in ("report.html", "report.md"):
        write_text(folder / file, page.render(file, filled))


def _drawn(
    results: Results, histories: Mapping[str, pd.DataFrame], maps: Mapping[str, Any]
) -> dict[str, Figure]:
    titles, experiment = results.titles, results.experiment
    panel = Panel.of(next(iter(maps.values())), experiment)
    probes = probe_tables(results)
    drawn = {
        "errors": errors(seed_table(results), titles),
        "learning_curves": learning_curves(histories, titles),
        "localization": localization(map_table(results), looking_maps(results), titles),
        "attention": attention_panel(
            panel, maps, looking_maps(results), titles, place=0, rows=range(len(panel))
        ),
        "occlusion": occlusions(probes["occlusion"], titles),
        "places": places(_grids(maps), titles, experiment.patch.positions - 1),
        "distractors": distractors(
            probes["distractor"], titles, list(dict.fromkeys(probes["distractor"]["planted"]))
        ),
        "randomisation": randomisation(
            probes["randomised"], titles, list(dict.fromkeys(probes["randomised"]["step"]))
        ),
        "article": article_panel(panel, maps, titles),
    }
    mixing = mixing_maps(results)
    if mixing and panel.patched:
        drawn["mixing"] = attention_panel(panel, maps, mixing, titles, place=0, rows=panel.patched)
    return drawn


def _grids(maps: Mapping[str, Any]) -> dict[str, dict[str, NDArray[np.floating]]]:
    """Return by variant what depends on the patch's place, means over seeds."""
    grids = {}
    for variant, saved in maps.items():
        found = {key: saved[f"probe/moved/{key}"].mean(axis=0) for key in ("found", "evidence")}
        for key in ATTENTION:
            if f"probe/moved/{key}" in saved:
                found["attention"] = saved[f"probe/moved/{key}"].mean(axis=0)
        grids[variant] = found
    return grids


def _refuse_leftovers(name: str, variants: Sequence[str]) -> None:
    """Refuse files of variants that params.yaml no longer names: they would count as inputs."""
    folders = [of(name, "").parent for of in (paths.history, paths.metrics, paths.maps)]
    files = [path for folder in folders for path in folder.glob("[!.]*")]
    left = [path for path in files if path.stem not in variants]
    if left:
        raise UserError(
            f"{left[0]} belongs to no variant of params.yaml; remove what is left of it: "
            f"rm {' '.join(map(str, left))}"
        )


if __name__ == "__main__":
    run(main)
