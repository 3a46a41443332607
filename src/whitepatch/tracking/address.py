"""Where MLflow's store is: the project's own, or a server that MLFLOW_TRACKING_URI names."""

__all__ = ["artifacts", "is_own", "shown_uri", "tracking_uri", "without_secret"]

import os
from pathlib import Path

from whitepatch import paths
from whitepatch.errors import UserError


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or the project's own store: a SQLite file."""
    own = f"sqlite:///{paths.MLFLOW.absolute()}/mlflow.db"
    return own if is_own() else os.environ["MLFLOW_TRACKING_URI"]


def is_own() -> bool:
    """Say whether the store is the project's own, named by MLFLOW_TRACKING_URI or not."""
    scheme, _, place = os.environ.get("MLFLOW_TRACKING_URI", "").partition(":///")
    own = (paths.MLFLOW / "mlflow.db").absolute()
    return not scheme or (scheme == "sqlite" and Path(place).absolute() == own)


def artifacts(name: str) -> str | None:
    """Return where artifacts of an experiment lie: beside a SQLite file; a server knows by itself.

    Raises:
        UserError: The store is a database elsewhere, beside which there is no place for them.
    """
    file = paths.MLFLOW / "mlflow.db"
    if not is_own():
        scheme, _, place = tracking_uri().partition("://")
        if scheme.startswith(("mssql", "mysql", "postgres")):
            raise UserError(
                f"MLFLOW_TRACKING_URI is a {scheme} database, which has no place for artifacts; "
                "start `mlflow server` in front of it, and name its address"
            )
        if not scheme.startswith("sqlite"):
            return None
        file = Path(place.removeprefix("/").partition("?")[0])
    return (file.parent / "artifacts" / name).absolute().as_uri()


def shown_uri() -> str:
    """Return the same without what may be secret: a user's name and password, and a query."""
    return without_secret(tracking_uri())


def without_secret(text: str) -> str:
    """Return a text without what the store's address has of a user's name, password and query."""
    _, _, rest = tracking_uri().partition("://")
    place, mark, query = rest.partition("?")
    user, at, _ = place.partition("/")[0].rpartition("@")
    for secret in (user + at, mark + query):
        text = text.replace(secret, "") if secret else text
    return text
