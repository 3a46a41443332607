"""Report an experiment: tables, figures and a page."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from whitepatch import params, paths
from whitepatch.errors import UserError
from whitepatch.figures import style
from whitepatch.figures.errors import errors, learning_curves
from whitepatch.figures.localization import localization
from whitepatch.figures.panels import Panel, article_panel, attention_panel
from whitepatch.files import replacing, write_text
from whitepatch.report import page
from whitepatch.report.results import load
from whitepatch.report.tables import comparison, looking_maps, map_table, seed_table
from whitepatch.stages import run

FIGURES = {
    "errors": ("Smallest test loss and test accuracy of every seed, by variant", "metrics/"),
    "learning_curves": ("Loss and accuracy by epoch, by variant", "history/"),
    "attention": ("Test pictures beside evidence and attention maps of the variants", "maps/"),
    "localization": ("Scores of the maps, with chance, ceiling and controls", "metrics/"),
    "article": ("Test pictures beside three channels of each variant's layer output", "maps/"),
}
"""What each figure shows, and the files that it is drawn from."""


def main(name: str) -> None:
    """Write comparison.csv, figures/, report.html and report.md of an experiment."""
    everything = params.load()
    experiment = everything.experiment(name)
    _refuse_leftovers(name, everything.variants)
    results = load(name, everything)
    histories = {variant: pd.read_csv(paths.history(name, variant)) for variant in results.metrics}
    maps = {variant: np.load(paths.maps(name, variant)) for variant in results.metrics}

    folder = paths.report(name)
    with replacing(folder / "comparison.csv") as temporary:
        comparison(results).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    with replacing(folder / "figures") as figures:
        figures.mkdir()
        drawn = {
            "errors": errors(seed_table(results), results.titles),
            "learning_curves": learning_curves(histories, results.titles),
            "localization": localization(map_table(results), looking_maps(results), results.titles),
        }
        panel = Panel.of(next(iter(maps.values())), experiment)
        drawn["attention"] = attention_panel(
            panel, maps, looking_maps(results), results.titles, place=0
        )
        drawn["article"] = article_panel(panel, maps, results.titles)
        for key, figure in drawn.items():
            style.save(figure, figures / f"{key}.png")

    pictures = {
        key: page.Figure.of(folder, f"figures/{key}.png", alt, f"report@{name}, from {files}")
        for key, (alt, files) in FIGURES.items()
    }
    pictures["contact_sheet"] = page.Figure.of(
        folder,
        paths.contact_sheet(name).name,
        "The first images of each split, with their labels",
        f"split@{name}, from {paths.split(name)}",
    )
    content = page.content(results, pictures)
    for file in ("report.html", "report.md"):
        write_text(folder / file, page.render(file, content))


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
