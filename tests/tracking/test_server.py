"""MLflow's own server on this machine, artifacts by way of it, as a team has one."""

import os
import signal
import subprocess
import sys
import time

import pytest
import requests
from helpers.published import chosen, contents, run
from helpers.training import small, trained
from helpers.ui import free_port

from whitepatch.tracking import following
from whitepatch.tracking.publishing import publish

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Run MLflow's server; yield its folder, its address and its process."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "served")]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 180
            while time.monotonic() < deadline:
                try:
                    if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                        break
                except requests.RequestException:
                    time.sleep(0.2)
            yield folder, f"http://127.0.0.1:{port}", process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_server_shows_exactly_what_the_project_s_own_store_does(server, monkeypatch):
    folder, address, _ = server
    tags, runs = {"mlflow.note.content": "a question"}, [run("a", model=chosen()), run("b")]
    publish("ours", tags, runs)
    own = contents()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert publish("ours", tags, runs)["written"] == 2
    assert contents() == own
    assert publish("ours", tags, runs)["unchanged"] == 2
    # a replaced run takes everything with it there, too
    publish("ours", {}, [run("a", digest="2", model=chosen()), run("b")])
    assert contents()[1] == [("ours", 2, {"variant": "a"})]
    assert len(list((folder / "served").rglob("model.pt2"))) == 1
    assert len(list((folder / "served").rglob("map.png"))) == 2


def test_a_server_that_dies_in_a_training_costs_it_seconds_and_one_line(
    everything, server, monkeypatch, capfd
):
    _, address, process = server
    monkeypatch.setattr(following, "NICE", 0)
    _, alone = trained(small(everything, live=False))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)

    def until_it_is_shown():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                (seed,) = contents("whitepatch-demo")[0].values()
            except (AttributeError, ValueError):
                time.sleep(0.5)
            else:
                if "test_loss" in seed["metrics"]:
                    break
        os.killpg(process.pid, signal.SIGKILL)
        assert seed["status"] == "RUNNING"

    _, weights = trained(small(everything, live=True), after={1: until_it_is_shown})
    assert weights == alone
    (warning,) = capfd.readouterr().err.splitlines()
    assert warning.startswith(f"MLflow at {address} cannot be told of this training (")
