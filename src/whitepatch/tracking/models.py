"""Networks that are loaded from MLflow, and its model registry."""

__all__ = ["Model", "choose", "log", "remove"]

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whitepatch import paths
from whitepatch.files import scratch
from whitepatch.tracking import sums
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

    # what an interrupted publish left of the same
    remove(client, experiment_id, run_id)
    logged = client.create_logged_model(
        experiment_id, model.name, run_id, tags=dict(model.tags), model_type="classifier"
    )
    with scratch(paths.MLFLOW) as folder:
        path = Path(folder) / "model"
        _save(model, path, run_id, logged.model_id)
        sums.write(path)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    if model.registered:
        _register(client, run_id, logged, model)
    return str(logged.model_id)


def remove(client: "MlflowClient", experiment_id: str, run_id: str) -> None:
    """Remove the models of a run, with their artifacts and their versions under our own name.

    Where somebody has registered one under another name, too, it stays, for it is theirs now.
    """
    ours = client.get_experiment(experiment_id).name
    theirs = set()
    for registered in client.search_model_versions(f"run_id = '{run_id}'"):
        if registered.name == ours:
            client.delete_model_version(registered.name, registered.version)
        else:
            theirs.add(str(registered.source).rstrip("/"))
    for logged in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        names = {f"models:/{logged.model_id}", str(logged.artifact_location).rstrip("/")}
        if not names & theirs:
            remove_artifacts(logged.artifact_location)
            client.delete_logged_model(str(logged.model_id))


def choose(client: "MlflowClient", model: Model, experiment_id: str, run_id: str) -> None:
    """Let the alias name the version of a run, unless it names what another clone published.

    A version that somebody has deleted is registered again.
    """
    versions = _versions(client, model, run_id)
    if not versions:
        only = f"source_run_id = '{run_id}'"
        for logged in client.search_logged_models([experiment_id], only)[:1]:
            _register(client, run_id, logged, model)
        versions = _versions(client, model, run_id)
    for version_number in versions[:1]:
        aliases = client.get_registered_model(model.registered).aliases
        named = str(aliases.get(ALIAS, ""))
        if named != version_number and not (named and _is_theirs(client, model, named)):
            client.set_registered_model_alias(model.registered, ALIAS, version_number)


def _is_theirs(client: "MlflowClient", model: Model, version_number: str) -> bool:
    """Say whether another clone published a version, and its run is still there."""
    from mlflow.exceptions import MlflowException

    try:
        version = client.get_model_version(model.registered, version_number)
        found = client.get_run(str(version.run_id))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return found.info.lifecycle_stage == "active" and not is_ours(found)


def _versions(client: "MlflowClient", model: Model, run_id: str) -> list[str]:
    found = client.search_model_versions(f"run_id = '{run_id}'")
    return [str(one.version) for one in found if one.name == model.registered]


def _save(model: Model, path: Path, run_id: str, model_id: str) -> None:
    with warnings.catch_warnings():
        # those of torch's exporter, which people cannot mend
        warnings.simplefilter("ignore")
        import mlflow.pytorch
        from mlflow.models import Model as Description
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

    example = model.example()
    numbers = np.dtype(np.float32)
    signature = ModelSignature(
        # without names, which MLflow would hand to the network as a dictionary
        Schema([TensorSpec(numbers, (-1, *example.shape[1:]))]),
        Schema([TensorSpec(numbers, (-1,))]),
    )
    packages = ("mlflow", "numpy", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pytorch.save_model(
            model.network(),
            path,
            mlflow_model=Description(run_id=run_id, model_id=model_id),
            signature=signature,
            input_example=example,
            serialization_format="pt2",
            pip_requirements=[f"{package}=={version(package)}" for package in packages],
            metadata=dict(model.tags),
        )


def _register(client: "MlflowClient", run_id: str, logged: "LoggedModel", model: Model) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model.registered)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # its place, not its models:/ address, which MLflow would look for in another store than ours
    client.create_model_version(
        model.registered,
        logged.artifact_location,
        run_id,
        dict(model.tags),
        model_id=logged.model_id,
    )
