"""Split a source's images: who trains, validates and tests, who is patched, and where."""

from dataclasses import asdict

from whitepatch import params, paths, sources
from whitepatch.data import manifest
from whitepatch.figures import style
from whitepatch.figures.contact_sheet import contact_sheet
from whitepatch.files import write_json, write_text
from whitepatch.stages import run


def split(name: str) -> None:
    """Write the manifest of an experiment, what its images are, and its contact sheet."""
    everything = params.load()
    experiment = everything.experiment(name)
    raw = paths.raw(experiment.source)
    source = sources.find(experiment.source)
    source.refuse_overlap(raw, experiment.split)
    write_text(paths.split(name), manifest.table(experiment, raw))
    write_json(paths.origin(name), asdict(source.describe(everything)))
    parts = manifest.load(paths.split(name), raw)
    style.save(contact_sheet(parts, experiment.patch, experiment.pixels), paths.contact_sheet(name))


if __name__ == "__main__":
    run(split)
