"""Set all experiments that have run side by side, and beside the article."""

import sys

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.figures import style
from whitepatch.figures.errors import errors_by_experiment
from whitepatch.params import load
from whitepatch.report import overview, page
from whitepatch.report.results import read, why_not
from whitepatch.report.tables import seed_table
from whitepatch.stages import run


def main() -> None:
    """Write reports/index.html, index.md, numbers.csv and errors.png from whatever has run."""
    params = load()
    missing = {name: why for name in params.experiments if (why := why_not(name, params))}
    found = [read(name, params) for name in params.experiments if name not in missing]
    for name, why in missing.items():
        print(f"compare: {name} {why}", file=sys.stderr)  # noqa: T201
    if not found:
        raise UserError(
            "no experiment has results of all variants in params.yaml; run make demo, or bring the "
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
    figure = errors_by_experiment(tables, found[0].titles, titles, marks)
    style.save(figure, paths.REPORTS / "errors.png")
    page.write(paths.REPORTS, "index", overview.content(found, missing, marked=bool(marks)))


if __name__ == "__main__":
    run(main)
