"""A look at the project's own store past MLflow, whose import takes seconds."""

__all__ = ["changed", "shows"]

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from whitepatch import paths
from whitepatch.tracking import store, sums
from whitepatch.tracking.address import artifacts, is_own
from whitepatch.tracking.naming import ALIAS
from whitepatch.tracking.runs import Run
from whitepatch.tracking.store import COMPLETE, DIGEST, KEY, LIVE

STORE = paths.MLFLOW / "mlflow.db"


def shows(experiment: str, tags: Mapping[str, str], runs: Sequence[Run]) -> bool:
    """Say whether the store shows exactly these runs of an experiment, with these tags.

    Any doubt is a no: another store, a file that cannot be read, tables that are not as expected.
    """
    if not is_own() or not STORE.exists():
        return False
    query = """
        SELECT run_uuid, tags.key, tags.value
        FROM tags JOIN runs USING (run_uuid) JOIN experiments USING (experiment_id)
        WHERE experiments.name = ? AND experiments.artifact_location = ?
        AND experiments.lifecycle_stage = 'active' AND runs.lifecycle_stage = 'active'
    """
    described = """
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
        with closing(_opened()) as database:
            for run_id, key, value in database.execute(query, (experiment, artifacts(experiment))):
                found.setdefault(run_id, {})[key] = value
            rows = database.execute(described, (experiment,)).fetchall()
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
        and not changed(runs)
    )


def changed(runs: Sequence[Run]) -> list[str]:
    """Return the ids of those runs in the store that say they show all, and do not.

    Nobody can change a number or a parameter through MLflow; a bit that flipped in the file can,
    and SQLite does not see it. Nor does it see that an artifact is gone, or another.
    """
    if not is_own() or not STORE.exists():
        return []
    wanted = {(run.key, run.digest): run for run in runs}
    query = """
        SELECT run_uuid, keys.value, digests.value FROM runs
        JOIN tags AS keys USING (run_uuid)
        JOIN tags AS digests USING (run_uuid)
        JOIN tags AS ends USING (run_uuid)
        WHERE lifecycle_stage = 'active'
        AND keys.key = ? AND digests.key = ? AND ends.key = ? AND ends.value = 'true'
    """
    # while there is a last word to say, a run has not ended
    rows = """
        SELECT 'param', key, 0, value FROM params WHERE run_uuid = :run
        UNION ALL SELECT 'tag', key, 0, value FROM tags WHERE run_uuid = :run
        UNION ALL SELECT 'metric', key, step, value FROM metrics
            WHERE run_uuid = :run AND NOT is_nan
        UNION ALL SELECT 'last', key, step, value FROM latest_metrics
            WHERE run_uuid = :run AND NOT is_nan
        UNION ALL SELECT 'status', '', 0, CASE WHEN EXISTS (
            SELECT 1 FROM tags WHERE run_uuid = :run AND key = :live
        ) THEN 'FINISHED' ELSE status END FROM runs WHERE run_uuid = :run
    """
    try:
        with closing(_opened()) as database:
            return [
                shown
                for shown, *of in database.execute(query, (KEY, DIGEST, COMPLETE)).fetchall()
                if (run := wanted.get(tuple(of)))
                and not (
                    _told(run) <= set(database.execute(rows, {"run": shown, "live": LIVE}))
                    and _has_its_files(database, shown, run)
                )
            ]
    except sqlite3.Error:
        return []


def _has_its_files(database: sqlite3.Connection, shown: str, run: Run) -> bool:
    """Say whether a run, and its network if it is to have one, has all artifacts as they were."""
    query = """
        SELECT artifact_uri FROM runs WHERE run_uuid = :run
        UNION ALL SELECT artifact_location FROM logged_models
            WHERE source_run_id = :run AND lifecycle_stage = 'active'
    """
    places = [uri for (uri,) in database.execute(query, {"run": shown})]
    enough = len(places) >= (2 if run.model else 1)
    return enough and all(sums.hold(Path(url2pathname(urlsplit(uri).path))) for uri in places)


def _told(run: Run) -> set[tuple[str, str, int, object]]:
    """Return what the store is told of a run: each metric at each step, and at its last."""
    found: set[tuple[str, str, int, object]] = {("status", "", 0, "FINISHED")}
    found |= {("param", name, 0, str(value)) for name, value in run.params.items()}
    found |= {("tag", name, 0, value) for name, value in run.tags.items()}
    series = {name: [(0, value)] for name, value in run.metrics.items()} | dict(run.series)
    for name, values in series.items():
        found |= {("metric", name, step, float(value)) for step, value in values}
        step, value = max(values)
        found.add(("last", name, step, float(value)))
    return found


def _opened() -> sqlite3.Connection:
    return sqlite3.connect(f"{STORE.absolute().as_uri()}?mode=ro", uri=True)
