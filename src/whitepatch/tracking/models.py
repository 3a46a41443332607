"""Networks that are loaded from MLflow, and its model registry."""

__all__ = ["Model", "log", "remove"]

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whitepatch.tracking.naming import ALIAS
from whitepatch.tracking.store import is_ours, remove_artifacts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from torch import nn


@dataclass(frozen=True)
class Model:
    """A network as MLflow should offer it.

    Attributes:
        name: What people read.
        network: Returns it, in eval mode; called only if it is to be written.
        example: Two pictures or more, float32 [N, 3, 96, 96], normalised.
        tags: Of the model.
        registered: Name in the registry, where it stands for its experiment; else empty.
    """

    name: str
    network: "Callable[[], nn.Module]"
    example: Callable[[], NDArray[np.float32]]
    tags: Mapping[str, str] = field(default_factory=dict)
    registered: str = ""


def log(client: "MlflowClient", experiment_id: str, run_id: str, model: Model) -> str:
    """Write a network beside its run, register it if it is to be, and return its id.

    It is written as a graph (torch.export), not as a pickle, so it can be loaded without this
    package and without trusting it.
    """
    from mlflow.entities import LoggedModelOutput

    logged = client.create_logged_model(
        experiment_id, model.name, run_id, tags=dict(model.tags), model_type="classifier"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        _save(model, path, run_id, logged.model_id)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    if model.registered:
        _register(client, run_id, logged, model)
    return str(logged.model_id)


def remove(client: "MlflowClient", experiment_id: str, run_id: str) -> None:
    """Remove the models of a run, with their versions; not what has been registered elsewhere."""
    ours = client.get_experiment(experiment_id).name
    versions = client.search_model_versions(f"run_id = '{run_id}'")
    for found in versions:
        if found.name == ours:
            client.delete_model_version(found.name, found.version)
    if all(found.name == ours for found in versions):
        for logged in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
            remove_artifacts(logged.artifact_location)
            client.delete_logged_model(str(logged.model_id))


def _save(model: Model, path: Path, run_id: str, model_id: str) -> None:
    example = model.example()
    numbers = np.dtype(np.float32)
    with warnings.catch_warnings():
        # those of torch's exporter and of MLflow's imports, which people cannot mend
        warnings.simplefilter("ignore")
        import mlflow.pytorch
        from mlflow.models import Model as Description
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        mlflow.pytorch.save_model(
            model.network(),
            path,
            mlflow_model=Description(run_id=run_id, model_id=model_id),
            signature=ModelSignature(
                # without names, which MLflow would hand to the network as a dictionary
                Schema([TensorSpec(numbers, (-1, *example.shape[1:]))]),
                Schema([TensorSpec(numbers, (-1,))]),
            ),
            input_example=example,
            serialization_format="pt2",
            pip_requirements=[f"{name}=={version(name)}" for name in ("mlflow", "numpy", "torch")],
            metadata=dict(model.tags),
        )


def _register(client: "MlflowClient", run_id: str, logged: "LoggedModel", model: Model) -> None:
    """Register a model; the alias becomes its own, unless it names what another clone published."""
    name = model.registered
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    # its place, not its models:/ address, which MLflow would look for in another store than ours
    made = client.create_model_version(
        name, logged.artifact_location, run_id, dict(model.tags), model_id=logged.model_id
    )
    named = client.get_registered_model(name).aliases.get(ALIAS)
    if named is None or is_ours(client.get_run(str(client.get_model_version(name, named).run_id))):
        client.set_registered_model_alias(name, ALIAS, made.version)
