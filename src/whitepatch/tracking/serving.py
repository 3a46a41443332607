"""MLflow's pages, on this machine only."""

__all__ = ["refuse_taken", "serve"]

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import requests

from whitepatch import paths, programs
from whitepatch.errors import UserError
from whitepatch.tracking import store
from whitepatch.tracking.views import CHARTS, links

LONGEST = 180.0
"""Seconds until MLflow answers, on a slow machine; some 20 are usual."""


def serve(port: int) -> int:
    """Run MLflow's UI on 127.0.0.1 until it is interrupted; return its exit status.

    Its address is printed when it answers.

    Raises:
        UserError: MLflow does not answer. If it has ended, it has said why, and a store of another
            version of MLflow is the likely reason.
    """
    if store.tracking_uri().startswith("http"):
        print(f"MLflow: {store.shown_uri()} (MLFLOW_TRACKING_URI)", file=sys.stderr)  # noqa: T201
        return 0
    print("MLflow is starting, which takes some 20 s ...", file=sys.stderr)  # noqa: T201
    environment = programs.environment(
        *("MLFLOW_", "UVICORN_"),  # what is set for another server
        **store.QUIET,
        PYTHONWARNINGS="ignore",  # the server's own, of no use to its readers
        # not as an argument, which every user of this machine can read
        MLFLOW_BACKEND_STORE_URI=store.tracking_uri(),
    )
    server = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    server += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    # a session of its own, so that stopping it stops its workers too
    with subprocess.Popen(server, env=environment, start_new_session=True) as process:  # noqa: S603
        # SIGINT too: a shell that starts us in the background has it ignored
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, signal.default_int_handler)
        try:
            _wait(port, process)
            address = f"http://127.0.0.1:{port}"
            for found in store.client().search_experiments(
                filter_string="name LIKE 'whitepatch-%'"
            ):
                charts = links(found.experiment_id)[CHARTS]
                print(f"{found.name}: {address}/{charts}", file=sys.stderr)  # noqa: T201
            print(f"MLflow: {address} (Ctrl-C stops it)", file=sys.stderr)  # noqa: T201
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            for stop in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, stop)
                    process.wait(10)


def refuse_taken(port: int) -> None:
    """Refuse a port of 127.0.0.1 on which another program listens: it would answer in our place.

    Raises:
        UserError: One does.
    """
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UserError(
                f"port {port} on 127.0.0.1 is taken; end what listens there, or choose another: "
                f"whitepatch ui --port {port + 1}"
            )


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers."""
    end = time.monotonic() + LONGEST
    with requests.Session() as session:
        session.trust_env = False  # never by way of a proxy
        while process.poll() is None and time.monotonic() < end:
            with suppress(requests.RequestException):  # not yet
                if session.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                    return
            time.sleep(0.2)
    if process.poll() is None:
        raise UserError(f"MLflow did not answer within {LONGEST:.0f} s; try again")
    raise UserError(
        f"MLflow ended before it answered, for the reason above; if its store in {paths.MLFLOW} is "
        f"of another version, make it anew: rm -r {paths.MLFLOW}, then: whitepatch ui"
    )
