"""Make the store show exactly the runs that an experiment should have.

One flat run for each variant and seed, and one that sums up the experiment. A run is known by a
key and by a digest of all it shows, so publishing twice does nothing, and outputs that changed
replace their run. What a training showed of itself while it ran is adopted.
"""

__all__ = ["Run", "Series", "publish"]

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from tqdm import tqdm

from whitepatch import paths
from whitepatch.naming import ALIAS
from whitepatch.tracking import models, store
from whitepatch.tracking.models import Model
from whitepatch.tracking.store import COMPLETE, DIGEST, KEY, LIVE, TRAINING, speaking_plainly

if TYPE_CHECKING:
    from mlflow import MlflowClient

KNOCK = 20.0
"""Seconds for a server to show that it is there."""

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before another attempt at what others may be doing, too."""

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
        origin: Returns tags that say where it comes from; called only if the run is to be written,
            so the digest does not know them.
        training: Digest of what training alone left, by which a live run is known; may be empty.
        model: The network, where it is one to be loaded from MLflow.
        attach: Writes the run's artifacts into a folder; called only if the run is to be written.
    """

    key: str
    digest: str
    name: str
    description: str
    attach: Callable[[Path], None]
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    series: Series = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: tuple[str, str] | None = None
    origin: Callable[[], Mapping[str, str]] = dict
    training: str = ""
    model: Model | None = None


def publish(experiment: str, tags: Mapping[str, str], runs: Sequence[Run]) -> dict[str, int]:
    """Make the store show exactly these runs of an experiment; others are left alone.

    So is a training that is running just now, whatever it will show.

    Args:
        experiment: Name in MLflow.
        tags: Of the experiment, as `naming.experiment_tags` gives them.
        runs: All runs that the experiment should have.

    Returns:
        How many runs were `written`, `adopted`, `unchanged` and `removed`.

    Raises:
        UserError: The store cannot be reached or written.
    """
    paths.MLFLOW.mkdir(exist_ok=True)
    count = {"written": 0, "adopted": 0, "unchanged": 0, "removed": 0}
    with FileLock(paths.MLFLOW / "publish.lock"):
        store.refuse_damage()
        if _shown_already(experiment, tags, runs):
            return count | {"unchanged": len(runs)}
        with speaking_plainly():
            store.knock(KNOCK)
            client = store.client()
            experiment_id = store.experiment(client, experiment, tags)
            present = _by_key(client, experiment_id)
        missing = []
        for run in runs:
            if any(_is(found, run) for found in present.get(run.key, [])):
                count["unchanged"] += 1
            else:
                missing.append(run)
        # what replaces a run is written before the run goes
        for run in tqdm(missing, unit=" runs", desc="publish", disable=not missing):
            live = [found for found in present.get(run.key, []) if _is_live(found, run)]
            _write(client, experiment_id, run, live[0] if live else None)
            count["adopted" if live else "written"] += 1
        with speaking_plainly():
            count["removed"] = _settle(client, experiment_id, runs)
    return count


def _settle(client: "MlflowClient", experiment_id: str, runs: Sequence[Run]) -> int:
    """Remove what should not be there, and let the alias name what is; return how many went.

    Somebody else may be at the same, and whoever comes second is refused; another look finds less
    to do.
    """
    removed: set[str] = set()

    def settle() -> None:
        for found in _stale(_by_key(client, experiment_id), runs):
            _remove(client, experiment_id, found)
            removed.add(found.info.run_id)
        _choose(client, _by_key(client, experiment_id), runs)

    _patiently(settle)
    return len(removed)


def _patiently(call: Callable[[], None]) -> None:
    """Call; if that fails, for others may do the same at this moment, call again after a pause."""
    for pause in PAUSES:
        try:
            return call()
        except Exception:
            time.sleep(pause)
    return call()


def _choose(
    client: "MlflowClient", present: Mapping[str, Sequence[Any]], runs: Iterable[Run]
) -> None:
    for run in runs:
        kept = [found for found in present.get(run.key, []) if _is(found, run)]
        if not kept:
            raise RuntimeError(f"somebody else has just published other results as {run.key}")
        if LIVE in kept[0].data.tags and not store.is_written(kept[0]):
            _finish(client, kept[0])  # whoever wrote it was killed before its last word
        if run.model and run.model.registered:
            models.choose(client, run.model, kept[0].info.experiment_id, kept[0].info.run_id)


def _by_key(client: "MlflowClient", experiment_id: str) -> dict[str, list[Any]]:
    """Return our runs by key, the oldest first: of equals, everybody keeps the same one."""
    found: dict[str, list[Any]] = {}
    for run in store.all_runs(client, experiment_id):
        if KEY in run.data.tags:
            found.setdefault(run.data.tags[KEY], []).append(run)
    return {
        key: sorted(equals, key=lambda run: (run.info.start_time, run.info.run_id))
        for key, equals in found.items()
    }


