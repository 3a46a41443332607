"""Write one run into MLflow, or remove one."""

__all__ = ["PAUSES", "finish", "patiently", "remove", "write"]

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.files import scratch
from whitepatch.tracking import models, own, store, sums
from whitepatch.tracking.runs import Run
from whitepatch.tracking.store import COMPLETE, DIGEST, KEY, LIVE, OWNER
from whitepatch.tracking.trouble import speaking_plainly

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before another attempt at what others may be doing, too."""


def write(client: "MlflowClient", experiment_id: str, run: Run, live: Any) -> None:
    """Write a run, or complete one that its training began.

    Args:
        client: Of the store.
        experiment_id: Where it belongs.
        run: As it should stand there.
        live: What its training showed of it; None if nothing.

    Raises:
        UserError: The store cannot be written, or the results changed meanwhile; then the run is
            not whole, and the next to publish replaces it.
    """
    with scratch(paths.MLFLOW) as folder:
        run.attach(Path(folder))
        sums.write(Path(folder))
        with speaking_plainly():
            run_id = _taken(client, live) if live else _create(client, experiment_id, run)
            _log(client, experiment_id, run, run_id, folder)


def _create(client: "MlflowClient", experiment_id: str, run: Run) -> str:
    # known from the first moment, so that a half-written one is found
    tags = {KEY: run.key, LIVE: store.me(), OWNER: own.clone()}
    return str(client.create_run(experiment_id, run_name=run.name, tags=tags).info.run_id)


def _taken(client: "MlflowClient", live: Any) -> str:
    """Mark a run that a training wrote as ours to complete."""
    run_id = str(live.info.run_id)
    client.set_tag(run_id, LIVE, store.me())
    client.update_run(run_id, status="RUNNING")
    return run_id


def _log(client: "MlflowClient", experiment_id: str, run: Run, run_id: str, artifacts: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    there = client.get_run(run_id)
    tags = {"mlflow.note.content": run.description} | dict(run.tags) | dict(run.origin())
    tags[DIGEST] = run.digest
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    params = {name: str(value) for name, value in run.params.items()}
    new = params.keys() - there.data.params.keys()
    client.log_batch(run_id, params=[Param(name, params[name]) for name in params if name in new])
    model_id = models.log(client, experiment_id, run_id, run.model) if run.model else None
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0, model_id) for name, value in run.metrics.items()]
    for name, values in run.series.items():
        steps = {
            metric.step
            for metric in (
                client.get_metric_history(run_id, name) if name in there.data.metrics else []
            )
        }
        metrics += [Metric(name, value, now, step) for step, value in values if step not in steps]
    for start in range(0, len(metrics), 1000):  # the most that one call may carry
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    if run.dataset and not (there.inputs and there.inputs.dataset_inputs):
        name, digest = run.dataset
        data = Dataset(name, digest[:36], "local", f'{{"uri": "{name}"}}')
        tagged = DatasetInput(data, [InputTag("mlflow.data.context", "train")])
        patiently(lambda: client.log_inputs(run_id, [tagged]))
    client.log_artifacts(run_id, artifacts)
    if not run.is_current():
        raise UserError(
            f"{run.key}: its results changed while they were published; "
            "let the pipeline finish, then: whitepatch publish"
        )
    client.log_batch(run_id, tags=[RunTag(COMPLETE, "true")])
    finish(client, there)


def finish(client: "MlflowClient", found: Any) -> None:
    """Say the last word on a run: it has ended, and nobody writes it any more."""
    client.set_terminated(found.info.run_id, "FINISHED", found.info.end_time)
    client.delete_tag(found.info.run_id, LIVE)


def remove(client: "MlflowClient", experiment_id: str, found: Any) -> None:
    """Remove a run, with its artifacts and models."""
    # if this is cut off, or the run restored by hand, it is not taken for whole
    client.set_tag(found.info.run_id, COMPLETE, "no")
    models.remove(client, experiment_id, found.info.run_id)
    store.remove_artifacts(found.info.artifact_uri)
    client.delete_run(found.info.run_id)


def patiently(call: Callable[[], None]) -> None:
    """Call; if that fails, for others may do the same at this moment, call again after a pause."""
    for pause in PAUSES:
        try:
            return call()
        except Exception:
            time.sleep(pause)
    return call()
