"""Tests reach nothing outside of their own folder."""

import os
from pathlib import Path

from whitepatch import programs

NOBODYS = ("DVC_", "GIT_", "MAKE", "MFLAGS", "MLFLOW_", "XDG_", "AWS_", "WHITEPATCH_")
"""Beginnings of variables of somebody's settings, repositories, servers, secrets and builds."""


def alone(home: Path) -> None:
    """Leave the environment no way out of `home`, for this process and all that it starts.

    One thread is the fastest for networks this small, and the same on every machine.
    """
    environment = programs.environment(
        *NOBODYS,
        HOME=str(home),
        DVC_NO_ANALYTICS="true",
        DVC_SITE_CACHE_DIR=str(home / "dvc"),
        DVC_SYSTEM_CONFIG_DIR=str(home),
        GIT_CONFIG_NOSYSTEM="1",
        # a checkout may be somebody else's, as in a container
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0="safe.directory",
        GIT_CONFIG_VALUE_0="*",
        MLFLOW_DISABLE_TELEMETRY="true",
        OMP_NUM_THREADS="1",
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
    )
    os.environ.clear()
    os.environ.update(environment)
