"""The store of MLflow: where it is, which of its runs are ours, and its errors in one line."""

__all__ = [
    "COMPLETE",
    "DIGEST",
    "KEY",
    "OWNER",
    "QUIET",
    "client",
    "clone",
    "experiment",
    "is_ours",
    "is_own",
    "late",
    "plainly",
    "quiet",
    "reason",
    "remove_artifacts",
    "shown_uri",
    "tracking_uri",
    "untold",
]

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from filelock import FileLock

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.files import digest, write_text
from whitepatch.tracking import views

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY, DIGEST, COMPLETE = "whitepatch.key", "whitepatch.digest", "whitepatch.complete"
"""Tags of a run: what it is, the digest of all it shows, and whether it shows it all."""

OWNER = "whitepatch.clone"
"""Tag of a run: the clone of the project that wrote it; no other replaces or removes it."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment of each program that runs MLflow: nothing calls home."""


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or the project's own store: a SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own()


def is_own() -> bool:
    """Say whether the store is the project's own."""
    return tracking_uri() == _own()


def _own() -> str:
    return f"sqlite:///{paths.MLFLOW.absolute()}/mlflow.db"


def _file() -> Path | None:
    """Return the SQLite file of the store, beside which artifacts lie; a server has none."""
    scheme, _, file = tracking_uri().partition(":///")
    return Path(file).absolute() if scheme == "sqlite" else None


def shown_uri() -> str:
    """Return the store's address without a user's name, a password and a query."""
    return _without_secret(tracking_uri())


def _without_secret(text: str) -> str:
    place, mark, query = tracking_uri().partition("://")[2].partition("?")
    user, at, _ = place.partition("/")[0].rpartition("@")
    for secret in filter(None, (user + at, mark + query)):
        text = text.replace(secret, "")
    return text


def quiet(seconds: int = 30) -> None:
    """Let nothing call home, and no server that is down hold us for long.

    Args:
        seconds: That MLflow waits for an answer, twice.
    """
    for name, value in (QUIET | {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds)}).items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def client() -> "MlflowClient":
    """Return a client of the store; MLflow is imported here, which takes seconds.

    Raises:
        sqlite3.Error: The store is a file that SQLite cannot open, or no store at all.
    """
    quiet()
    if file := _file():
        _make(file)
        # MLflow would try again for half an hour
        with closing(sqlite3.connect(file)) as tables:
            tables.execute("PRAGMA schema_version")
    from mlflow import MlflowClient

    # models are registered where the runs are, whatever MLFLOW_REGISTRY_URI says
    return MlflowClient(tracking_uri(), tracking_uri())


def _make(file: Path) -> None:
    """Make a store whole or not at all: one that is half made, MLflow can never open again."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if not file.exists():
            from mlflow import MlflowClient

            with TemporaryDirectory(prefix=".", dir=file.parent) as folder:
                part = Path(folder, file.name)
                MlflowClient(f"sqlite:///{part}").search_experiments()
                part.rename(file)


def experiment(
    speaker: "MlflowClient", name: str, tags: Mapping[str, str], *, renew: bool = True
) -> str:
    """Return the id of an experiment that has these tags; make it if need be.

    Args:
        speaker: Client of the store.
        name: Of the experiment.
        tags: `views.EXPERIMENT_ID` in a value becomes the id.
        renew: Whether tags that are there with other values are replaced.

    Raises:
        UserError: The store was moved, so it points to where its artifacts were.
    """
    file = _file()
    where = (file.parent / "artifacts" / name).as_uri() if file else None
    found = speaker.get_experiment_by_name(name)
    if found is None:
        # without this, the UI opens in its view for language models
        kind = {"mlflow.experimentKind": "custom_model_development"}
        found = speaker.get_experiment(speaker.create_experiment(name, where, tags=kind))
    if where and found.artifact_location != where:
        raise UserError(
            f"the MLflow store at {shown_uri()} was made in another folder and cannot be moved; "
            f"make it anew: rm -r {file.parent if file else ''}, then: whitepatch publish"
        )
    if found.lifecycle_stage == "deleted":
        speaker.restore_experiment(found.experiment_id)
    for key, value in tags.items():
        filled = value.replace(views.EXPERIMENT_ID, str(found.experiment_id))
        if key not in found.tags or (renew and found.tags[key] != filled):
            speaker.set_experiment_tag(found.experiment_id, key, filled)
    return str(found.experiment_id)


def remove_artifacts(uri: str) -> None:
    """Remove all that lies at an address of the store; MLflow itself only hides it."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(uri, tracking_uri()).delete_artifacts()


def clone() -> str:
    """Return what this clone calls itself: by a file with a random number, and where that lies.

    So a copied folder is another clone; so is one whose `mlflow/` was removed.
    """
    name = paths.MLFLOW / "clone"
    if not name.exists():
        paths.MLFLOW.mkdir(exist_ok=True)
        write_text(name, f"{uuid4()}\n")
    return digest(name, f"{name.absolute()}:{name.stat().st_ino}".encode())[:16]


def is_ours(found: Any) -> bool:
    """Say whether this clone wrote a run."""
    return bool(found.data.tags.get(OWNER) == clone())


@contextmanager
def plainly() -> Iterator[None]:
    """Say in one line what is wrong with the store, and the cure.

    Raises:
        UserError: For all that MLflow, its transports and its databases raise: many kinds.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        cure = "see to that server, or unset MLFLOW_TRACKING_URI"
        if is_own():
            cure = f"if it is damaged, or of another MLflow, make it anew: rm -r {paths.MLFLOW}"
        raise UserError(
            f"MLflow at {shown_uri()} could not be written: {reason(error)}; "
            f"{cure}, then: whitepatch publish"
        ) from error


def untold(why: str) -> str:
    """Return the line that says that a training is not shown while it runs."""
    return (
        f"MLflow at {shown_uri()} cannot be told of this training ({why}); its result is "
        "the same, and `whitepatch publish` shows it"
    )


def late(passed: int) -> str:
    """Return the line on how many trainings were over before MLflow was told of them."""
    return (
        f"MLflow at {shown_uri()} is slower than these trainings: of {passed} it was not told; "
        "`whitepatch publish` shows them"
    )


def reason(error: Exception) -> str:
    """Return what an error says, in one line, without what may be secret."""
    return _without_secret(" ".join(str(error).split()))[:300] or type(error).__name__
