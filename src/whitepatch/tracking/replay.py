"""What MLflow should show of an experiment, read from the files of its stages."""

__all__ = ["experiment_tags", "missing", "runs"]

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from whitepatch import paths
from whitepatch.claims import representative
from whitepatch.errors import UserError
from whitepatch.figures import palette
from whitepatch.files import digest
from whitepatch.params import Params, of_protocol
from whitepatch.tracking import naming
from whitepatch.tracking.models import Model
from whitepatch.tracking.provenance import origin
from whitepatch.tracking.publishing import Run
from whitepatch.tracking.views import NETWORK

FORMAT = "5"
"""Of the runs themselves; a new number replaces all runs that were published before."""

EXAMPLE = 2
"""Pictures that a model brings along, to try it on."""


def experiment_tags(name: str, runs: Sequence[Run]) -> dict[str, str]:
    """Return the tags that an experiment should have, for the runs that it has."""
    seeds = [run for run in runs if run.tags["kind"] == "seed"]
    networks = {run.tags[NETWORK] for run in seeds}
    metrics = {metric for run in seeds for metric in run.metrics}
    return naming.experiment_tags(name, list(networks), list(metrics))


def missing(name: str, params: Params) -> Path | None:
    """Return the first file that `runs` would read and is not there, if there is one."""
    needed = [paths.report(name) / "report.html"]
    for variant in params.experiment(name).variants:
        needed += [of(name, variant) for of in (paths.training_record, paths.maps)]
    return next((path for path in needed if not path.exists()), None)


def runs(name: str, params: Params) -> list[Run]:
    """Return all runs that an experiment should have.

    Raises:
        UserError: There is no such experiment, or its stages have not run.
    """
    variants = params.experiment(name).variants
    if (path := missing(name, params)) is not None:
        raise UserError(f"experiment {name}: {path} is not here; make it: dvc repro report@{name}")
    histories = {variant: pd.read_csv(paths.history(name, variant)) for variant in variants}
    measured = {
        variant: json.loads(paths.metrics(name, variant).read_text(encoding="utf-8"))
        for variant in variants
    }
    # as the results say, not as params.yaml says now
    best = representative.of_experiment(histories, next(iter(measured.values()))["chosen_by"])
    found = [_summary(name, params)]
    for variant, history in histories.items():
        metrics = measured[variant]
        found += [
            _seed(
                name,
                variant,
                seed,
                metrics,
                history,
                registered=(variant, seed) == (best.variant, best.seed),
            )
            for seed in map(int, metrics["seeds"])
        ]
    return found


def _seed(
    name: str,
    variant: str,
    seed: int,
    metrics: Any,
    history: pd.DataFrame,
    *,
    registered: bool,
) -> Run:
    numbers = metrics["seeds"][str(seed)]
    weights = paths.weights(name, variant, seed)
    rows = history[history["seed"] == seed].drop(columns="seed").to_dict("records")
    series = naming.series(rows)
    final = _final(numbers)
    stands = seed == representative.of_variant(history, metrics["chosen_by"]).seed
    # as the results say, not as params.yaml says now
    ran = of_protocol(metrics["protocol"], [variant], [seed])
    protocol = naming.parameters(
        variant,
        seed,
        metrics["protocol"],
        metrics["images"]["words"],
        metrics["num_parameters"],
        metrics.get("trained_elsewhere", {}).get(str(seed), metrics["trained_on"]),
    )
    colour = {"mlflow.runColor": palette.colour(variant)}  # that of the figures
    content = json.dumps([FORMAT, protocol, series, final, stands, registered, colour])
    tags = naming.tags(name, variant, seed, metrics["title"])

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
        panel = Panel.of(saved, ran, place)
        titles = {variant: metrics["title"]}
        figure = attention_panel(panel, {variant: saved}, columns, titles, place, range(len(panel)))
        style.save(figure, folder / "maps.png")

    return Run(
        key=naming.key(name, variant, seed),
        digest=digest(content.encode(), weights, paths.split(name), paths.maps(name, variant)),
        name=naming.name(name, variant, seed),
        description=f"{metrics['title']}, seed {seed}. Weights are those of epoch "
        f"{numbers['chosen_epoch']}, which has the lowest {metrics['chosen_by']} loss.",
        attach=attach,
        tags=tags,
        origin=lambda: origin(name, variant) | colour,
        params=protocol,
        series=series,
        metrics=final,
        dataset=(str(paths.split(name)), digest(paths.split(name))),
        model=_model(name, variant, seed, tags, registered=registered) if stands else None,
    )


def _model(name: str, variant: str, seed: int, tags: dict[str, str], *, registered: bool) -> Model:
    def network() -> Any:
        # torch is asked for only if there is something to write
        import torch

        from whitepatch.training import weights

        return weights.network(name, variant, seed, torch.device("cpu")).eval()

    return Model(
        name=variant,
        network=network,
        example=lambda: _several(np.load(paths.maps(name, variant))["pictures"][0]),
        tags=tags,
        registered=naming.experiment(name) if registered else "",
    )


def _several(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return two pictures; of one alone, torch would make a network that takes no more."""
    return np.resize(pictures, (EXAMPLE, *pictures.shape[1:]))


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


def _totals(name: str, comparison: pd.DataFrame) -> dict[str, float]:
    """Return what an experiment amounts to: means, what its claims speak of first, and intervals.

    What stands before the slash is a section of MLflow's charts.
    """
    totals: dict[str, float] = {}
    for row in comparison.to_dict("records"):
        label = f"{row['variant']} {row['measure']}"
        totals |= _with_interval("summary", label, row)
    claims = json.loads((paths.report(name) / "claims.json").read_text(encoding="utf-8"))
    for claim in claims["claims"]:
        first = claim["statements"][0]
        totals |= _with_interval("claim", claim["id"], first | {"mean": first["value"]})
    return totals


def _with_interval(section: str, label: str, row: Mapping[Any, Any]) -> dict[str, float]:
    """Return a mean, and the ends of its 95 % interval if it has one."""
    found = {f"{section}/{label}": float(row["mean"])}
    if pd.notna(row["low"]):
        found |= {
            f"interval of {section}/{label} {end}": float(row[end]) for end in ("low", "high")
        }
    return found


def _summary(name: str, params: Params) -> Run:
    folder = paths.report(name)
    pages = [
        *(folder / name for name in ("report.html", "comparison.csv", "claims.json")),
        paths.contact_sheet(name),
    ]
    figures = sorted((folder / "figures").glob("*.png"))
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
            "variants": ", ".join(params.experiment(name).variants),
            "num_seeds": int(comparison["num_seeds"].max()),
        },
        origin=lambda: origin(name),
        metrics=_totals(name, comparison),
        dataset=(str(paths.split(name)), digest(paths.split(name))),
    )
