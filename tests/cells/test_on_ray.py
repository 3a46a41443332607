"""Cells on Ray clusters of this machine: `make ray`."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psutil
import pytest
import torch
from helpers.training import orders, small, trained

from whitepatch.cells import on_ray as module
from whitepatch.cells import worker
from whitepatch.cells.filling import fill
from whitepatch.cells.on_ray import on_ray
from whitepatch.cells.store import Store
from whitepatch.errors import UserError
from whitepatch.training import machine

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("torch_as_before")]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def same(first, second):
    return first.history == second.history and all(
        torch.equal(first.best[name], second.best[name]) for name in first.best
    )


def _free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def _start(*options, folder):
    command = Path(sys.executable).with_name("ray")
    quiet = ["--disable-usage-stats", "--log-color=false", "--num-cpus=1", "--num-gpus=0"]
    done = subprocess.run(
        [command, "start", *options, *quiet, "--object-store-memory=200000000"],
        env=os.environ | {"RAY_TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _raylets():
    return [it for it in psutil.process_iter(["name"]) if it.info["name"] == "raylet"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return the address of a cluster of three nodes, each a raylet of its own, on loopback."""
    pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("ray")
    address = f"127.0.0.1:{_free_port()}"
    head = ["--head", f"--port={address.partition(':')[2]}", "--include-dashboard=false"]
    _start(*head, "--node-ip-address=127.0.0.1", folder=folder)
    for _ in range(2):
        _start(f"--address={address}", folder=folder)
    yield address
    subprocess.run(
        [Path(sys.executable).with_name("ray"), "stop", "--force"],
        capture_output=True,
        check=False,
    )


# not on a `local` one: a process that has had that loses actors of the next cluster (Ray 2.60)
def test_a_cluster_gives_the_same_bits_and_tells_of_all(everything, tmp_path, cluster):
    params = small(everything, seeds=(0, 1), live=True)
    alone = trained(params, tmp_path / "a")
    events, store = [], Store(tmp_path / "b", 1e9)
    fill(orders(params), store, on_ray(cluster, 0), events.append)
    assert all(map(same, alone, trained(params, tmp_path / "b")))
    kinds = [what for key, what, _ in events if what != "images" and key == orders(params)[0].key]
    assert (kinds[0], kinds[-1]) == ("begin", "finish")
    assert {"epoch", "panel"} <= set(kinds)


def test_three_nodes_of_which_one_dies_give_the_same_bits(
    everything, tmp_path, cluster, monkeypatch
):
    monkeypatch.setattr("helpers.training.EPOCHS", 30)
    params = small(everything, seeds=tuple(range(6)))
    alone = trained(params, tmp_path / "a")
    events, store = [], Store(tmp_path / "b", 1e9)
    youngest = max(_raylets(), key=lambda it: it.create_time())

    def kill():
        while sum(what == "epoch" for _, what, _ in events) < 5:
            time.sleep(0.05)
        youngest.send_signal(signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    fill(orders(params), store, on_ray(cluster, 0), events.append)
    killer.join()
    assert all(map(same, alone, trained(params, tmp_path / "b")))
    begins = [key for key, what, _ in events if what == "begin"]
    assert len(begins) > len(set(begins)), "one was begun again"


def test_a_worker_goes_on_from_the_state_that_the_last_one_sent(everything, tmp_path, monkeypatch):
    """The worker's function in this process; a cluster would end the one it runs in."""
    params = small(everything)
    (order,), (whole,) = orders(params), trained(params, tmp_path / "a")
    monkeypatch.setattr(module, "SENT", 0.0)
    monkeypatch.setattr(worker, "KEEP", 0.0)
    events = []
    module._train(order, order.parts(), {}, events.append)
    states = [files for _, what, files in events if what == "state"]
    assert len(states) == 3, "one an epoch"
    again = []
    files = module._train(order, order.parts(), states[0], again.append)
    assert len(again[0][2]) == 1, "it begins behind the first epoch"
    store = Store(tmp_path / "b", 1e9)
    module._take(store, files)
    assert same(store.finished(order.key, epochs=True), whole)


def test_an_address_where_nobody_is_is_one_line(everything, tmp_path):
    pytest.importorskip("ray")
    nobody = f"127.0.0.1:{_free_port()}"
    with pytest.raises(UserError, match=rf"--ray {nobody}: no cluster can be used there") as said:
        trained(small(everything), tmp_path, engine=on_ray(nobody, 0))
    assert "\n" not in str(said.value)


def test_more_than_any_node_has_is_one_line(everything, tmp_path, cluster):
    with pytest.raises(UserError, match="no node of this Ray cluster has 1 cores and 1 GPUs"):
        trained(small(everything), tmp_path, engine=on_ray(cluster, 1))
    with pytest.raises(UserError, match="--gpus must be at most 1"):
        trained(small(everything), tmp_path, engine=on_ray(cluster, 1.5))


def test_nodes_of_another_kind_are_refused_or_asked_for(everything, tmp_path, cluster):
    params = small(everything)
    (mine,), (whole,) = orders(params), trained(params, tmp_path / "a")
    key = mine.key.replace(mine.key.partition("-")[2], "0" * 16)
    asked = replace(mine, key=key, asker=mine.asker | {"device_name": "another"})
    store = Store(tmp_path / "b", 1e9)
    with pytest.raises(UserError, match=r"\(.*1 threads.*\(another, .*any_machine"):
        fill([asked], store, on_ray(cluster, 0), lambda _: None)
    asked = replace(asked, any_machine=True)
    found = fill([asked], store, on_ray(cluster, 0), lambda _: None)[key]
    assert same(found, whole)
    assert found.trained_on == machine.here(mine.cell.runtime)


def test_what_cannot_be_trained_says_why(everything, tmp_path, cluster):
    params = small(everything)
    demo = params.experiments["demo"]
    train = demo.train.model_copy(update={"learning_rate": 1e30})
    broken = params.model_copy(
        update={"experiments": {"demo": demo.model_copy(update={"train": train})}}
    )
    with pytest.raises(UserError, match=r"^seed 0: the loss is no longer finite"):
        trained(broken, tmp_path, engine=on_ray(cluster, 0))
