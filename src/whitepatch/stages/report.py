"""Report an experiment: tables, figures and a page."""

from collections.abc import Sequence
from hashlib import md5

import numpy as np
import pandas as pd

from whitepatch import params, paths
from whitepatch.figures import style
from whitepatch.files import replacing, write_json
from whitepatch.report import page
from whitepatch.report.content import content
from whitepatch.report.drawing import PHOTOGRAPHS, captions, draw
from whitepatch.report.results import load
from whitepatch.report.tables import comparison, score_table
from whitepatch.report.verdicts import as_json, judge
from whitepatch.report.views import curves, summary
from whitepatch.stages import run

STAGES = {
    "history": ("train", paths.history),
    "metrics": ("evaluate", paths.metrics),
    "maps": ("evaluate", paths.maps),
}
"""Which stage makes what the page is made from, and where."""


def main(name: str) -> None:
    """Write the tables, claims, figures and page of an experiment."""
    everything = params.load()
    results = load(name, everything)
    histories = {variant: pd.read_csv(paths.history(name, variant)) for variant in results.metrics}
    maps = {variant: np.load(paths.maps(name, variant)) for variant in results.metrics}
    verdicts = judge(results, histories)

    folder = paths.report(name)
    tables = {
        "comparison": comparison(results),
        "scores": score_table(results),
        "learning_curves": curves(results, histories),
    }
    for file, table in tables.items():
        with replacing(folder / f"{file}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    write_json(folder / "claims.json", {"experiment": name} | as_json(verdicts))
    with replacing(paths.summary(name)) as summaries:
        summaries.mkdir()
        for variant, numbers in summary(results).items():
            write_json(summaries / f"{variant}.json", numbers)
    drawn = draw(results, histories, maps)
    with replacing(folder / "figures") as figures, replacing(folder / "vector") as vectors:
        figures.mkdir()
        vectors.mkdir()
        for key, figure in drawn.items():
            style.save(figure, figures / f"{key}.png", photographs=key in PHOTOGRAPHS)
            style.save_vector(figure, vectors / f"{key}.pdf")

    pictures = {
        key: page.Figure.of(folder, f"figures/{key}.png", alt, f"report@{name}, from {files}")
        for key, (alt, files) in captions(results).items()
        if key in drawn
    }
    pictures["contact_sheet"] = page.Figure.of(
        folder,
        paths.contact_sheet(name).name,
        "The first images of each split, with their labels",
        f"split@{name}, from {paths.split(name)}",
    )
    inputs = _inputs(name, everything.variants)
    page.write(folder, "report", content(results, histories, verdicts, pictures, inputs))


def _inputs(name: str, variants: Sequence[str]) -> page.Table:
    """Return the files that the page is made from, with the sums that DVC knows them by."""
    files = [(paths.split(name), f"split@{name}")]
    for stage, path in STAGES.values():
        files += [(path(name, variant), f"{stage}@{name}-{variant}") for variant in variants]
    rows = [
        [str(file), stage, md5(file.read_bytes(), usedforsecurity=False).hexdigest()]
        for file, stage in files
    ]
    return page.Table(["file", "made by", "MD5"], rows)


if __name__ == "__main__":
    run(main)
