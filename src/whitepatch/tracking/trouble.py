"""What is wrong with a store of MLflow, in one line, and what mends it."""

__all__ = ["cure", "knock", "reason", "speaking_plainly"]

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.tracking.address import is_own, shown_uri, tracking_uri, without_secret


def knock(seconds: float) -> None:
    """Ask a server whether it is there, before MLflow is imported and waits for it much longer.

    Any answer will do; other stores are not asked.

    Raises:
        requests.RequestException: It does not answer within this time.
    """
    import requests

    if (uri := tracking_uri()).startswith(("http://", "https://")):
        address = f"{uri.partition('?')[0].rstrip('/')}/health"
        # who refuses a handshake is there; MLflow has settings for certificates
        with suppress(requests.exceptions.SSLError):
            requests.get(address, timeout=seconds, stream=True).close()


@contextmanager
def speaking_plainly() -> Iterator[None]:
    """Say in one line what is wrong with the store, and the cure.

    Raises:
        UserError: Whatever MLflow, its transports or its databases raise; they have many kinds.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"MLflow at {shown_uri()} could not be written: {reason(error)}; "
            f"{cure(error)}, then: whitepatch publish"
        ) from error


def reason(error: Exception) -> str:
    """Return what an error of MLflow's says, in one line, without what may be secret."""
    return without_secret(" ".join(str(error).split()))[:300] or type(error).__name__


def cure(error: Exception) -> str:
    """Return what mends a store that raised this."""
    said = str(error).lower()
    if any(words in said for words in ("disk is full", "no space left", "file too large")):
        return "free some space"
    if any(
        words in said for words in ("readonly", "read-only", "permission denied", "unable to open")
    ):
        return "let it be written by you"
    if not is_own():
        refused = any(words in said for words in ("401", "403", "unauthorized", "forbidden"))
        credentials = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return credentials if refused else "see to that server, or unset MLFLOW_TRACKING_URI"
    # its tables are not those of this MLflow, or damaged; nothing else needs so much
    tables = ("malformed", "no such", "already exists", "duplicate column", "revision", "schema")
    if any(words in said for words in (*tables, "not a database", "out-of-date", "is a directory")):
        return f"rm -r {paths.MLFLOW}"
    return "wait for whoever else writes to it"
