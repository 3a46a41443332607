"""A look at the project's own store past MLflow, whose import takes seconds."""

__all__ = ["shows"]

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing

from whitepatch import paths
from whitepatch.naming import ALIAS
from whitepatch.tracking import own, store
from whitepatch.tracking.runs import Run
from whitepatch.tracking.store import COMPLETE, DIGEST, KEY, LIVE


def shows(experiment: str, tags: Mapping[str, str], runs: Sequence[Run]) -> bool:
    """Say whether the store shows exactly these runs of an experiment, with these tags.

    Any doubt is a no: another store, a file that cannot be read, tables that are not as expected.
    """
    file = paths.MLFLOW / "mlflow.db"
    where = own.artifacts(experiment)
    if where is None or not file.exists():
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
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            for run_id, key, value in database.execute(query, (experiment, where)):
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
    )
