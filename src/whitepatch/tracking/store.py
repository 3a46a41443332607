"""How to speak with MLflow's store, and what we write on our runs."""

__all__ = [
    "COMPLETE",
    "DIGEST",
    "IDENTITY",
    "KEY",
    "LIVE",
    "OWNER",
    "QUIET",
    "TRAINING",
    "all_runs",
    "client",
    "experiment",
    "filled",
    "is_ours",
    "is_written",
    "me",
    "quiet",
    "remove_artifacts",
]

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.processes import is_running, started
from whitepatch.tracking import own, views
from whitepatch.tracking.address import artifacts, is_own, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

KEY, DIGEST, COMPLETE = "whitepatch.key", "whitepatch.digest", "whitepatch.complete"
"""Tags of a run: what it is, the digest of all it shows, and whether it shows it all."""

OWNER = "whitepatch.clone"
"""Tag of a run: which clone of the project wrote it, who alone replaces and removes it."""

LIVE = "whitepatch.live"
"""Tag of a run that is being written: by which host and process, and since when that runs."""

TRAINING, IDENTITY = "whitepatch.training", "whitepatch.identity"
"""Tags of a run that a training wrote: the digest of what it left, and the hash of all that shapes
it, which its checkpoint has too."""

HOUR = 3600
"""Seconds."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Of the environment of whatever runs MLflow: nothing calls home."""


def client() -> "MlflowClient":
    """Return a client of the store; MLflow is imported here, which takes seconds."""
    quiet()
    from mlflow import MlflowClient

    if is_own():
        own.make()
    # models are registered where the runs are, whatever MLFLOW_REGISTRY_URI says
    return MlflowClient(tracking_uri(), tracking_uri())


def experiment(
    speaker: "MlflowClient", name: str, tags: Mapping[str, str], *, renew: bool = True
) -> str:
    """Return the id of an experiment that has these tags; make it if need be.

    Args:
        speaker: Of the store.
        name: Of the experiment.
        tags: `views.EXPERIMENT_ID` in a value becomes the id.
        renew: Whether tags that are there with other values are replaced.

    Raises:
        UserError: The project's folder was moved, so its store points to where artifacts were.
    """
    where = artifacts(name)
    paths.MLFLOW.mkdir(exist_ok=True)
    # the first to come makes the tables, and the experiment
    with FileLock(paths.MLFLOW / "store.lock"):
        found = speaker.get_experiment_by_name(name)
        found = found or _create(speaker, name, where)
    if is_own() and found.artifact_location != where:
        raise UserError(
            f"the MLflow store in {paths.MLFLOW} was made in another folder and cannot be "
            f"moved; make it anew: rm -r {paths.MLFLOW}, then: whitepatch publish"
        )
    if found.lifecycle_stage == "deleted":
        speaker.restore_experiment(found.experiment_id)
    for key, value in filled(tags, found.experiment_id).items():
        if key not in found.tags or (renew and found.tags[key] != value):
            speaker.set_experiment_tag(found.experiment_id, key, value)
    return str(found.experiment_id)


def _create(speaker: "MlflowClient", name: str, where: str | None) -> "Experiment":
    from mlflow.exceptions import MlflowException

    # without this, the UI opens in its view for language models
    kind = {"mlflow.experimentKind": "custom_model_development"}
    try:
        return speaker.get_experiment(speaker.create_experiment(name, where, tags=kind))
    except MlflowException:
        # on a server, somebody else may just have done so
        found = speaker.get_experiment_by_name(name)
        if found is None:
            raise
        return found


def filled(tags: Mapping[str, str], experiment_id: object) -> dict[str, str]:
    """Return tags in which the experiment's id stands where it belongs."""
    return {
        key: value.replace(views.EXPERIMENT_ID, str(experiment_id)) for key, value in tags.items()
    }


def all_runs(
    speaker: "MlflowClient",
    experiment_id: str,
    only: str = "",
    stage: Literal["active", "deleted"] = "active",
) -> Iterator[Any]:
    """Yield all runs of an experiment that a filter lets through, newest first."""
    from mlflow.entities import ViewType

    view = {"active": ViewType.ACTIVE_ONLY, "deleted": ViewType.DELETED_ONLY}[stage]
    token = None
    while True:
        page = speaker.search_runs([experiment_id], only, view, 1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def remove_artifacts(uri: str) -> None:
    """Remove all that lies at an address of the store."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(uri, tracking_uri()).delete_artifacts()


def is_ours(found: Any) -> bool:
    """Say whether this clone wrote a run; without a tag, what its own store has."""
    owner = found.data.tags.get(OWNER)
    return owner == own.clone() or (owner is None and is_own())


def me(process: int | None = None) -> str:
    """Return what the tag `LIVE` says of a process of this machine; of this one if None."""
    process = process or os.getpid()
    return f"{socket.gethostname()}:{process}:{started(process):.0f}"


def is_written(found: Any) -> bool:
    """Say whether somebody may be writing a run just now: a training, or another who publishes.

    Of this machine we know. Elsewhere a training may take days, but nobody publishes for an hour.
    """
    said: list[str] = found.data.tags.get(LIVE, "").split(":")
    host, process, began = [*said, "", ""][:3]
    if found.info.status != "RUNNING" or not process.isdecimal():
        return False
    if host == socket.gethostname():
        return is_running(int(process), float(began) if began.isdecimal() else None)
    return IDENTITY in found.data.tags or time.time() - found.info.start_time / 1000 < HOUR


def quiet(seconds: int = 60) -> None:
    """Nothing calls home, and a server that is down does not hold us for long.

    Args:
        seconds: That MLflow waits for an answer, twice.
    """
    for name, value in (QUIET | {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds)}).items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
