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
from helpers.training import CPU, EPOCHS, VARIANT, small, trained

from whitepatch.tracking import following
from whitepatch.tracking.publishing import Run, publish
from whitepatch.tracking.reporter import Reporter
from whitepatch.training.loop import Training

KEY = f"demo/{VARIANT}/0"


def panels(client, run):
    files = files_of(client, run.info.run_id, "images")
    return sorted(int(re.search(r"step\+(\d+)", it)[1]) for it in files if it.endswith(".png"))


def test_every_epoch_is_shown_then_how_it_ended_and_publish_replaces_it(
    everything, monkeypatch, capfd
):
    # however slow this machine is, what is told arrives
    monkeypatch.setattr(following, "GRACE", 120.0)
    monkeypatch.setattr(following, "NICE", 0)
    monkeypatch.setattr(following, "PANELS", 1000.0)

    def fail():
        raise ValueError("out of luck")

    training = Training.start(VARIANT, 0, CPU)
    with pytest.raises(ValueError, match="out of luck"):
        trained(small(everything, live=True), training, {EPOCHS: fail})
    client, runs = found("whitepatch-demo")
    run = runs[KEY]
    assert run.info.status == "FAILED"
    assert run.info.run_name == f"demo · {VARIANT} · seed 0"
    for name in training.history[0].keys() - {"epoch"}:
        expected = [(int(row["epoch"]), float(f"{row[name]:.9g}")) for row in training.history]
        assert steps(client, run, name) == expected, name
    assert [step for step, _ in steps(client, run, "images_per_second")] == [1, 2, 3]
    assert panels(client, run) == [1], "a panel every few seconds"
    assert run.data.params["num_parameters"] == "54119"
    assert capfd.readouterr().err == ""
    count = publish("whitepatch-demo", {}, [Run(KEY, "digest", "name", "", lambda _: None)])
    assert count == {"written": 1, "unchanged": 0, "removed": 1, "left": 0}


def test_what_comes_at_once_is_sent_at_once_and_only_the_newest_panel_is_drawn():
    panel = {"pictures": np.zeros((2, 3, 96, 96)), "tops": np.array([-1, 3])}
    about = {
        "experiment": "whitepatch-demo",
        "tags": {},
        "variants": [VARIANT],
        "panel": panel | {"lefts": np.array([-1, 5]), "size": 16},
    }
    seeds = [
        {"key": str(it), "name": "", "title": "", "tags": {"variant": VARIANT}, "params": {"a": it}}
        for it in range(2)
    ]
    maps = {"evidence": np.random.default_rng(1).normal(size=(2, 12, 12))}
    reporter = Reporter(about)
    reporter.tell([("begin", seeds[0])])
    for number in range(2):
        rows = [{"epoch": it, "at": 7, "test_loss": it / 2} for it in range(1, 601)]
        reporter.tell(
            [
                *(("epoch", row | {"train_loss": 1.0}) for row in rows),
                *(("panel", (epoch, maps)) for epoch in (1, 300, 600)),
                ("finish", None),
                *([] if number else [("begin", seeds[1])]),
            ]
        )
    reporter.end("FAILED")  # there is none to end
    client, runs = found("whitepatch-demo")
    for run in runs.values():
        assert run.info.status == "FINISHED"
        assert steps(client, run, "test_loss") == [(it, it / 2) for it in range(1, 601)]
        assert panels(client, run) == [600]
    assert runs.keys() == {"0", "1"}


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


@pytest.fixture(scope="module")
def alone(everything):
    """Return the weights of the same training that is not followed, and its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", None)  # it starts no process
        began = time.monotonic()
        _, weights = trained(small(everything, live=False))
    return weights, time.monotonic() - began


@pytest.mark.parametrize("trouble", [silent, refused])
def test_a_server_in_trouble_costs_a_training_seconds_and_one_line(
    everything, alone, monkeypatch, capfd, trouble
):
    weights, seconds = alone
    with trouble() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        began = time.monotonic()
        _, same = trained(small(everything, live=True))
        took = time.monotonic() - began
    assert same == weights
    assert took < seconds + following.GRACE + 10, "generous, for a machine that is busy"
    (warning,) = capfd.readouterr().err.splitlines()
    assert warning.startswith(f"MLflow at {address} cannot be told of this training (")
    assert warning.endswith("; `whitepatch publish` shows the result afterwards")


def test_a_reporter_that_stands_still_does_not_hold_a_training(everything, alone, monkeypatch):
    """The pipe to it is full: what is drawn on is larger."""
    started = following._started

    def stopped():
        reporter = started()
        reporter.send_signal(signal.SIGSTOP)
        return reporter

    monkeypatch.setattr(following, "_started", stopped)
    monkeypatch.setattr(following, "GRACE", 0.5)
    _, same = trained(small(everything, live=True))
    assert same == alone[0]


def test_a_machine_that_starts_no_more_processes_costs_a_training_one_line(
    everything, alone, monkeypatch, capfd
):
    def refuse(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    _, same = trained(small(everything, live=True))
    assert same == alone[0]
    (warning,) = capfd.readouterr().err.splitlines()
    assert "([Errno 11] Resource temporarily unavailable), which goes on all the same" in warning
