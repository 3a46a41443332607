"""A training that is shown in MLflow while it runs, in a real store, by the real reporter."""

import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest
from helpers.published import files_of, found, steps
from helpers.training import EPOCHS, VARIANT, small, trained

from whitepatch.cells import worker
from whitepatch.cells.store import Store
from whitepatch.tracking import following
from whitepatch.tracking.publishing import Run, publish
from whitepatch.tracking.reporter import Reporter

pytestmark = pytest.mark.usefixtures("torch_as_before")

KEY = f"demo/{VARIANT}/0"


def panels(client, run):
    files = files_of(client, run.info.run_id, "images")
    return sorted(int(re.search(r"step\+(\d+)", it)[1]) for it in files if it.endswith(".png"))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_epoch_is_shown_then_how_it_ended_and_publish_replaces_it(
    everything, tmp_path, monkeypatch, capfd
):
    # however slow this machine is, what is told arrives
    monkeypatch.setattr(following, "GRACE", 120.0)
    monkeypatch.setattr(following, "NICE", 0)
    monkeypatch.setattr(worker, "PANELS", 1000.0)
    monkeypatch.setattr(worker, "KEEP", 0.0)
    keep, kept = Store.keep, []

    def fail(store, key, training):
        keep(store, key, training)
        kept.append(training)
        if len(training.history) == EPOCHS - 1:
            raise ValueError("out of luck")

    monkeypatch.setattr(Store, "keep", fail)
    params = small(everything, live=True)
    with pytest.raises(ValueError, match="out of luck"):
        trained(params, tmp_path)
    client, runs = found("whitepatch-demo")
    run, history = runs[KEY], kept[-1].history[:1]
    assert run.info.status == "FAILED"
    assert run.info.run_name == f"demo · {VARIANT} · seed 0"
    for name in history[0].keys() - {"epoch"}:
        expected = [(int(row["epoch"]), float(f"{row[name]:.9g}")) for row in history]
        assert steps(client, run, name) == expected, name
    assert panels(client, run) == [1], "a panel every few seconds"
    assert run.data.params["num_parameters"] == "54119"
    assert "MLflow" not in capfd.readouterr().err
    monkeypatch.setattr(Store, "keep", keep)
    trained(params, tmp_path)
    experiment = client.get_experiment_by_name("whitepatch-demo").experiment_id
    (run,) = client.search_runs([experiment], "attributes.status = 'FINISHED'")
    assert [step for step, _ in steps(client, run, "test_loss")] == [1, 2, 3]
    assert [step for step, _ in steps(client, run, "images_per_second")] == [3]
    count = publish("whitepatch-demo", {}, [Run(KEY, "digest", "name", "", lambda _: None)])
    assert count == {"written": 1, "unchanged": 0, "removed": 2, "left": 0}


def test_what_comes_at_once_is_sent_at_once_and_only_the_newest_panel_is_drawn():
    panel = {
        "pictures": np.zeros((2, 3, 96, 96)),
        "tops": np.array([-1, 3]),
        "places": np.arange(2),
    }
    told = {"experiment": "demo", "title": "", "name": "", "tags": {"variant": VARIANT}}
    about = {
        "runs": {it: told | {"key": it, "params": {"a": it}} for it in "xy"},
        "panels": {"demo": panel | {"lefts": np.array([-1, 5]), "size": 16}},
    }
    maps = {"evidence": np.random.default_rng(1).normal(size=(2, 12, 12))}
    reporter = Reporter(about)
    begun = [{"epoch": 1, "at": 7, "test_loss": 0.5, "train_loss": 1.0}]
    reporter.tell([("x", "begin", []), ("y", "begin", begun)])
    for key in "xy":  # both run at once
        rows = [{"epoch": it, "at": 7, "test_loss": it / 2} for it in range(1, 601)]
        reporter.tell(
            [
                *((key, "epoch", row | {"train_loss": 1.0}) for row in rows[key == "y" :]),
                *((key, "panel", (epoch, maps)) for epoch in (1, 300, 600)),
            ]
        )
    reporter.tell([("x", "finish", None), ("y", "finish", None)])
    reporter.end("FAILED")  # there is none to end
    client, runs = found("whitepatch-demo")
    for run in runs.values():
        assert run.info.status == "FINISHED"
        assert steps(client, run, "test_loss") == [(it, it / 2) for it in range(1, 601)]
        assert panels(client, run) == [600]
    assert runs.keys() == {"x", "y"}


def test_what_is_over_before_a_late_reporter_comes_to_it_is_left_to_publish():
    told = {"experiment": "demo", "title": "", "name": "", "tags": {"variant": VARIANT}}
    about = {"runs": {it: told | {"key": it, "params": {}} for it in "xy"}}
    reporter = Reporter(about)
    row = {"epoch": 1, "at": 7, "test_loss": 0.5}
    begun = [("y", "begin", []), ("y", "epoch", row)]
    over = [("x", "begin", []), ("x", "epoch", row), ("x", "finish", None)]
    assert reporter.tell([*over, *begun], due=time.monotonic()) == 1
    assert reporter.tell([("y", "finish", None)], due=time.monotonic()) == 0
    _, runs = found("whitepatch-demo")
    assert [run.info.status for run in runs.values()] == ["FINISHED"]
    assert runs.keys() == {"y"}


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


@pytest.fixture
def alone(everything, tmp_path):
    """Return the same training that is not followed, and its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", None)  # it starts no process
        began = time.monotonic()
        (one,) = trained(small(everything), tmp_path / "alone")
    return one, time.monotonic() - began


def same(first, second):
    return first.history == second.history and all(
        first.best[name].equal(second.best[name]) for name in first.best
    )


def warnings(capfd):
    return [line for line in capfd.readouterr().err.splitlines() if "MLflow" in line]


@pytest.mark.parametrize("trouble", [silent, refused])
def test_a_server_in_trouble_costs_a_training_seconds_and_one_line(
    everything, tmp_path, alone, monkeypatch, capfd, trouble
):
    one, seconds = alone
    with trouble() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        began = time.monotonic()
        assert same(*trained(small(everything, live=True), tmp_path), one)
        took = time.monotonic() - began
    assert took < seconds + following.GRACE + 10, "generous, for a machine that is busy"
    (warning,) = warnings(capfd)
    assert f"MLflow at {address} cannot be told of this training (" in warning
    assert warning.endswith(", and `whitepatch publish` shows it")


def test_a_reporter_that_stands_still_does_not_hold_a_training(
    everything, tmp_path, alone, monkeypatch
):
    """The pipe to it is full: what is drawn on is larger."""
    started = following._started

    def stopped():
        reporter = started()
        reporter.send_signal(signal.SIGSTOP)
        return reporter

    monkeypatch.setattr(following, "_started", stopped)
    monkeypatch.setattr(following, "GRACE", 0.5)
    assert same(*trained(small(everything, live=True), tmp_path), alone[0])


def test_a_machine_that_starts_no_more_processes_costs_a_training_one_line(
    everything, tmp_path, alone, monkeypatch, capfd
):
    def refuse(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert same(*trained(small(everything, live=True), tmp_path), alone[0])
    (warning,) = warnings(capfd)
    assert "([Errno 11] Resource temporarily unavailable); its result is the same" in warning
