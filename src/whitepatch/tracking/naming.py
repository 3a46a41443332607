"""What a run is called in MLflow, while it is trained and when its results are replayed."""

__all__ = [
    "ALIAS",
    "experiment",
    "experiment_tags",
    "key",
    "name",
    "parameters",
    "series",
    "tags",
]

from collections.abc import Mapping, Sequence
from typing import Any

from whitepatch.tracking import views

ALIAS = "chosen"
"""Of the version in MLflow's registry that stands for an experiment: `claims.representative`."""


def experiment(of: str) -> str:
    """Return what an experiment is called."""
    return f"whitepatch-{of}"


def experiment_tags(of: str, networks: Sequence[str], metrics: Sequence[str]) -> dict[str, str]:
    """Return the tags of an experiment: what is shown above its runs, and views of them.

    Args:
        of: Which experiment.
        networks: Titles of its variants.
        metrics: Names of all final metrics of its runs.
    """
    links = ", ".join(f"[{view}]({link})" for view, link in views.links().items())
    return {
        "mlflow.note.content": "**Do attention modules help, and do they look where they should?** "
        f"Experiment `{of}`. Look at it: {links}.\n\n"
        "One run for each variant and seed, and a summary with the report and its figures; these "
        "views leave the summary out, until you clear their filter.",
        **views.tags(sorted(networks), sorted(metrics)),
    }


def key(of: str, variant: str, seed: int) -> str:
    """Return what a run is, unique and the same for ever."""
    return f"{of}/{variant}/{seed}"


def name(of: str, variant: str, seed: int) -> str:
    """Return what people read."""
    return f"{of} · {variant} · seed {seed}"


def tags(of: str, variant: str, seed: int, title: str) -> dict[str, str]:
    """Return what runs are filtered and grouped by."""
    return {
        "experiment": of,
        "variant": variant,
        views.NETWORK: title,
        "seed": str(seed),
        "kind": "seed",
    }


def parameters(
    variant: str,
    seed: int,
    rules: Mapping[str, Any],
    images: str,
    num_parameters: int,
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the parameters of a run.

    Args:
        variant: Which network.
        seed: Of its weights and its order of images.
        rules: The protocol, as `params.protocol` gives it.
        images: What they are, in words.
        num_parameters: Of the network.
        environment: On what it is trained, as `training.machine.environment` gives it.
    """
    return {
        **{f"train.{key}": value for key, value in rules["train"].items()},
        **{f"patch.{key}": value for key, value in rules["patch"].items()},
        "source": rules["source"],
        "images": images,
        "variant": variant,
        "seed": seed,
        "num_parameters": num_parameters,
        "precision": rules["runtime"]["precision"],
        **environment,
    }


def series(rows: Sequence[Mapping[Any, float]]) -> dict[str, list[tuple[int, float]]]:
    """Return (epoch, value) by metric, from one seed's epochs."""
    return {
        str(metric): [(int(row["epoch"]), float(row[metric])) for row in rows]
        for metric in rows[0]
        if metric != "epoch"
    }
