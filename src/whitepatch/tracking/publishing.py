"""MLflow, and the only importer of it: a view of what the stages wrote.

Nothing is logged from here that does not lie in a file of the pipeline. `publish` replays files
into runs: one flat run for each variant and seed, and one that sums up the experiment. A run is
known by a key and by a digest of all it shows, so publishing twice does nothing, and outputs that
changed replace their run.
"""

__all__ = ["Run", "Series", "publish", "serve", "tracking_uri"]

import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import requests
from filelock import FileLock
from tqdm import tqdm

from whitepatch import paths
from whitepatch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow import MlflowClient

KEY, DIGEST, COMPLETE = "whitepatch.key", "whitepatch.digest", "whitepatch.complete"

Series = Mapping[str, Sequence[tuple[int, float]]]
"""(step, value) by metric."""


@dataclass(frozen=True)
class Run:
    """One run as it should stand in MLflow.

    Attributes:
        key: What it is, unique in its experiment, the same for ever.
        digest: Of all files and numbers that it shows, hexadecimal.
        name: What people read.
        description: Markdown.
        tags: Further tags.
        params: Parameters.
        series: Metrics by epoch.
        metrics: Final metrics.
        dataset: Name and digest of the images.
        attach: Writes the run's artifacts into a folder; called only if the run is to be written.
    """

    key: str
    digest: str
    name: str
    description: str
    attach: "Callable[[Path], None]"
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    series: Series = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: tuple[str, str] | None = None


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or the project's own store: a SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.MLFLOW.absolute()}/mlflow.db"


def publish(experiment: str, description: str, runs: Sequence[Run]) -> dict[str, int]:
    """Make the store show exactly these runs of an experiment; others are left alone.

    Args:
        experiment: Name in MLflow.
        description: Markdown, shown above the runs.
        runs: All runs that the experiment should have.

    Returns:
        How many runs were `written`, `unchanged` and `removed`.

    Raises:
        UserError: The store cannot be reached or written.
    """
    paths.MLFLOW.mkdir(exist_ok=True)
    with FileLock(paths.MLFLOW / "publish.lock"):
        if _shown_already(experiment, runs):
            return {"written": 0, "unchanged": len(runs), "removed": 0}
        with _speaking_plainly():
            client = _client()
            experiment_id = _experiment(client, experiment, description)
            present: dict[str, list[Any]] = {}
            for found in _all_runs(client, experiment_id):
                present.setdefault(found.data.tags.get(KEY, ""), []).append(found)
            present.pop("", None)  # not ours
        stale, missing = [], []
        for run in runs:
            same = [found for found in present.get(run.key, []) if _is(found, run)]
            if not same:
                missing.append(run)
            stale += [found for found in present.pop(run.key, []) if found not in same[:1]]
        stale += [found for left in present.values() for found in left]
        # what replaces a run is written before the run goes
        for run in tqdm(missing, unit=" runs", desc="publish", disable=not missing):
            _write(client, experiment_id, run)
        with _speaking_plainly():
            for found in stale:
                _remove(client, found)
    return {
        "written": len(missing),
        "unchanged": len(runs) - len(missing),
        "removed": len(stale),
    }


def _shown_already(experiment: str, runs: Sequence[Run]) -> bool:
    """Ask the project's own store directly, because importing MLflow takes seconds.

    Any doubt is a no: another store, a file that cannot be read, tables that are not as expected.
    """
    file = paths.MLFLOW / "mlflow.db"
    where = _own_artifacts(experiment)
    if where is None or not file.exists():
        return False
    query = """
        SELECT run_uuid, tags.key, tags.value
        FROM tags JOIN runs USING (run_uuid) JOIN experiments USING (experiment_id)
        WHERE experiments.name = ? AND experiments.artifact_location = ?
        AND experiments.lifecycle_stage = 'active' AND runs.lifecycle_stage = 'active'
    """
    tags: dict[str, dict[str, str]] = {}
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
            for run_id, key, value in store.execute(query, (experiment, where)):
                tags.setdefault(run_id, {})[key] = value
    except sqlite3.Error:
        return False
    shown = [
        (found[KEY], found.get(DIGEST) if found.get(COMPLETE) == "true" else None)
        for found in tags.values()
        if KEY in found
    ]
    return len(shown) == len(runs) and set(shown) == {(run.key, run.digest) for run in runs}


