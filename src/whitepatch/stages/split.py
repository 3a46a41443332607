"""Split a source's images: who trains, validates and tests, who is patched, and where."""

from whitepatch import params, paths, sources
from whitepatch.data import manifest
from whitepatch.data.plan import plan
from whitepatch.errors import UserError
from whitepatch.figures import style
from whitepatch.figures.contact_sheet import contact_sheet
from whitepatch.files import write_text
from whitepatch.params import Experiment
from whitepatch.stages import run


def split(name: str) -> None:
    """Write the manifest of an experiment and its contact sheet."""
    experiment = params.load().experiment(name)
    raw = paths.raw(experiment.source)
    sources.find(experiment.source).refuse_overlap(raw, experiment.split)
    _refuse_one_sided(experiment)
    write_text(paths.split(name), manifest.table(experiment, raw))
    parts = manifest.load(paths.split(name), raw)
    style.save(contact_sheet(parts, experiment.patch, experiment.pixels), paths.contact_sheet(name))


def _refuse_one_sided(experiment: Experiment) -> None:
    """Refuse, before any training, what could not be evaluated after it."""
    labels = {
        f"split.{part}": plan(rows, experiment.patch, experiment.train.batch_size).labels
        for part, rows in experiment.split.parts().items()
    }
    first, number = experiment.score.first, experiment.score.images
    labels["score.images"] = labels["split.test"][first : first + number]
    for where, values in labels.items():
        if len(set(values.tolist())) < 2:
            raise UserError(
                f"{where} must hold images with and without a patch, got only label {values[0]}; "
                "take more rows, or another patch.seed or patch.probability"
            )


if __name__ == "__main__":
    run(split)
