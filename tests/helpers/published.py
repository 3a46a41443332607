"""Runs to publish, and what a store has of them; `python -m helpers.published` publishes some."""

import warnings

import numpy as np

from whitepatch.models.classifier import build
from whitepatch.tracking import store
from whitepatch.tracking.address import tracking_uri
from whitepatch.tracking.models import Model
from whitepatch.tracking.publishing import publish
from whitepatch.tracking.runs import Run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own imports
    store.quiet()
    from mlflow import MlflowClient

PICTURES = np.random.default_rng(1).normal(size=(3, 3, 96, 96)).astype(np.float32)


def network():
    return build("cbam_spatial", 0).eval()


def chosen(name="a"):
    """A model that is registered."""
    return Model(name, network, lambda: PICTURES[:2], {"variant": name}, "ours")


def run(key, digest="1", loss=0.5, **more):
    """A run as it should stand in MLflow."""

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


def contents(experiment="ours"):
    """Return all that a store shows of an experiment, but for ids, times and places."""
    client = MlflowClient(tracking_uri())
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    shown = {}
    for found in client.search_runs([experiment_id]):
        run_id = found.info.run_id
        shown[found.data.tags[store.KEY]] = {
            "name": found.info.run_name,
            "status": found.info.status,
            "tags": {key: value for key, value in found.data.tags.items() if key != "mlflow.user"},
            "params": found.data.params,
            "metrics": {
                name: [(it.step, it.value) for it in client.get_metric_history(run_id, name)]
                for name in found.data.metrics
            },
            "data": [data.dataset.digest for data in found.inputs.dataset_inputs],
            "files": files_of(client, run_id),
            "models": len(found.outputs.model_outputs) if found.outputs else 0,
        }
    versions = [
        (version.name, int(version.version), version.tags)
        for version in client.search_model_versions()
    ]
    models = client.search_logged_models([experiment_id])
    return shown, versions, [(model.name, model.tags["variant"]) for model in models]


def files_of(client, run_id, folder=None):
    """Return the paths of a run's artifacts."""
    found = []
    for file in client.list_artifacts(run_id, folder):
        found += files_of(client, run_id, file.path) if file.is_dir else [file.path]
    return sorted(found)


if __name__ == "__main__":
    publish("ours", {}, [run("a", model=chosen()), *map(run, "bcdefgh")])
