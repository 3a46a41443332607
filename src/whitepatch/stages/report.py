"""Report an experiment: tables, figures and a page."""

from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from whitepatch import paths, sources
from whitepatch.data import layout, manifest
from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.rows import POOL
from whitepatch.figures import style
from whitepatch.figures.hardest import Hard
from whitepatch.figures.panels import Panel
from whitepatch.files import replacing, write_json
from whitepatch.params import Experiment, Folds, Params, load
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
    raw = paths.raw(results.experiment.source)
    tests = [
        manifest.load(paths.split(name), raw, seed, "test")["test"]
        for seed in results.experiment.train.seeds
    ]
    losses = _losses(params, results.experiment, maps)
    verdicts = judge(results, histories, losses)
    hard = _hard(params, results.experiment, losses, tests)
    brightest = Number.count(
        max(test.images.max() for test in tests),
        Source(str(paths.split(name)), "image"),
        form="highest byte",
    )

    folder = paths.report(name)
    tables = {
        "comparison": comparison(results, verdicts.primary),
        "scores": score_table(results),
        "learning_curves": curves(results, histories),
        "by_photograph": losses.table(),
    }
    for file, table in tables.items():
        with replacing(folder / f"{file}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    claims = as_json(verdicts, results.titles)
    write_json(folder / "claims.json", {"experiment": name, "claims": claims})
    with replacing(paths.summary(name)) as summaries:
        summaries.mkdir()
        for variant, numbers in summary(results).items():
            write_json(summaries / f"{variant}.json", numbers)
    panel = _panel(params, results.experiment, tests[0])
    drawn = draw(results, histories, maps, panel, hard, verdicts.primary)
    with replacing(folder / "figures") as figures, replacing(folder / "vector") as vectors:
        figures.mkdir()
        vectors.mkdir()
        for key, figure in drawn.items():
            style.save(figure, figures / f"{key}.png", photographs=key in PHOTOGRAPHS)
            style.save_vector(figure, vectors / f"{key}.pdf")
    inputs = _inputs(results)
    filled = content(results, histories, verdicts, brightest, list(drawn), inputs)
    page.write(folder, "report", filled)


def _losses(
    params: Params, experiment: Experiment, maps: Mapping[str, np.lib.npyio.NpzFile]
) -> Losses:
    """Return the losses of the test images, with what each of them shows."""
    rows = next(iter(maps.values()))["rows"]
    labels = _labels(experiment, rows.ravel())
    shown = sources.find(experiment.source).subjects(labels, params)
    file = f"{paths.raw(experiment.source)}/{_test_file(experiment)}_y.bin"
    return Losses.of(maps, np.reshape(shown, rows.shape), Source(file, "label"))


def _test_file(experiment: Experiment) -> Literal["train", "test"]:
    split = experiment.split
    return POOL if isinstance(split, Folds) else split.test.file


def _labels(experiment: Experiment, rows: NDArray[np.int64]) -> list[int]:
    """Return the source's labels of some test images."""
    labels = layout.read_labels(paths.raw(experiment.source), _test_file(experiment))
    return [int(label) for label in labels[rows]]


def _drawable(params: Params, experiment: Experiment, rows: NDArray[np.int64]) -> list[bool]:
    """Say which of some test images a figure may show."""
    return sources.find(experiment.source).drawable(_labels(experiment, rows), params)


def _panel(params: Params, experiment: Experiment, test: Part) -> Panel:
    """Return the first scored test images that a figure may show, as the networks see them."""
    score = experiment.score
    rows = test.rows[score.first : score.first + score.images]
    places = np.flatnonzero(_drawable(params, experiment, rows))[: score.panel]
    images = DeviceImages.of(test, experiment.patch, experiment.pixels, torch.device("cpu"))
    images = images.at(torch.from_numpy(score.first + places))
    seen = images.batch(images.first(len(images)))[0].numpy()
    pixels, (tops, lefts) = (
        experiment.pixels,
        (x[:, 0].numpy() for x in (images.tops, images.lefts)),
    )
    shown = np.clip((seen * pixels.scale + pixels.offset) / 255, 0, 1)
    return Panel(shown, tops, lefts, experiment.patch.size, places)


def _hard(
    params: Params, experiment: Experiment, losses: Losses, tests: Sequence[Part]
) -> list[Hard]:
    """Return the images with the highest losses, each where its loss is highest."""
    means, hardest = losses.by_image(), losses.hardest()
    drawable = _drawable(params, experiment, np.array(hardest))
    found = []
    for row, shown in zip(hardest, drawable, strict=True):
        seed, place = losses.worst(row)
        test = tests[seed]
        top, left = (int(x[place, 0]) for x in (test.plan.tops, test.plan.lefts))
        subject = str(losses.subjects[seed, place])
        loss = float(means[row])
        share = losses.losses[:, losses.rows == row].sum() / losses.losses.sum()
        image = test.images[place] if shown else None
        found.append(Hard(image, (top, left), subject, row, loss, float(share)))
    return found


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
