"""What MLflow should show of an experiment, read from the files of its stages."""

__all__ = ["description", "missing", "runs"]

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.files import digest
from whitepatch.params import Experiment, Params
from whitepatch.tracking import Run, Series

FORMAT = "2"
"""Of the runs themselves; a new number replaces all runs that were published before."""


def description(name: str) -> str:
    """Return what MLflow shows above the runs of an experiment."""
    return (
        f"**Do attention modules help, and do they look where they should?** Experiment `{name}`: "
        "one run for each variant and seed, and a summary with the report and its figures. "
        "Compare `chosen_test_accuracy`, `min_test_loss` and `score auc/evidence` between "
        "variants; group the charts by the tag `variant`."
    )


def missing(name: str, params: Params) -> Path | None:
    """Return the first file that `runs` would read and is not there, if there is one."""
    needed = [paths.report(name) / "report.html"]
    for variant in params.variants:
        needed += [of(name, variant) for of in (paths.training_record, paths.maps)]
    return next((path for path in needed if not path.exists()), None)


def runs(name: str, params: Params) -> list[Run]:
    """Return all runs that an experiment should have.

    Raises:
        UserError: There is no such experiment, or its stages have not run.
    """
    experiment = params.experiment(name)
    if (path := missing(name, params)) is not None:
        raise UserError(f"experiment {name}: {path} is not here; make it: dvc repro report@{name}")
    found = [_summary(name, params)]
    for variant in params.variants:
        metrics = json.loads(paths.metrics(name, variant).read_text(encoding="utf-8"))
        history = pd.read_csv(paths.history(name, variant))
        found += [
            _seed(name, variant, int(seed), experiment, metrics, history)
            for seed in metrics["seeds"]
        ]
    return found


def _seed(
    name: str, variant: str, seed: int, experiment: Experiment, metrics: Any, history: pd.DataFrame
) -> Run:
    numbers = metrics["seeds"][str(seed)]
    weights = paths.weights(name, variant, seed)
    epochs = history[history["seed"] == seed].drop(columns="seed")
    series: Series = {
        column: list(zip(epochs["epoch"].tolist(), epochs[column].tolist(), strict=True))
        for column in epochs.columns.drop("epoch")
    }
    final = _final(numbers)
    # as the results say, not as params.yaml says now
    protocol = {
        **{f"train.{key}": value for key, value in metrics["protocol"]["train"].items()},
        **{f"patch.{key}": value for key, value in metrics["protocol"]["patch"].items()},
        "source": metrics["protocol"]["source"],
        "images": metrics["images"]["words"],
        "variant": variant,
        "seed": seed,
        "num_parameters": metrics["num_parameters"],
        **metrics["trained_on"],
    }
    content = json.dumps([FORMAT, protocol, series, final], sort_keys=True)

    def attach(folder: Path) -> None:
        from whitepatch.figures import style
        from whitepatch.figures.panels import Panel, attention_panel

        shutil.copy(weights, folder)
        saved = np.load(paths.maps(name, variant))
        columns = [
            (variant, key.removeprefix("map/"), "")
            for key in saved.files
            if key.startswith(("map/evidence", "map/attention"))
        ]
        place = saved["seeds"].tolist().index(seed)
        panel = Panel.of(saved, experiment)
        titles = {variant: metrics["title"]}
        figure = attention_panel(panel, {variant: saved}, columns, titles, place, range(len(panel)))
        style.save(figure, folder / "maps.png")

    return Run(
        key=f"{name}/{variant}/{seed}",
        digest=digest(content.encode(), weights, paths.split(name), paths.maps(name, variant)),
        name=f"{name} · {variant} · seed {seed}",
        description=f"{metrics['title']}, seed {seed}. Weights are those of epoch "
        f"{numbers['chosen_epoch']}, which has the lowest {metrics['chosen_by']} loss.",
        attach=attach,
        tags={"experiment": name, "variant": variant, "seed": str(seed), "kind": "seed"},
        params=protocol,
        series=series,
        metrics=final,
        dataset=(str(paths.split(name)), digest(paths.split(name))),
    )


def _final(numbers: Mapping[str, Any]) -> dict[str, float]:
    """Return the final metrics of a seed, flat."""
    final = {
        "min_train_loss": numbers["min_train_loss"],
        "min_test_loss": numbers["min_test_loss"],
        "chosen_epoch": numbers["chosen_epoch"],
    }
    # the epochs have test_loss and test_accuracy already; these are the chosen epoch's
    final |= {f"chosen_test_{key}": value for key, value in numbers["test"].items()}
    for map_name, scores in numbers["maps"].items():
        for kind, value in scores.items():
            # what stands before the last slash is a section of MLflow's charts: one for each score
            final[f"score {kind}/{map_name}"] = value
    return final


def _summary(name: str, params: Params) -> Run:
    folder = paths.report(name)
    pages = [
        *(folder / name for name in ("report.html", "comparison.csv", "claims.json")),
        paths.contact_sheet(name),
    ]
    figures = sorted((folder / "figures").iterdir())
    comparison = pd.read_csv(folder / "comparison.csv")

    def attach(target: Path) -> None:
        (target / "figures").mkdir()
        for page in pages:
            shutil.copy(page, target)
        for figure in figures:
            shutil.copy(figure, target / "figures")

    return Run(
        key=f"{name}/summary",
        digest=digest(FORMAT.encode(), *pages, *figures, paths.split(name)),
        name=f"{name} · summary",
        description="The comparison of all variants: open report.html under Artifacts.",
        attach=attach,
        tags={"experiment": name, "kind": "summary"},
        params={
            "variants": ", ".join(params.variants),
            "num_seeds": int(comparison["num_seeds"].max()),
        },
        metrics={
            f"summary/{row['variant']} {row['measure']}": float(row["mean"])
            for row in comparison.to_dict("records")
        },
        dataset=(str(paths.split(name)), digest(paths.split(name))),
    )
