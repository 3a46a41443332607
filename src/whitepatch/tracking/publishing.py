"""Make the store show the runs that an experiment should have.

One flat run for each variant and seed, and one that sums up the experiment. A run is known by a
key and by a digest of all it shows, so publishing twice does nothing, and outputs that changed
replace their run. What a training showed of itself while it ran is adopted. What another clone of
the project has published to the same server is left alone: it may have other parameters.
"""

__all__ = ["publish"]

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from whitepatch import paths
from whitepatch.tracking import glance, models, own, store, writing
from whitepatch.tracking.runs import Run, is_live, is_shown
from whitepatch.tracking.store import COMPLETE, DIGEST, IDENTITY, KEY, LIVE
from whitepatch.tracking.trouble import knock, speaking_plainly

if TYPE_CHECKING:
    from mlflow import MlflowClient

KNOCK = 20.0
"""Seconds for a server to show that it is there."""


def publish(experiment: str, tags: Mapping[str, str], runs: Sequence[Run]) -> dict[str, int]:
    """Make the store show these runs of an experiment, and no others that this clone published.

    All others are left alone, and the runs of a training that is going on just now.

    Args:
        experiment: Name in MLflow.
        tags: Of the experiment, as `naming.experiment_tags` gives them.
        runs: All runs that the experiment should have.

    Returns:
        How many runs were `written`, `adopted`, `unchanged` and `removed`; `left` are others, which
        another clone published.

    Raises:
        UserError: The store cannot be reached or written.
    """
    paths.MLFLOW.mkdir(exist_ok=True)
    count = {"written": 0, "adopted": 0, "unchanged": 0, "removed": 0, "left": 0}
    with _alone():
        own.refuse_damage()
        if glance.shows(experiment, tags, runs):
            return count | {"unchanged": len(runs)}
        with speaking_plainly():
            knock(KNOCK)
            client = store.client()
            experiment_id = store.experiment(client, experiment, tags)
            for run_id in glance.changed(runs):
                client.set_tag(run_id, COMPLETE, "no")  # so it is replaced
            present = _by_key(client, experiment_id)
        missing = []
        for run in runs:
            if any(is_shown(found, run) for found in present.get(run.key, [])):
                count["unchanged"] += 1
            else:
                missing.append(run)
        # what replaces a run is written before the run goes
        for run in tqdm(missing, unit=" runs", desc="publish", disable=not missing):
            equals = filter(store.is_ours, present.get(run.key, []))
            live = [found for found in equals if is_live(found, run)]
            writing.write(client, experiment_id, run, live[0] if live else None)
            count["adopted" if live else "written"] += 1
        with speaking_plainly():
            count["removed"] = _settle(client, experiment_id, runs)
            count["left"] = _left(client, experiment_id, runs)
    return count


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until nobody else publishes from this folder, and say so."""
    lock = FileLock(paths.MLFLOW / "publish.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tqdm.write("publish: waiting for another that is at work here", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _left(client: "MlflowClient", experiment_id: str, runs: Sequence[Run]) -> int:
    """Return how many runs another clone published that show something else."""
    wanted = {(run.key, run.digest) for run in runs}
    return sum(
        not store.is_ours(found) and (key, found.data.tags.get(DIGEST)) not in wanted
        for key, equals in _by_key(client, experiment_id).items()
        for found in equals
    )


def _settle(client: "MlflowClient", experiment_id: str, runs: Sequence[Run]) -> int:
    """Remove what should not be there, and let the alias name what is; return how many went.

    Somebody else may be at the same, and whoever comes second is refused; another look finds less
    to do.
    """
    removed: set[str] = set()

    def settle() -> None:
        for found in _stale(_by_key(client, experiment_id), runs):
            writing.remove(client, experiment_id, found)
            removed.add(found.info.run_id)
        # what somebody deleted by hand leaves its models
        whole = f"tags.`{COMPLETE}` = 'true'"
        for found in list(store.all_runs(client, experiment_id, whole, "deleted")):
            if store.is_ours(found):
                client.restore_run(found.info.run_id)
                writing.remove(client, experiment_id, found)
                removed.add(found.info.run_id)
        _choose(client, _by_key(client, experiment_id), runs)

    writing.patiently(settle)
    return len(removed)


def _choose(
    client: "MlflowClient", present: Mapping[str, Sequence[Any]], runs: Iterable[Run]
) -> None:
    for run in runs:
        kept = [found for found in present.get(run.key, []) if is_shown(found, run)]
        if not kept:
            raise RuntimeError(f"somebody else has just published other results as {run.key}")
        if not store.is_ours(kept[0]):
            continue
        if LIVE in kept[0].data.tags and not store.is_written(kept[0]):
            writing.finish(client, kept[0])  # whoever wrote it was killed before its last word
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
    """Yield what should not be there: what is not wanted, what is twice, what is half-written.

    Only this clone's; of a training that is going on no seed is, be it finished or not.
    """
    wanted = {run.key: run for run in runs}
    everything = [one for found in present.values() for one in found]
    going_on = {one.data.tags[LIVE] for one in everything if store.is_written(one)}
    for key, found in present.items():
        kept = [one for one in found if key in wanted and is_shown(one, wanted[key])][:1]
        for one in found:
            tags = one.data.tags
            trained = IDENTITY in tags and COMPLETE not in tags and tags.get(LIVE) in going_on
            busy = trained or store.is_written(one)
            if one not in kept and not busy and store.is_ours(one):
                yield one
