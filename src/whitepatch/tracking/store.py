"""Where MLflow's store is, and how to speak with it."""

__all__ = [
    "COMPLETE",
    "DIGEST",
    "IDENTITY",
    "KEY",
    "LIVE",
    "TRAINING",
    "all_runs",
    "client",
    "experiment",
    "filled",
    "is_own",
    "is_written",
    "knock",
    "me",
    "own_artifacts",
    "quiet",
    "reason",
    "refuse_damage",
    "remove_artifacts",
    "shown_uri",
    "speaking_plainly",
    "tracking_uri",
]

import logging
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.files import is_running, replacing
from whitepatch.tracking import views

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

KEY, DIGEST, COMPLETE = "whitepatch.key", "whitepatch.digest", "whitepatch.complete"
"""Tags of a run: what it is, the digest of all it shows, and whether it shows it all."""

LIVE = "whitepatch.live"
"""Tag of a run that is being written: by which host and process."""

TRAINING, IDENTITY = "whitepatch.training", "whitepatch.identity"
"""Tags of a run that a training wrote: the digest of what it left, and the hash of all that shapes
it, which its checkpoint has too."""

HOUR = 3600
"""Seconds."""


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or the project's own store: a SQLite file."""
    own = f"sqlite:///{paths.MLFLOW.absolute()}/mlflow.db"
    return own if is_own() else os.environ["MLFLOW_TRACKING_URI"]


def is_own() -> bool:
    """Say whether the store is the project's own, named by MLFLOW_TRACKING_URI or not."""
    scheme, _, place = os.environ.get("MLFLOW_TRACKING_URI", "").partition(":///")
    own = (paths.MLFLOW / "mlflow.db").absolute()
    return not scheme or (scheme == "sqlite" and Path(place).absolute() == own)


def shown_uri() -> str:
    """Return the same without what may be secret: a user's name and password, and a query."""
    return _without_secret(tracking_uri())


def reason(error: Exception) -> str:
    """Return what an error of MLflow's says, in one line, without what may be secret."""
    return _without_secret(" ".join(str(error).split()))[:300] or type(error).__name__


def _without_secret(text: str) -> str:
    _, _, rest = tracking_uri().partition("://")
    place, mark, query = rest.partition("?")
    user, at, _ = place.partition("/")[0].rpartition("@")
    for secret in (user + at, mark + query):
        text = text.replace(secret, "") if secret else text
    return text


def own_artifacts(name: str) -> str | None:
    """Return where artifacts lie beside the project's own store; a server knows its own place."""
    if not is_own():
        return None
    return (paths.MLFLOW / "artifacts" / name).absolute().as_uri()


def client() -> "MlflowClient":
    """Return a client of the store; MLflow is imported here, which takes seconds."""
    quiet()
    from mlflow import MlflowClient

    if is_own():
        _make_own()
    # models are registered where the runs are, whatever MLFLOW_REGISTRY_URI says
    return MlflowClient(tracking_uri(), tracking_uri())


def _make_own() -> None:
    """Make the tables of the project's own store, all of them or none, if there is none."""
    from mlflow import MlflowClient

    file = paths.MLFLOW / "mlflow.db"
    if any(sign in str(file.absolute()) for sign in "?%"):
        raise UserError(
            "MLflow cannot keep a store in a folder with ? or % in its name, as "
            f"{paths.MLFLOW.absolute()} is; move the project, or set MLFLOW_TRACKING_URI"
        )
    paths.MLFLOW.mkdir(exist_ok=True)
    with FileLock(paths.MLFLOW / "store.lock"):
        for left in paths.MLFLOW.glob(".mlflow.*.db-journal"):
            left.unlink()  # of one who was killed
        if not file.exists() or not file.stat().st_size:
            with replacing(file.absolute()) as temporary:
                MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)


