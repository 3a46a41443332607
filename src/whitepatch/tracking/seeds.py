"""One seed of a training that is shown while it runs, and its run in MLflow."""

__all__ = ["Seed", "run_of"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from whitepatch.tracking import own, store
from whitepatch.tracking.store import COMPLETE, IDENTITY, KEY, LIVE, OWNER

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass
class Seed:
    """One seed's run: what has been told of it, and how much of that MLflow has.

    Attributes:
        run: Its name and title, its tags and parameters.
        rows: Epochs whose numbers MLflow has not got yet. `at` is the time they were told, in
            milliseconds: sent twice with it, because an answer was lost, they are there once.
        panels: Epochs and arrays whose picture it has not got yet.
        end: How the training ended, if it has: a status, and the digest of what it left.
        run_id: In MLflow, if it is there.
    """

    run: Mapping[str, Any]
    rows: list[dict[str, float]] = field(default_factory=list)
    panels: list[tuple[int, dict[str, NDArray[Any]]]] = field(default_factory=list)
    end: tuple[str, str] | None = None
    run_id: str = ""


def run_of(client: "MlflowClient", experiment_id: str, seed: Seed, process: int) -> str:
    """Return the run of a seed: the one it had before it was interrupted, or a new one."""
    from whitepatch.figures import style

    tags = seed.run["tags"] | {
        KEY: seed.run["key"],
        IDENTITY: seed.run["identity"],
        LIVE: store.me(process),
        OWNER: own.clone(),
        "mlflow.runColor": style.colours(seed.run["variants"])[seed.run["tags"]["variant"]],
    }
    only = f"tags.`{KEY}` = '{tags[KEY]}'"
    for found in list(store.all_runs(client, experiment_id, only)):
        if COMPLETE in found.data.tags or found.info.status == "FINISHED":
            continue
        if not store.is_ours(found):
            continue
        same = found.data.tags.get(IDENTITY) == tags[IDENTITY]
        # of a run that we have just made, the answer may have been lost
        mine = found.data.tags.get(LIVE) == tags[LIVE]
        if same and LIVE in found.data.tags and (mine or not store.is_written(found)):
            known = _steps(client, found)
            # one that had more was of a training that began anew
            if max((0, *(max(steps) for steps in known.values()))) <= len(seed.rows):
                return _continued(client, found, seed, tags[LIVE], known)
        if found.info.status == "RUNNING" and not store.is_written(found):
            client.set_terminated(found.info.run_id, "KILLED")
    created = client.create_run(experiment_id, run_name=seed.run["name"], tags=tags)
    run_id = str(created.info.run_id)
    for name, value in seed.run["params"].items():
        client.log_param(run_id, name, value)
    return run_id


def _continued(
    client: "MlflowClient", found: Any, seed: Seed, live: str, known: Mapping[str, set[int]]
) -> str:
    """Take a run up again, and leave out of what is to be told what it has already."""
    run_id = str(found.info.run_id)
    client.set_tag(run_id, LIVE, live)
    client.update_run(run_id, status="RUNNING")
    for name in seed.run["params"].keys() - found.data.params.keys():
        client.log_param(run_id, name, seed.run["params"][name])
    seed.rows = [
        {"epoch": row["epoch"], "at": row["at"]}
        | {
            name: value
            for name, value in row.items()
            if int(row["epoch"]) not in known.get(name, ())
        }
        for row in seed.rows
    ]
    return run_id


def _steps(client: "MlflowClient", found: Any) -> dict[str, set[int]]:
    """Return the epochs that a run has of each metric; the machine's load has no epochs."""
    run_id = found.info.run_id
    return {
        name: {metric.step for metric in client.get_metric_history(run_id, name)}
        for name in found.data.metrics
        if not name.startswith("system/")
    }
