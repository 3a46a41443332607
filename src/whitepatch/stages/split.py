"""Split a source's images: who trains, validates and tests, who is patched, and where."""

from dataclasses import asdict

from whitepatch import paths, sources
from whitepatch.data import manifest
from whitepatch.data.plan import plan
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
    refuse_one_sided(name, experiment)
    raw = paths.raw(experiment.source)
    source = sources.find(experiment.source)
    source.refuse_overlap(raw, experiment.split)
    write_text(paths.split(name), manifest.table(experiment, raw))
    write_json(paths.origin(name), asdict(source.describe(params)))
    parts = manifest.load(paths.split(name), raw)
    style.save(contact_sheet(parts, experiment.patch, experiment.pixels), paths.contact_sheet(name))


def refuse_one_sided(name: str, experiment: Experiment) -> None:
    """See to it that each part of a split, and what is scored, has both answers to the task.

    Raises:
        UserError: All its images have a patch, or none has.
    """
    labels = {
        f"split.{part}": plan(rows, experiment.patch, experiment.train.batch_size).labels
        for part, rows in experiment.split.parts().items()
    }
    first = experiment.score.first
    labels["score.images"] = labels["split.test"][first : first + experiment.score.images]
    for where, found in labels.items():
        if len(set(found.tolist())) < 2:
            raise UserError(
                f"experiments.{name}.{where} must hold images with and without a patch, got only "
                f"label {found[0]}; take more rows, or another patch.seed or patch.probability"
            )


if __name__ == "__main__":
    run(split)
