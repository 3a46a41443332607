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
from whitepatch.tracking.address import shown_uri, tracking_uri
from whitepatch.tracking.store import QUIET
from whitepatch.tracking.views import CHARTS, links

LONGEST = 180.0
"""Seconds until MLflow answers, on a slow machine; some 20 are usual."""


def serve(port: int) -> int:
    """Run MLflow's UI on 127.0.0.1 until it is interrupted; return its exit status.

    Its address is printed when it answers.

    Raises:
        UserError: The port is taken, or MLflow does not answer. If it has ended, it has said why,
            and a store of another version of MLflow is the likely reason.
    """
    if tracking_uri().startswith("http"):
        print(f"MLflow: {shown_uri()} (MLFLOW_TRACKING_URI)", file=sys.stderr)  # noqa: T201
        return 0
    refuse_taken(port)
    print("MLflow is starting, which takes some 20 s ...", file=sys.stderr)  # noqa: T201
    environment = programs.environment(
        *("MLFLOW_", "UVICORN_"),  # what somebody has set for a server of theirs
        **QUIET,
        PYTHONWARNINGS="ignore",  # the server's own, of no use to who looks at runs
        # not as an argument, which everybody on this machine can read
        MLFLOW_BACKEND_STORE_URI=tracking_uri(),
    )
    server = ["mlflow", "server", "--workers", "1"]
    server += ["--host", "127.0.0.1", "--port", str(port), "--uvicorn-opts", "--log-level warning"]
    # a session of its own, so that stopping it stops its workers too
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *server], env=environment, start_new_session=True
    ) as process:
        # SIGINT too: a shell that starts us in the background has it ignored
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, signal.default_int_handler)
        try:
            if not _answers(port, process):
                if process.poll() is None:
                    raise UserError(f"MLflow did not answer within {LONGEST:.0f} s; try again")
                raise UserError(
                    f"MLflow ended before it answered, for the reason above; if its store in "
                    f"{paths.MLFLOW} is of another version, make it anew: rm -r {paths.MLFLOW}, "
                    "then: whitepatch ui"
                )
            for name, address in _addresses(f"http://127.0.0.1:{port}"):
                print(f"{name}: {address}", file=sys.stderr)  # noqa: T201
            print(f"MLflow: http://127.0.0.1:{port} (Ctrl-C stops it)", file=sys.stderr)  # noqa: T201
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            for stop in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, stop)
                    process.wait(10)


def refuse_taken(port: int) -> None:
    """See to it that nobody listens on a port of 127.0.0.1, where pages of ours need one.

    Raises:
        UserError: Somebody does.
    """
    if tracking_uri().startswith("http"):
        return
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            holder = _holder(port)
            by, end = (f" by process {holder}", f"kill {holder}, or ") if holder else ("", "")
            raise UserError(
                f"port {port} on 127.0.0.1 is taken{by}; {end}choose another: "
                f"whitepatch ui --port {port + 1}"
            )


def _holder(port: int) -> str:
    """Return the number of an MLflow that listens on a port, or nothing.

    Who kills `whitepatch ui` outright leaves its server behind.
    """
    import psutil

    with suppress(psutil.Error):  # some systems do not say who listens
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:
                with suppress(psutil.Error):
                    if "mlflow" in " ".join(psutil.Process(found.pid).cmdline()):
                        return str(found.pid)
    return ""


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; False if it ends before it does, or never answers."""
    end = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < end:
        try:
            # never by way of a proxy
            with requests.Session() as session:
                session.trust_env = False
                if session.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                    return True
        except requests.RequestException:
            pass  # not yet
        time.sleep(0.2)
    return False


def _addresses(server: str) -> list[tuple[str, str]]:
    """Return the name of each experiment of ours, and where its charts are."""
    with requests.Session() as session:
        session.trust_env = False
        query = {"filter": "name LIKE 'whitepatch-%'", "max_results": "100"}
        reply = session.get(
            f"{server}/api/2.0/mlflow/experiments/search", params=query, timeout=30
        ).json()
    return [
        (found["name"], f"{server}/{links(found['experiment_id'])[CHARTS]}")
        for found in reply.get("experiments", [])
    ]
