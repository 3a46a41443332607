"""MLflow's own server on this machine, artifacts by way of it, as a team has one."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
import requests
from helpers.published import chosen, contents, found, run, steps
from helpers.training import orders, small, trained
from helpers.ui import free_port

from whitepatch.cells import worker
from whitepatch.cells.store import Store
from whitepatch.tracking import following
from whitepatch.tracking.following import follow
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
    monkeypatch.setattr(worker, "KEEP", 0.0)
    monkeypatch.setattr(Store, "keep", then_die)
    (shown,) = trained(small(everything, live=True), tmp_path / "shown")
    assert shown.history == alone.history
    assert all(shown.best[name].equal(alone.best[name]) for name in alone.best)
    (warning,) = [line for line in capfd.readouterr().err.splitlines() if "MLflow" in line]
    assert f"MLflow at {address} cannot be told of this training (" in warning


@pytest.fixture
def slow(server):
    """Yield a server that takes a third of a second longer for each request, and its first one."""
    asked = Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            asked.set()
            time.sleep(0.3)
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            got = requests.request(
                self.command,
                server[1] + self.path,
                data=content,
                headers=dict(self.headers),
                timeout=60,
            )
            self.send_response(got.status_code)
            self.send_header("Content-Type", got.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(got.content)))
            self.end_headers()
            self.wfile.write(got.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 -- the library's names

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_port}", asked
        proxy.shutdown()


def test_a_slow_server_falls_behind_no_further_and_says_what_it_left_out(
    everything, slow, monkeypatch, capfd
):
    """A training that lasts until MLflow is asked, then thirty of half a second each."""
    address, asked = slow
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setattr(following, "NICE", 0)
    params = small(everything, live=True, seeds=tuple(range(31)))
    last = {}
    with follow(orders(params), params) as tell:
        for order in orders(params):
            tell((order.key, "begin", []))
            epoch = 0
            while epoch < 50 or not asked.is_set():
                epoch += 1
                time.sleep(0.01)
                row = {"epoch": epoch, "learning_rate": 0.1, "train_loss": 1.0, "test_loss": 0.5}
                tell((order.key, "epoch", row))
            tell((order.key, "finish", None))
            last[str(order.cell.seed)] = epoch
        ended = time.monotonic()
    assert time.monotonic() - ended < following.GRACE + 1
    (line,) = [one for one in capfd.readouterr().err.splitlines() if "MLflow" in one]
    passed = int(re.search(r"slower than these trainings: of (\d+) it", line)[1])
    client, runs = found("whitepatch-demo")
    assert len(runs) == 31 - passed
    assert 2 <= len(runs) < 31
    for one in runs.values():
        assert one.info.status == "FINISHED"
        told = [step for step, _ in steps(client, one, "test_loss")]
        assert told == list(range(1, last[one.data.tags["seed"]] + 1))
