"""Set all experiments and sweeps that have run side by side, and beside the article."""

import sys

import numpy as np
import pandas as pd

from whitepatch import paths
from whitepatch.claims.predictions import PREDICTIONS, sweep_of
from whitepatch.claims.swept import Swept
from whitepatch.errors import UserError
from whitepatch.figures import palette, style
from whitepatch.figures.errors import errors_by_experiment
from whitepatch.figures.sizes import sizes
from whitepatch.figures.strip import strip
from whitepatch.figures.tasks import tasks
from whitepatch.params import Params, load
from whitepatch.report import overview, page
from whitepatch.report.questions import TASKS, Questions
from whitepatch.report.results import read, title, why_not
from whitepatch.report.tables import seed_table
from whitepatch.stages import run

SIZES = ("size", "demo-size")
"""Sweeps over the size of the patch; the first that has run is drawn."""

ASKED = {*TASKS, *map(sweep_of, PREDICTIONS)}
"""The sweeps that the page's questions are asked of."""


def main() -> None:
    """Write reports/index.html, index.md, numbers.csv and four figures from whatever has run."""
    params = load()
    missing = {name: why for name in params.experiments if (why := why_not(name, params))}
    found = [read(name, params) for name in params.experiments if name not in missing]
    for name, why in missing.items():
        print(f"compare: {name} {why}", file=sys.stderr)  # noqa: T201
    if not found:
        raise UserError(
            "no experiment has results of all its variants; run make demo, or bring the "
            "overview back: git checkout reports"
        )
    marks = {
        results.name: {name: it["min_test_loss"] for name, it in results.published.items()}
        for results in found
        if not results.images["stand_in"]
    }
    tables = {results.name: seed_table(results) for results in found}
    titles = {
        results.name: results.name + ("\n(stand-in)" if results.images["stand_in"] else "")
        for results in found
    }
    figure = errors_by_experiment(tables, overview.titles(found), titles, marks)
    style.save(figure, paths.REPORTS / "errors.png", photographs=False)
    swept = _swept(params)
    drawn = [name for name in SIZES if name in swept][:1]
    names = sorted({name for it in swept.values() for name in it.table["variant"]}, key=_place)
    called = {name: title(name) for name in names}
    figure = sizes({name: swept[name].table for name in drawn}, called)
    style.save(figure, paths.REPORTS / "sizes.png", photographs=False)
    questions = Questions({it: one for it, one in swept.items() if it in ASKED}, called)
    style.save(tasks(questions.tasks(), called), paths.REPORTS / "tasks.png", photographs=False)
    style.save(strip(questions.pictures()), paths.REPORTS / "strip.png")
    filled = overview.content(found, missing, drawn, questions, marked=bool(marks))
    page.write(paths.REPORTS, "index", filled)


def _swept(params: Params) -> dict[str, Swept]:
    """Return the sweeps that have run."""
    found = {}
    for name in params.sweeps:
        table, arrays = paths.sweep(name), paths.sweep(name).with_suffix(".npz")
        if table.exists() and arrays.exists():
            found[name] = Swept.of(name, pd.read_csv(table), np.load(arrays))
    return found


def _place(variant: str) -> tuple[int, str]:
    known = palette.ORDER.index(variant) if variant in palette.ORDER else len(palette.ORDER)
    return known, variant


if __name__ == "__main__":
    run(main)
