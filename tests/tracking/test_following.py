"""A training that is shown in MLflow while it runs, in a real store, by the real reporter."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from helpers.server import How, serving
from helpers.training import CPU, EPOCHS, VARIANT, small, trained

from whitepatch.tracking import following, naming, store
from whitepatch.tracking.address import tracking_uri
from whitepatch.tracking.publishing import publish
from whitepatch.tracking.reporter import Reporter
from whitepatch.tracking.runs import Run
from whitepatch.tracking.store import KEY, TRAINING
from whitepatch.training.loop import Training

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own imports
    store.quiet()
    from mlflow import MlflowClient


@pytest.fixture
def patient(monkeypatch):
    """However slow this machine is, what is told arrives."""
    monkeypatch.setattr(following, "GRACE", 60.0)
    monkeypatch.setattr(following, "NICE", 0)  # other tests run beside it


def shown():
    client = MlflowClient(tracking_uri())
    experiment_id = client.get_experiment_by_name("whitepatch-demo").experiment_id
    return client, client.search_runs([experiment_id])


def steps(client, run, name):
    found = client.get_metric_history(run.info.run_id, name)
    return [(metric.step, metric.value) for metric in found]


def rows_of(training):
    return [{key: float(f"{value:.9g}") for key, value in row.items()} for row in training.history]


@pytest.mark.usefixtures("patient")
def test_every_epoch_is_shown_and_publish_adopts_the_run(everything, capfd):
    training, weights = trained(small(everything, live=True))
    client, (run,) = shown()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"demo · {VARIANT} · seed 0"
    rows = rows_of(training)
    for name in rows[0].keys() - {"epoch"}:
        assert steps(client, run, name) == [(int(row["epoch"]), row[name]) for row in rows], name
    assert [step for step, _ in steps(client, run, "images_per_second")] == [1, 2, 3]
    pictures = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    drawn = sorted(path for path in pictures if path.endswith(".png"))
    assert [re.search(r"step\+(\d)", path)[1] for path in drawn] == ["1", "2", "3"]
    assert capfd.readouterr().err == ""
    digest = naming.training_digest(rows, weights)
    assert run.data.tags[TRAINING] == digest
    key = run.data.tags[KEY]
    series = naming.series(rows)
    shown_params = run.data.params
    replayed = Run(
        key, "d", "n", "", lambda _: None, params=shown_params, series=series, training=digest
    )
    assert publish("whitepatch-demo", {}, [replayed])["adopted"] == 1
    assert steps(client, run, "test_loss") == series["test_loss"], "nothing is there twice"


@pytest.mark.usefixtures("patient")
def test_a_training_that_fails_says_so_and_one_that_goes_on_continues_its_run(everything):
    def fail():
        raise ValueError("out of luck")

    training = Training.start(VARIANT, 0, CPU)
    with pytest.raises(ValueError, match="out of luck"):
        trained(small(everything, live=True), training, {2: fail})
    client, (run,) = shown()
    assert run.info.status == "FAILED"
    assert len(training.history) == 2
    resumed, _ = trained(small(everything, live=True), training)
    client, (again,) = shown()
    assert again.info.run_id == run.info.run_id
    assert again.info.status == "FINISHED"
    rows = rows_of(resumed)
    assert steps(client, again, "test_loss") == [(int(r["epoch"]), r["test_loss"]) for r in rows]


@pytest.mark.usefixtures("patient")
def test_a_training_that_begins_anew_has_a_run_of_its_own(everything):
    def fail():
        raise ValueError("out of luck")

    with pytest.raises(ValueError, match="out of luck"):
        trained(small(everything, live=True), after={2: fail})
    trained(small(everything, live=True))  # its checkpoint is gone
    client, runs = shown()
    epochs = {
        run.info.status: [step for step, _ in steps(client, run, "test_loss")] for run in runs
    }
    assert epochs == {"FAILED": [1, 2], "FINISHED": [1, 2, 3]}


@pytest.mark.usefixtures("patient")
def test_a_run_that_is_being_written_is_nobody_else_s(everything):
    trained(small(everything, live=True))
    client, (first,) = shown()
    client.update_run(first.info.run_id, status="RUNNING")  # as if its training, this one, went on
    trained(small(everything, live=True))
    client, runs = shown()
    assert [len(steps(client, run, "test_loss")) for run in runs] == [3, 3]


@pytest.mark.usefixtures("patient")
def test_of_a_run_that_somebody_deletes_meanwhile_another_is_begun(everything):
    def delete():
        deadline = time.monotonic() + 120
        file = f"{Path('mlflow/mlflow.db').absolute().as_uri()}?mode=ro"
        while time.monotonic() < deadline:
            with suppress(sqlite3.Error), closing(sqlite3.connect(file, uri=True)) as tables:
                if tables.execute("SELECT 1 FROM metrics WHERE key = 'test_loss'").fetchall():
                    break
            time.sleep(0.2)
        client, (run,) = shown()
        client.delete_run(run.info.run_id)

    def wait():
        time.sleep(2)  # for the reporter to meet the run that is gone

    trained(small(everything, live=True), after={1: delete, 2: wait})
    client, (run,) = shown()
    assert run.info.status == "FINISHED"
    assert [step for step, _ in steps(client, run, "test_loss")][-1] == 3


def wait_until_all_is_told(deadline):
    # past MLflow, which would make the tables beside the reporter
    file = Path("mlflow/mlflow.db").absolute().as_uri()
    while time.monotonic() < deadline:
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"{file}?mode=ro", uri=True)) as db:
            if db.execute("SELECT status FROM runs").fetchall() not in ([], [("RUNNING",)]):
                return
        time.sleep(0.2)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_training_that_is_killed_is_shown_as_killed(root, name):
    command = [sys.executable, "-m", "helpers.training", str(root), name]
    environment = os.environ | {"PYTHONPATH": str(root / "tests")}
    done = subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False)
    assert done.returncode != 0
    wait_until_all_is_told(time.monotonic() + 120)
    client, (run,) = shown()
    assert run.info.status == "KILLED"
    assert [step for step, _ in steps(client, run, "test_loss")][:2] == [1, 2]


@contextmanager
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield address


@contextmanager
def answering(how):
    with serving(b"", how) as server:
        yield server.address


@contextmanager
def no_place():
    """A SQLite file in a folder that cannot be made."""
    yield "sqlite:////proc/nowhere/mlflow.db"


SERVERS = {
    "refuses": refused,
    "hangs": silent,
    "wrong credentials": lambda: answering(How(status=401)),
    "broken": lambda: answering(How(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>hi!")),
    "read-only": no_place,
}


@pytest.fixture(scope="module")
def alone(everything):
    """Return the weights of the same training that nobody follows, and its time."""
    began = time.monotonic()
    _, weights = trained(small(everything, live=False))
    return weights, time.monotonic() - began


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_in_trouble_costs_a_training_seconds_and_one_line(
    everything, alone, monkeypatch, capfd, name
):
    weights, seconds = alone
    with SERVERS[name]() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        began = time.monotonic()
        _, same = trained(small(everything, live=True))
        took = time.monotonic() - began
    assert same == weights
    assert took < seconds + following.GRACE + 20, "generous, for a machine that is busy"
    (warning,) = capfd.readouterr().err.splitlines()
    assert warning.startswith(f"MLflow at {address} cannot be told of this training (")
    assert "goes on all the same" in warning
    assert "`whitepatch publish` shows the result afterwards" in warning


def test_a_machine_that_starts_no_more_processes_costs_a_training_one_line(
    everything, alone, monkeypatch, capfd
):
    def refuse(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    _, same = trained(small(everything, live=True))
    assert same == alone[0]
    assert capfd.readouterr().err == (
        "MLflow cannot be told of this training ([Errno 11] Resource temporarily unavailable), "
        "which goes on all the same; `whitepatch publish` shows the result afterwards\n"
    )


def test_what_is_told_twice_because_an_answer_was_lost_is_there_once(monkeypatch, capfd):
    tell, lost = MlflowClient.log_batch, []

    def lose(self, *given, **more):
        tell(self, *given, **more)
        if not lost:
            lost.append(given)
            raise ConnectionError("no answer")

    monkeypatch.setattr(MlflowClient, "log_batch", lose)
    seed = {
        "key": "a",
        "identity": "hash",
        "name": "a",
        "title": "a",
        "variants": [VARIANT],
        "tags": {"variant": VARIANT},
        "params": {},
    }
    reporter = Reporter({"experiment": "whitepatch-demo", "tags": {}, "process": os.getpid()})
    rows = [{"epoch": epoch, "test_loss": epoch / 2} for epoch in (1, 2)]
    reporter.hear({"what": "begin", "run": seed, "rows": rows})
    reporter.tell()
    assert lost
    assert "(no answer)" in capfd.readouterr().err
    first = reporter._monitor
    time.sleep(0.01)
    reporter.close("FAILED")
    reporter._tell(reporter.seeds[0])
    client, (run,) = shown()
    assert steps(client, run, "test_loss") == [(1, 0.5), (2, 1.0)]
    assert first is not None
    assert reporter._monitor is None, "none is left running"


def test_a_training_that_is_not_followed_starts_no_process(everything, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    training, _ = trained(small(everything, live=False))
    assert len(training.history) == EPOCHS
