"""Runs to publish, and what a store has of them."""

import warnings

import numpy as np

from whitepatch.models.classifier import build
from whitepatch.tracking import store
from whitepatch.tracking.models import Model
from whitepatch.tracking.publishing import Run, written

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own imports
    store.quiet()
    from mlflow import MlflowClient

PICTURES = np.random.default_rng(1).normal(size=(3, 3, 96, 96)).astype(np.float32)


def network():
    return build("cbam_spatial", 0).eval()


def chosen(name="a"):
    """Return a model that is registered."""
    return Model(name, network, lambda: PICTURES[:2], {"variant": name}, "ours")


def run(key, digest="1", loss=0.5, **more):
    """Return a run as it should stand in MLflow."""

    def attach(folder):
        (folder / "figures").mkdir()
        (folder / "figures" / "map.png").write_bytes(b"picture of " + key.encode())

    return Run(
        key=key,
        digest=digest,
        name=f"name of {key}",
        description="what it is",
        attach=attach,
        tags={"variant": key},
        params={"epochs": 3},
        series={"train_loss": [(1, 0.9), (2, loss)]},
        metrics={"score auc/evidence": 0.25},
        dataset=("data/split/demo.csv", "abc"),
        **more,
    )


def found(experiment="ours"):
    """Return a client of the store, and its runs of an experiment by key."""
    client = MlflowClient(store.tracking_uri(), store.tracking_uri())
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    return client, {one.data.tags[store.KEY]: one for one in written(client, experiment_id)}


def steps(client, run, name):
    """Return (step, value) of a metric."""
    return [(it.step, it.value) for it in client.get_metric_history(run.info.run_id, name)]


def contents(experiment="ours"):
    """Return all that a store shows of an experiment, but for ids, times and places."""
    client, runs = found(experiment)
    shown = {
        key: {
            "name": run.info.run_name,
            "status": run.info.status,
            "tags": {name: value for name, value in run.data.tags.items() if name != "mlflow.user"},
            "params": run.data.params,
            "metrics": {name: steps(client, run, name) for name in run.data.metrics},
            "data": [data.dataset.digest for data in run.inputs.dataset_inputs],
            "files": files_of(client, run.info.run_id),
            "models": len(run.outputs.model_outputs) if run.outputs else 0,
        }
        for key, run in runs.items()
    }
    versions = [(it.name, int(it.version), it.tags) for it in client.search_model_versions()]
    return shown, versions


def files_of(client, run_id, folder=None):
    """Return the paths of a run's artifacts."""
    found = []
    for file in client.list_artifacts(run_id, folder):
        found += files_of(client, run_id, file.path) if file.is_dir else [file.path]
    return sorted(found)
