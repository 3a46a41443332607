"""The environment of the programs that we start, by ourselves or for somebody at a prompt.

`python -I -m whitepatch.programs COMMAND ...` runs a command in it; the Makefile does.
"""

__all__ = ["compute_as_asked", "end_with_parent", "environment"]

import os
import sys
import time
from pathlib import Path
from threading import Thread

THREADS = ("GOMP_", "KMP_", "MKL_", "OMP_")
"""Beginnings of what the libraries that compute read when they are loaded."""

ANEW = "WHITEPATCH_ANEW"
"""Says that a program was started anew; some libraries set variables of their own."""

OURS = ("BASH_ENV", "GIT_", "MLFLOW_", "MPLBACKEND", "PIP_", "PYTHON", *THREADS)
"""Beginnings of the variables that are ours to decide: they are left out, or set."""

THEIRS = (
    *("GIT_ASKPASS", "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_", "GIT_SSH", "GIT_SSL_"),
    *("MLFLOW_ARTIFACT_", "MLFLOW_BOTO_", "MLFLOW_ENABLE_WORKSPACES", "MLFLOW_HTTP_"),
    *("MLFLOW_KERBEROS_", "MLFLOW_S3_", "MLFLOW_TRACKING_", "MLFLOW_WORKSPACE"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONUTF8"),
)
"""Those among them that stay the user's: who somebody is, and where the servers are."""


POLL = 0.25
"""Seconds between two looks at whether the parent is there."""


def environment(*dropped: str, **ours: str) -> dict[str, str]:
    """Return the environment of a program that we start.

    Args:
        *dropped: Beginnings of further variables that it must not see.
        **ours: Variables that it sees as they are here.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if (not name.startswith(OURS) or name.startswith(THEIRS)) and not name.startswith(dropped)
    }
    # DVC runs stages by SHELL, which may be a program that refuses; they import what runs here
    return kept | {"SHELL": "/bin/sh", "PYTHONPATH": str(Path(__file__).parents[1])} | ours


def compute_as_asked() -> None:
    """Start this program anew, once, if others have set how its libraries use threads.

    With OMP_DYNAMIC=true a gradient may lack the share of a thread that never ran. How many threads
    there are, `runtime.threads` says; the variables that name a number do no harm.
    """
    if ANEW in os.environ:
        return
    harmless = ("MKL_NUM_THREADS", "OMP_NUM_THREADS")
    if any(name.startswith(THREADS) and name not in harmless for name in os.environ):
        anew = environment(**{ANEW: "true"})
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], anew)  # noqa: S606


def end_with_parent(parent: int) -> None:
    """End this process as soon as the one that started it is gone, at whatever point it is.

    Files are written whole or not at all, and a training goes on from where it was left.

    Args:
        parent: `os.getppid()`, as it was when this process began.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    os.execvpe(sys.argv[1], sys.argv[1:], environment())  # noqa: S606 -- what the Makefile names
