"""MLflow's own server on this machine, artifacts by way of it, as a team has one."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import requests
from helpers.published import chosen, contents, run
from helpers.training import small, trained
from helpers.ui import free_port

from whitepatch.cells.store import Store
from whitepatch.tracking.publishing import publish

pytestmark = [pytest.mark.pipeline, pytest.mark.usefixtures("torch_as_before")]


@pytest.fixture
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


def test_a_server_shows_what_the_own_store_does_and_may_die_in_a_training(
    everything, server, monkeypatch, capfd, tmp_path
):
    folder, address, process = server
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

    def die_when_the_first_epoch_is_shown():
        shown, deadline = {}, time.monotonic() + 120
        while "test_loss" not in shown and time.monotonic() < deadline:
            time.sleep(0.5)
            with suppress(AttributeError, ValueError):  # not there yet
                (seed,) = contents("whitepatch-demo")[0].values()
                shown = seed["metrics"]
        os.killpg(process.pid, signal.SIGKILL)
        assert shown["test_loss"]

    keep = Store.keep

    def then_die(store, key, training):
        keep(store, key, training)
        if len(training.history) == 2:  # the first epoch is told behind this
            die_when_the_first_epoch_is_shown()

    (alone,) = trained(small(everything), tmp_path / "alone")
    capfd.readouterr()
    monkeypatch.setattr(Store, "keep", then_die)
    (shown,) = trained(small(everything, live=True), tmp_path / "shown")
    assert shown.history == alone.history
    assert all(shown.best[name].equal(alone.best[name]) for name in alone.best)
    (warning,) = [line for line in capfd.readouterr().err.splitlines() if "MLflow" in line]
    assert f"MLflow at {address} cannot be told of this training (" in warning
