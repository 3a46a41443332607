"""Make the store show the runs that an experiment should have.

One flat run for each variant and seed, and one that sums up the experiment. A run is known by a
key and by a digest of all it shows, so publishing twice does nothing, and outputs that changed
replace their run, as they replace what a training showed while it ran. Only runs that this clone
of the project wrote are ever replaced or removed.
"""

__all__ = ["BATCH", "Run", "Series", "publish", "written"]

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from whitepatch.tracking import models, store
from whitepatch.tracking.store import COMPLETE, DIGEST, KEY, OWNER

if TYPE_CHECKING:
    from mlflow import MlflowClient

Series = Mapping[str, Sequence[tuple[int, float]]]
"""(step, value) by metric."""

BATCH, MOST = 1000, 50_000
"""Metrics that one call of MLflow's takes at most, and runs that it returns at most."""


@dataclass(frozen=True)
class Run:
    """One run as it should stand in MLflow.

    Attributes:
        key: What it is, unique in its experiment, the same for ever.
        digest: Of all files and numbers that it shows, hexadecimal.
        name: What people read.
        description: Markdown.
        attach: Writes the run's artifacts into a folder; called only if the run is to be written.
        tags: Further tags.
        params: Parameters.
        series: Metrics by epoch.
        metrics: Final metrics.
        dataset: Name and digest of the images.
        origin: Returns tags that say where it comes from; called only if the run is to be written,
            so the digest does not know them.
        model: The network, where it is one to be loaded from MLflow.
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
    model: models.Model | None = None

    def is_shown_by(self, found: Any) -> bool:
        """Say whether a run of MLflow is this one, whole."""
        tags = found.data.tags
        whole = (self.key, self.digest, "true")
        return (tags.get(KEY), tags.get(DIGEST), tags.get(COMPLETE)) == whole


def publish(experiment: str, tags: Mapping[str, str], runs: Sequence[Run]) -> dict[str, int]:
    """Make the store show these runs of an experiment, and no others that this clone wrote.

    Args:
        experiment: Name in MLflow.
        tags: Of the experiment, as `naming.experiment_tags` gives them.
        runs: All runs that the experiment should have.

    Returns:
        How many runs were `written`, `unchanged` and `removed`; `left` are those of other clones
        that show something else.

    Raises:
        UserError: The store cannot be reached or written.
    """
    with store.plainly():
        client = store.client()
        experiment_id = store.experiment(client, experiment, tags)
        present = written(client, experiment_id)
    ours = [found for found in present if store.is_ours(found)]
    others = [found for found in present if found not in ours]
    wanted = {run.key: run for run in runs}

    def is_wanted(found: Any) -> bool:
        run = wanted.get(found.data.tags[KEY])
        return run is not None and run.is_shown_by(found)

    # of equals, one of ours is kept
    kept = {found.data.tags[KEY]: found for found in [*others, *ours] if is_wanted(found)}
    missing = [run for run in runs if run.key not in kept]
    # what replaces a run is written before the run goes
    for run in tqdm(missing, unit=" runs", desc="publish", disable=not missing):
        _write(client, experiment_id, run)
    stale = [found for found in ours if kept.get(found.data.tags[KEY]) is not found]
    with store.plainly():
        for found in stale:
            client.delete_run(found.info.run_id)
            models.remove(client, experiment_id, found.info.run_id)
            store.remove_artifacts(found.info.artifact_uri)
    return {
        "written": len(missing),
        "unchanged": len(kept),
        "removed": len(stale),
        "left": sum(not is_wanted(found) for found in others),
    }


def written(client: "MlflowClient", experiment_id: str) -> list[Any]:
    """Return all runs of an experiment that the pipeline wrote."""
    found = client.search_runs([experiment_id], max_results=MOST)
    return [run for run in found if KEY in run.data.tags]


def _write(client: "MlflowClient", experiment_id: str, run: Run) -> None:
    """Write a run; if this is cut off, the next to publish does not take it for whole."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    with TemporaryDirectory() as folder:
        run.attach(Path(folder))
        tags = {KEY: run.key, OWNER: store.clone(), DIGEST: run.digest}
        tags |= {"mlflow.note.content": run.description, **run.tags, **run.origin()}
        with store.plainly():
            run_id = client.create_run(experiment_id, run_name=run.name, tags=tags).info.run_id
            client.log_artifacts(run_id, folder)
            model_id = models.log(client, experiment_id, run_id, run.model) if run.model else None
            params = [Param(name, str(value)) for name, value in run.params.items()]
            client.log_batch(run_id, params=params)
            now = int(time.time() * 1000)
            metrics = [Metric(name, value, now, 0, model_id) for name, value in run.metrics.items()]
            metrics += [
                Metric(name, value, now, step)
                for name, values in run.series.items()
                for step, value in values
            ]
            for start in range(0, len(metrics), BATCH):
                client.log_batch(run_id, metrics=metrics[start : start + BATCH])
            if run.dataset:
                name, digest = run.dataset
                data = Dataset(name, digest[:36], "local", f'{{"uri": "{name}"}}')
                tagged = DatasetInput(data, [InputTag("mlflow.data.context", "train")])
                client.log_inputs(run_id, [tagged])
            client.set_terminated(run_id, "FINISHED")
            client.log_batch(run_id, tags=[RunTag(COMPLETE, "true")])
