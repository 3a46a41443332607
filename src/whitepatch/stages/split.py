"""Split a source's images: who trains, validates and tests, who is patched, and where."""

import io
from dataclasses import asdict

import pandas as pd

from whitepatch import paths, sources
from whitepatch.data import layout, manifest
from whitepatch.data.rows import rows_of
from whitepatch.errors import UserError
from whitepatch.figures import style
from whitepatch.figures.contact_sheet import contact_sheet
from whitepatch.files import write_json, write_text
from whitepatch.params import Experiment, load
from whitepatch.stages import run


def split(name: str) -> None:
    """Write the manifest of an experiment, what its images are, and its contact sheet."""
    params = load()
    experiment = params.experiment(name)
    raw = paths.raw(experiment.source)
    source = sources.find(experiment.source)
    table = manifest.table(experiment, raw)
    refuse_one_sided(name, experiment, table)
    write_text(paths.split(name), table)
    write_json(paths.origin(name), asdict(source.describe(params)))
    seed = experiment.train.seeds[0]
    parts = manifest.load(paths.split(name), raw, seed)
    drawable = {}
    for part, chosen in rows_of(experiment.split, seed, raw).items():
        labels = layout.read_labels(raw, chosen.file)[chosen.rows].tolist()
        drawable[part] = source.drawable(labels, params)
    sheet = contact_sheet(parts, drawable, experiment.patch, experiment.pixels)
    style.save(sheet, paths.contact_sheet(name))


def refuse_one_sided(name: str, experiment: Experiment, table: str) -> None:
    """See to it that each part of a split, and what is scored, has both answers to the task.

    Raises:
        UserError: All its images have a patch, or none has.
    """
    rows = pd.read_csv(io.StringIO(table)).fillna({"seed": experiment.train.seeds[0]})
    score = experiment.score
    for (seed, part), labels in rows.groupby(["seed", "split"], sort=False)["label"]:
        asked = {f"split.{part}": labels}
        if part == "test":
            asked["score.images"] = labels[score.first : score.first + score.images]
        for where, found in asked.items():
            if found.nunique() < 2:
                raise UserError(
                    f"experiments.{name}.{where} must hold images of both labels, seed "
                    f"{seed:.0f} got only label {found.iloc[0]}; take more images, or another "
                    "patch.seed or patch.probability"
                )


if __name__ == "__main__":
    run(split)
