"""Split a source's images: who trains, validates and tests, who is patched, and where."""

from whitepatch import params, paths
from whitepatch.data import manifest
from whitepatch.data.manifest import Part
from whitepatch.errors import UserError
from whitepatch.figures import style
from whitepatch.figures.contact_sheet import contact_sheet
from whitepatch.files import write_text
from whitepatch.sources import photos
from whitepatch.stages import run


def split(name: str) -> None:
    """Write the manifest of an experiment and its contact sheet."""
    experiment = params.load().experiment(name)
    raw = paths.raw(experiment.source)
    photos.refuse_shared_photographs(raw, experiment.split)
    write_text(paths.split(name), manifest.table(experiment, raw))
    parts = manifest.load(paths.split(name), raw)
    _refuse_one_sided(parts, experiment.score.images)
    style.save(contact_sheet(parts, experiment.patch, experiment.pixels), paths.contact_sheet(name))


def _refuse_one_sided(parts: dict[str, Part], num_scored: int) -> None:
    """Refuse, before any training, what could not be evaluated after it."""
    labels = {f"split.{part}": loaded.plan.labels for part, loaded in parts.items()}
    for where, values in labels.items():
        if len(set(values.tolist())) < 2:
            raise UserError(
                f"{where} must hold images with and without a patch, got only label {values[0]}; "
                "take more rows, or another patch.seed or patch.probability"
            )
    if not labels["split.test"][:num_scored].any():
        raise UserError(
            f"score.images: none of the first {num_scored} images of test has a patch; "
            "score more, or choose another patch.seed or patch.probability"
        )


if __name__ == "__main__":
    run(split)
