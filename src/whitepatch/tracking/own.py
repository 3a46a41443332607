"""The project's own store: a SQLite file in `mlflow/`, with artifacts beside it."""

__all__ = ["clone", "make", "refuse_damage"]

import sqlite3
from contextlib import closing
from uuid import uuid4

from filelock import FileLock

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.files import digest, replacing, write_text
from whitepatch.tracking.address import is_own
from whitepatch.tracking.trouble import reason


def clone() -> str:
    """Return what this clone calls itself: by a file with a random number, and where that lies.

    So a copied folder is another clone, on another machine too; so is one whose `mlflow/` was
    removed.
    """
    name = paths.MLFLOW / "clone"
    if not name.exists():
        paths.MLFLOW.mkdir(exist_ok=True)
        with FileLock(paths.MLFLOW / "store.lock"):
            if not name.exists():  # somebody else may have come first
                write_text(name, f"{uuid4()}\n")
    return digest(name, f"{name.absolute()}:{name.stat().st_ino}".encode())[:16]


def make() -> None:
    """Make the tables of the project's own store, all of them or none, if there is none."""
    from mlflow import MlflowClient

    file = paths.MLFLOW / "mlflow.db"
    name = set(str(file.absolute()))
    if name & {"?", "%"} or name >= {"'", '"'}:
        raise UserError(
            "MLflow cannot keep a store in a folder with ? or %, or both kinds of quotes, in its "
            f"name, as {paths.MLFLOW.absolute()} is; move the project, or set MLFLOW_TRACKING_URI"
        )
    paths.MLFLOW.mkdir(exist_ok=True)
    with FileLock(paths.MLFLOW / "store.lock"):
        for left in paths.MLFLOW.glob(".mlflow.*.db-journal"):
            left.unlink()  # of one who was killed
        if not file.exists() or not file.stat().st_size:
            with replacing(file.absolute()) as temporary:
                MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)


def refuse_damage() -> None:
    """See to it that the project's own store, if it is here, is whole; takes milliseconds.

    Raises:
        UserError: SQLite finds it damaged, or it is somebody's else.
    """
    file = paths.MLFLOW / "mlflow.db"
    if not is_own() or not file.exists():
        return
    try:
        if not file.is_file():
            raise sqlite3.DatabaseError("is no file")
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as tables:
            (found,) = tables.execute("PRAGMA quick_check(1)").fetchone()
            names = [name for (name,) in tables.execute("SELECT name FROM sqlite_master")]
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            return  # locked, or no permission: MLflow says so
        found, names = str(error), []
    if found != "ok":
        raise UserError(
            f"{file} is damaged ({reason(ValueError(found))}); "
            f"make it anew: rm -r {paths.MLFLOW}, then: whitepatch publish"
        )
    if names and "alembic_version" not in names:
        raise UserError(
            f"{file} is no store of MLflow's; move it away, and make one: whitepatch publish"
        )
