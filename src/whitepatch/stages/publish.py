"""Publish an experiment's results to MLflow, as far as they are not there yet."""

import sys

from whitepatch import params
from whitepatch.stages import run
from whitepatch.tracking import naming, replay
from whitepatch.tracking.publishing import publish


def main(name: str) -> None:
    """Replay the outputs of an experiment into MLflow; what is there already stays."""
    runs = replay.runs(name, params.load())
    experiment = naming.experiment(name)
    count = publish(experiment, replay.experiment_tags(name, runs), runs)
    left = count.pop("left")
    told = ", ".join(f"{number} {what}" for what, number in count.items())
    told += f"; {left} of other clones are left alone" if left else ""
    print(f"MLflow, {experiment}: {told}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    run(main)