def _stale(present: Mapping[str, Sequence[Any]], runs: Sequence[Run]) -> Iterable[Any]:
    """Yield what should not be there: what is not wanted, what is twice, what is half-written."""
    wanted = {run.key: run for run in runs}
    for key, found in present.items():
        kept = [one for one in found if key in wanted and _is(one, wanted[key])][:1]
        yield from (one for one in found if one not in kept and not store.is_written(one))


def _shown_already(experiment: str, tags: Mapping[str, str], runs: Sequence[Run]) -> bool:
    """Ask the project's own store directly, because importing MLflow takes seconds.

    Any doubt is a no: another store, a file that cannot be read, tables that are not as expected.
    """
    file = paths.MLFLOW / "mlflow.db"
    where = store.own_artifacts(experiment)
    if where is None or not file.exists():
        return False
    query = """
        SELECT run_uuid, tags.key, tags.value
        FROM tags JOIN runs USING (run_uuid) JOIN experiments USING (experiment_id)
        WHERE experiments.name = ? AND experiments.artifact_location = ?
        AND experiments.lifecycle_stage = 'active' AND runs.lifecycle_stage = 'active'
    """
    own = """
        SELECT experiment_id, tags.key, tags.value
        FROM experiment_tags AS tags JOIN experiments USING (experiment_id)
        WHERE experiments.name = ?
    """
    named = """
        SELECT name, run_id
        FROM registered_model_aliases AS aliases JOIN model_versions USING (name, version)
        WHERE alias = ? AND current_stage != 'Deleted_Internal'
    """
    found: dict[str, dict[str, str]] = {}
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            for run_id, key, value in database.execute(query, (experiment, where)):
                found.setdefault(run_id, {})[key] = value
            rows = database.execute(own, (experiment,)).fetchall()
            aliases = database.execute(named, (ALIAS,)).fetchall()
    except sqlite3.Error:
        return False
    shown = [
        (run[KEY], run.get(DIGEST) if run.get(COMPLETE) == "true" and LIVE not in run else None)
        for run in found.values()
        if KEY in run
    ]
    wanted = {(run.model.registered, run.key) for run in runs if run.model and run.model.registered}
    chosen = {(name, found.get(run_id, {}).get(KEY)) for name, run_id in aliases}
    present = {key: value for _, key, value in rows}
    return (
        bool(rows)
        and present.items() >= store.filled(tags, rows[0][0]).items()
        and wanted <= chosen
        and len(shown) == len(runs)
        and set(shown) == {(run.key, run.digest) for run in runs}
    )


def _write(client: "MlflowClient", experiment_id: str, run: Run, live: Any) -> None:
    with TemporaryDirectory() as folder:
        run.attach(Path(folder))
        with speaking_plainly():
            run_id = _taken(client, live) if live else _create(client, experiment_id, run)
            _log(client, experiment_id, run, run_id, folder)


def _create(client: "MlflowClient", experiment_id: str, run: Run) -> str:
    # known from the first moment, so that a half-written one is found
    tags = {KEY: run.key, LIVE: store.me()}
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
        _patiently(lambda: client.log_inputs(run_id, [tagged]))
    client.log_artifacts(run_id, artifacts)
    client.log_batch(run_id, tags=[RunTag(COMPLETE, "true")])
    _finish(client, there)


def _finish(client: "MlflowClient", found: Any) -> None:
    client.set_terminated(found.info.run_id, "FINISHED", found.info.end_time)
    client.delete_tag(found.info.run_id, LIVE)


def _remove(client: "MlflowClient", experiment_id: str, found: Any) -> None:
    # if this is cut off, or the run restored by hand, it is not taken for whole
    client.set_tag(found.info.run_id, COMPLETE, "no")
    models.remove(client, experiment_id, found.info.run_id)
    store.remove_artifacts(found.info.artifact_uri)
    client.delete_run(found.info.run_id)


def _is(found: Any, run: Run) -> bool:
    tags = found.data.tags
    return bool(tags.get(DIGEST) == run.digest and tags.get(COMPLETE) == "true")


def _is_live(found: Any, run: Run) -> bool:
    """Say whether a run is what a training showed of itself, and this very training."""
    tags, params = found.data.tags, {name: str(value) for name, value in run.params.items()}
    return bool(
        run.training
        and tags.get(TRAINING) == run.training
        and COMPLETE not in tags
        and not store.is_written(found)
        and all(params.get(name) == value for name, value in found.data.params.items())
    )