def serve(port: int) -> int:
    """Run MLflow's UI on 127.0.0.1 until it is interrupted; return its exit status.

    Its address is printed when it answers.

    Raises:
        UserError: The port is taken.
    """
    if tracking_uri().startswith("http"):
        print(f"MLflow: {tracking_uri()} (MLFLOW_TRACKING_URI)", file=sys.stderr)  # noqa: T201
        return 0
    _quiet()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UserError(
                f"port {port} on 127.0.0.1 is taken; choose another: "
                f"whitepatch ui --port {port + 1}"
            )
    os.environ["PYTHONWARNINGS"] = "ignore"  # the server's own, of no use to who looks at runs
    print("MLflow is starting, which takes some 20 s ...", file=sys.stderr)  # noqa: T201
    server = ["mlflow", "server", "--backend-store-uri", tracking_uri(), "--workers", "1"]
    server += ["--host", "127.0.0.1", "--port", str(port), "--uvicorn-opts", "--log-level warning"]
    # a session of its own, so that stopping it stops its workers too
    with subprocess.Popen([sys.executable, "-m", *server], start_new_session=True) as process:  # noqa: S603
        # SIGINT too: a shell that starts us in the background has it ignored
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, signal.default_int_handler)
        try:
            if _answers(port, process):
                print(f"MLflow: http://127.0.0.1:{port} (Ctrl-C stops it)", file=sys.stderr)  # noqa: T201
            return process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            return 0


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; False if it ends before it does."""
    while process.poll() is None:
        try:
            # never by way of a proxy
            with requests.Session() as session:
                session.trust_env = False
                if session.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                    return True
        except requests.RequestException:
            pass  # not yet
        time.sleep(0.2)
    return False


def _write(client: "MlflowClient", experiment_id: str, run: Run) -> None:
    with TemporaryDirectory() as folder:
        run.attach(Path(folder))
        with _speaking_plainly():
            _log(client, experiment_id, run, folder)


def _log(client: "MlflowClient", experiment_id: str, run: Run, artifacts: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    tags = {KEY: run.key, DIGEST: run.digest, "mlflow.note.content": run.description, **run.tags}
    created = client.create_run(experiment_id, run_name=run.name, tags=tags)
    run_id = created.info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in run.metrics.items()]
    metrics += [
        Metric(name, value, now, step)
        for name, values in run.series.items()
        for step, value in values
    ]
    params = [Param(name, str(value)) for name, value in run.params.items()]
    client.log_batch(run_id, params=params)
    for start in range(0, len(metrics), 1000):  # the most that one call may carry
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    if run.dataset:
        name, digest = run.dataset
        data = Dataset(name, digest[:36], "local", f'{{"uri": "{name}"}}')
        client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    client.log_artifacts(run_id, artifacts)
    client.log_batch(run_id, tags=[RunTag(COMPLETE, "true")])
    client.set_terminated(run_id, "FINISHED")


def _remove(client: "MlflowClient", found: Any) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(found.info.artifact_uri).delete_artifacts()
    client.delete_run(found.info.run_id)


def _is(found: Any, run: Run) -> bool:
    tags = found.data.tags
    return bool(tags.get(DIGEST) == run.digest and tags.get(COMPLETE) == "true")


def _experiment(client: "MlflowClient", name: str, description: str) -> str:
    found = client.get_experiment_by_name(name)
    where = _own_artifacts(name)
    if found is None:
        # without this, the UI opens in its view for language models
        kind = {"mlflow.experimentKind": "custom_model_development"}
        experiment_id = client.create_experiment(name, where, tags=kind)
    else:
        experiment_id = found.experiment_id
        if where and found.artifact_location != where:
            raise UserError(
                f"the MLflow store in {paths.MLFLOW} was made in another folder and cannot be "
                f"moved; make it anew: rm -r {paths.MLFLOW}, then: whitepatch publish"
            )
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(experiment_id)
    if found is None or found.tags.get("mlflow.note.content") != description:
        client.set_experiment_tag(experiment_id, "mlflow.note.content", description)
    return str(experiment_id)


def _own_artifacts(experiment: str) -> str | None:
    """Return where artifacts lie beside the project's own store; a server knows its own place."""
    if "MLFLOW_TRACKING_URI" in os.environ:
        return None
    return (paths.MLFLOW / "artifacts" / experiment).absolute().as_uri()


def _all_runs(client: "MlflowClient", experiment_id: str) -> "Iterator[Any]":
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _quiet() -> None:
    """Nothing calls home, and a server that is down does not hold us for minutes."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _client() -> "MlflowClient":
    _quiet()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri())


@contextmanager
def _speaking_plainly() -> "Iterator[None]":
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # MLflow lets errors of its transports and databases through, of many kinds
        reason = " ".join(str(error).split())[:300]
        foreign = "start that server, or unset MLFLOW_TRACKING_URI, then: "
        cure = foreign if "MLFLOW_TRACKING_URI" in os.environ else f"rm -r {paths.MLFLOW}, then: "
        raise UserError(
            f"MLflow at {tracking_uri()} could not be written: {reason}; {cure}whitepatch publish"
        ) from error
