"""MLflow's own server on this machine, artifacts by way of it, as a team has one."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import requests
from helpers.published import chosen, contents, run
from helpers.training import small, trained
from helpers.ui import free_port

from whitepatch.tracking import following
from whitepatch.tracking.publishing import publish

pytestmark = pytest.mark.pipeline


@contextmanager
def serving(folder, port):
    """Run MLflow's server while the block lasts."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "served")]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                try:
                    if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                        break
                except requests.RequestException:
                    time.sleep(0.2)
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def server(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    with serving(folder, port):
        yield folder, f"http://127.0.0.1:{port}"


def test_a_server_shows_exactly_what_the_project_s_own_store_does(server, monkeypatch):
    runs = [run("a", model=chosen()), run("b")]
    publish("ours", {"mlflow.note.content": "a question"}, runs)
    own = contents()
    folder, address = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert publish("ours", {"mlflow.note.content": "a question"}, runs)["written"] == 2
    assert contents() == own
    assert publish("ours", {"mlflow.note.content": "a question"}, runs)["unchanged"] == 2
    # a replaced run takes everything with it there, too
    publish("ours", {}, [run("a", digest="2", model=chosen()), run("b")])
    assert contents()[1] == [("ours", 2, {"variant": "a"})]
    assert len(list((folder / "served").rglob("model.pt2"))) == 1
    assert len(list((folder / "served").rglob("map.png"))) == 2


def test_two_who_publish_at_once_double_nothing(server, root, tmp_path, monkeypatch):
    _, address = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    environment = os.environ | {"PYTHONPATH": str(root / "tests"), "PYTHONWARNINGS": "ignore"}

    def started(name):
        (tmp_path / name).mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "helpers.published"],
            cwd=tmp_path / name,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    both = [started("mine"), started("yours")]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    # what both wrote at the same moment goes when its clone publishes again
    for name in ("mine", "yours"):
        with started(name) as again:
            again.communicate()
        assert again.returncode == 0
    shown, versions, models = contents()
    assert sorted(shown) == list("abcdefgh")
    assert len(versions) == len(models) == 1


def test_a_server_that_dies_in_a_training_is_told_everything_when_it_is_back(
    everything, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(following, "GRACE", 90.0)
    monkeypatch.setattr(following, "NICE", 0)
    _, alone = trained(small(everything, live=False))
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    servers = []

    def start():
        servers.append(serving(tmp_path, port))
        process = servers[-1].__enter__()
        time.sleep(8)  # time enough to tell of the first epoch
        return process

    def die():
        time.sleep(8)
        servers.pop().__exit__(None, None, None)

    start()
    _, weights = trained(small(everything, live=True), after={1: die, 2: start})
    assert weights == alone
    shown, _, _ = contents("whitepatch-demo")
    servers.pop().__exit__(None, None, None)
    (seed,) = shown.values()
    assert seed["status"] == "FINISHED"
    assert [step for step, _ in seed["metrics"]["test_loss"]] == [1, 2, 3]
    assert sum(path.endswith(".png") for path in seed["files"]) == 3
    assert len(capfd.readouterr().err.splitlines()) <= 1
