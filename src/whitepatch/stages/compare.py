"""Set all experiments and sweeps that have run side by side, and beside the article."""

import sys

import pandas as pd

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.figures import style
from whitepatch.figures.errors import errors_by_experiment
from whitepatch.figures.sizes import SIZE, sizes
from whitepatch.params import Params, load
from whitepatch.report import overview, page
from whitepatch.report.results import read, why_not
from whitepatch.report.tables import seed_table
from whitepatch.stages import run


def main() -> None:
    """Write reports/index.html, index.md, numbers.csv and two figures from whatever has run."""
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
    sweeps = _over_sizes(params)
    figure = sizes(sweeps, overview.titles(found))
    style.save(figure, paths.REPORTS / "sizes.png", photographs=False)
    filled = overview.content(found, missing, list(sweeps), marked=bool(marks))
    page.write(paths.REPORTS, "index", filled)


def _over_sizes(params: Params) -> dict[str, pd.DataFrame]:
    """Return the tables of sweeps that have run and have patches of several sizes."""
    files = {name: paths.sweep(name) for name in params.sweeps}
    tables = {name: pd.read_csv(file) for name, file in files.items() if file.exists()}
    return {name: table for name, table in tables.items() if SIZE in table}


if __name__ == "__main__":
    run(main)