def refuse_damage() -> None:
    """See to it that the project's own store, if it is here, is whole; takes milliseconds.

    Raises:
        UserError: SQLite finds it damaged.
    """
    file = paths.MLFLOW / "mlflow.db"
    if not is_own() or not file.exists():
        return
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as tables:
            (found,) = tables.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            return  # locked, or no permission: MLflow says so
        found = str(error)
    if found != "ok":
        raise UserError(
            f"{file} is damaged ({reason(ValueError(found))}); "
            f"make it anew: rm -r {paths.MLFLOW}, then: whitepatch publish"
        )


def knock(seconds: float) -> None:
    """Ask a server whether it is there, before MLflow is imported and waits for it much longer.

    Any answer will do; other stores are not asked.

    Raises:
        requests.RequestException: It does not answer within this time.
    """
    import requests

    if (uri := tracking_uri()).startswith(("http://", "https://")):
        address = f"{uri.partition('?')[0].rstrip('/')}/health"
        # who refuses a handshake is there; MLflow has settings for certificates
        with suppress(requests.exceptions.SSLError):
            requests.get(address, timeout=seconds, stream=True).close()


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
    where = own_artifacts(name)
    paths.MLFLOW.mkdir(exist_ok=True)
    # the first to come makes the tables, and the experiment
    with FileLock(paths.MLFLOW / "store.lock"):
        found = speaker.get_experiment_by_name(name)
        found = found or _create(speaker, name, where)
    if where and found.artifact_location != where:
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


def all_runs(speaker: "MlflowClient", experiment_id: str, only: str = "") -> Iterator[Any]:
    """Yield all runs of an experiment that a filter lets through, newest first."""
    token = None
    while True:
        page = speaker.search_runs([experiment_id], only, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def remove_artifacts(uri: str) -> None:
    """Remove all that lies at an address of the store."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(uri, tracking_uri()).delete_artifacts()


def me(process: int | None = None) -> str:
    """Return what the tag `LIVE` says of a process of this machine; of this one if None."""
    return f"{socket.gethostname()}:{process or os.getpid()}"


def is_written(found: Any) -> bool:
    """Say whether somebody may be writing a run just now: a training, or another who publishes.

    Of this machine we know. Elsewhere a training may take days, but nobody publishes for an hour.
    """
    host, _, process = found.data.tags.get(LIVE, "").rpartition(":")
    if found.info.status != "RUNNING" or not process.isdecimal():
        return False
    if host == socket.gethostname():
        return is_running(int(process))
    return IDENTITY in found.data.tags or time.time() - found.info.start_time / 1000 < HOUR


def quiet(seconds: int = 60) -> None:
    """Nothing calls home, and a server that is down does not hold us for long.

    Args:
        seconds: That MLflow waits for an answer, twice.
    """
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(seconds),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)


@contextmanager
def speaking_plainly() -> Iterator[None]:
    """Say in one line what is wrong with the store, and the cure.

    Raises:
        UserError: Whatever MLflow, its transports or its databases raise; they have many kinds.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"MLflow at {shown_uri()} could not be written: {reason(error)}; "
            f"{cure(error)}, then: whitepatch publish"
        ) from error


def cure(error: Exception) -> str:
    """Return what mends a store that raised this."""
    said = str(error).lower()
    if any(words in said for words in ("disk is full", "no space left", "file too large")):
        return "free some space"
    if any(words in said for words in ("readonly", "read-only", "permission denied")):
        return "let it be written by you"
    if not is_own():
        refused = any(words in said for words in ("401", "403", "unauthorized", "forbidden"))
        credentials = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return credentials if refused else "see to that server, or unset MLFLOW_TRACKING_URI"
    # its tables are not those of this MLflow, or damaged; nothing else needs so much
    tables = ("malformed", "no such", "already exists", "duplicate column", "revision", "schema")
    if any(words in said for words in (*tables, "not a database", "out-of-date")):
        return f"rm -r {paths.MLFLOW}"
    return "wait for whoever else writes to it"
