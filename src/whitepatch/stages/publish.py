"""Publish an experiment's results to MLflow, as far as they are not there yet."""

import sys

from whitepatch import params, paths
from whitepatch.files import write_json
from whitepatch.stages import run
from whitepatch.tracking import naming, replay
from whitepatch.tracking.publishing import publish


def main(name: str) -> None:
    """Replay the outputs of an experiment into MLflow and write a receipt of what it shows."""
    runs = replay.runs(name, params.load())
    experiment = naming.experiment(name)
    count = publish(experiment, replay.experiment_tags(name, runs), runs)
    # digests only: run ids and addresses would differ between two machines with equal results
    write_json(paths.MLFLOW / f"{name}.json", {run.key: run.digest for run in runs})
    left = count.pop("left")
    told = ", ".join(f"{number} {what}" for what, number in count.items())
    told += f"; {left} that another clone published are left" if left else ""
    print(f"MLflow, {experiment}: {told}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    run(main)
