"""Report an experiment: tables, figures and a page."""

from hashlib import md5

import numpy as np
import pandas as pd

from whitepatch import paths, sources
from whitepatch.data import layout, manifest
from whitepatch.figures import style
from whitepatch.files import replacing, write_json
from whitepatch.params import Experiment, load
from whitepatch.report import page
from whitepatch.report.content import content
from whitepatch.report.drawing import PHOTOGRAPHS, draw
from whitepatch.report.dvc_tables import curves, summary
from whitepatch.report.losses import Losses
from whitepatch.report.numbers import Number, Source
from whitepatch.report.results import Results, read
from whitepatch.report.tables import comparison, score_table
from whitepatch.report.verdicts import as_json, judge
from whitepatch.stages import run

STAGES = {
    "history": ("train", paths.history),
    "metrics": ("evaluate", paths.metrics),
    "maps": ("evaluate", paths.maps),
}
"""Which stage makes what the page is made from, and where."""


def main(name: str) -> None:
    """Write the tables, claims, figures and page of an experiment."""
    params = load()
    results = read(name, params)
    histories = {variant: pd.read_csv(paths.history(name, variant)) for variant in results.metrics}
    maps = {variant: np.load(paths.maps(name, variant)) for variant in results.metrics}
    verdicts = judge(results, histories)
    raw = paths.raw(results.experiment.source)
    test = manifest.load(paths.split(name), raw, "test")["test"]
    losses = _losses(results.experiment, maps, test.rows)
    brightest = Number.count(
        test.images.max(), Source(str(paths.split(name)), "image"), form="highest byte"
    )

    folder = paths.report(name)
    tables = {
        "comparison": comparison(results),
        "scores": score_table(results),
        "learning_curves": curves(results, histories),
        "by_photograph": losses.table(),
    }
    for file, table in tables.items():
        with replacing(folder / f"{file}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    write_json(folder / "claims.json", {"experiment": name} | as_json(verdicts))
    with replacing(paths.summary(name)) as summaries:
        summaries.mkdir()
        for variant, numbers in summary(results).items():
            write_json(summaries / f"{variant}.json", numbers)
    drawn = draw(results, histories, maps, losses, test)
    with replacing(folder / "figures") as figures, replacing(folder / "vector") as vectors:
        figures.mkdir()
        vectors.mkdir()
        for key, figure in drawn.items():
            style.save(figure, figures / f"{key}.png", photographs=key in PHOTOGRAPHS)
            style.save_vector(figure, vectors / f"{key}.pdf")
    inputs = _inputs(results)
    filled = content(results, histories, verdicts, losses, brightest, list(drawn), inputs)
    page.write(folder, "report", filled)


def _losses(
    experiment: Experiment, maps: dict[str, np.lib.npyio.NpzFile], rows: np.ndarray
) -> Losses:
    """Return the losses of the test images, with what each of them shows."""
    raw, file = paths.raw(experiment.source), experiment.split.test.file
    labels = layout.read_labels(raw, file)[rows].tolist()
    shown = sources.find(experiment.source).subjects(labels)
    return Losses.of(maps, shown, Source(f"{raw}/{file}_y.bin", "label"))


def _inputs(results: Results) -> list[tuple[str, str, str]]:
    """Return the files that the page is made from, with the sums that DVC knows them by."""
    files = [(paths.split(results.name), f"split@{results.name}")]
    for stage, path in STAGES.values():
        files += [
            (path(results.name, it), f"{stage}@{results.name}-{it}") for it in results.metrics
        ]
    return [
        (str(file), stage, md5(file.read_bytes(), usedforsecurity=False).hexdigest())
        for file, stage in files
    ]


if __name__ == "__main__":
    run(main)
