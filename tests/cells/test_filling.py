"""Cells that are trained one after the other, at once, elsewhere, again."""

import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import main_thread
from types import SimpleNamespace

import pytest
import torch
from helpers.training import EPOCHS, orders, small, trained

from whitepatch import paths
from whitepatch.cells import filling, worker
from whitepatch.cells.filling import at_once, fill
from whitepatch.cells.on_ray import on_ray
from whitepatch.cells.store import VARIABLE, Store
from whitepatch.errors import UserError
from whitepatch.stages import train_cells as module
from whitepatch.stages.train import orders_of
from whitepatch.stages.train_cells import train_cells
from whitepatch.training import machine
from whitepatch.training.loop import Training

pytestmark = pytest.mark.usefixtures("torch_as_before")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def same(first, second):
    return (
        first.history == second.history
        and all(torch.equal(first.best[name], second.best[name]) for name in first.best)
        and first.trained_on == second.trained_on
    )


@pytest.fixture
def never(monkeypatch):
    """Let nothing be trained."""

    def refuse(*_, **__):
        raise AssertionError("it trains")

    return lambda: monkeypatch.setattr(worker, "train", refuse)


def test_several_at_once_give_the_same_bits(everything, tmp_path):
    params = small(everything, seeds=(0, 1, 2))
    alone = trained(params, tmp_path / "a")
    together = trained(params, tmp_path / "b", engine=at_once(2))
    assert all(map(same, alone, together))
    assert all(
        torch.equal(one[name], other[name])
        for one, other in zip(alone[0].epochs, together[0].epochs, strict=True)
        for name in one
    )
    assert [one.epochs is None for one in together] == [False, True, True]


def test_seeds_that_are_there_are_never_trained_again(everything, tmp_path, never):
    trained(small(everything, seeds=(0, 1)), tmp_path)
    few = trained(small(everything, seeds=(0, 1, 2)), tmp_path)
    never()
    assert all(map(same, few[:2], trained(small(everything, seeds=(0, 1)), tmp_path)))
    assert same(few[2], trained(small(everything, seeds=(0, 2)), tmp_path)[1])


def test_another_name_of_the_experiment_trains_nothing(everything, tmp_path, never):
    params = small(everything)
    trained(params, tmp_path)
    never()
    paths.split("demo").rename(paths.split("other"))
    params = params.model_copy(update={"experiments": {"other": params.experiments["demo"]}})
    asked = orders_of("other", "cbam_spatial", params)
    assert fill(list(asked.values()), Store(tmp_path, 1e9), at_once(1), lambda _: None)


def test_a_training_that_was_cut_off_goes_on_and_ends_in_the_same_bits(
    everything, tmp_path, monkeypatch
):
    params = small(everything)
    (whole,) = trained(params, tmp_path / "a")
    keep = Store.keep

    def cut(store, key, training):
        keep(store, key, training)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "keep", cut)
    with pytest.raises(KeyboardInterrupt):
        trained(params, tmp_path / "b")
    monkeypatch.setattr(Store, "keep", keep)
    begins = []
    fill(orders(params), Store(tmp_path / "b", 1e9), at_once(1), begins.append)
    assert len(begins[0][2]) == 1, "one epoch was kept"
    (resumed,) = trained(params, tmp_path / "b")
    assert same(whole, resumed)


def test_workers_that_are_stopped_keep_their_last_epoch_and_say_nothing(
    everything, tmp_path, capfd
):
    params = small(everything, seeds=(0, 1, 2))
    demo = params.experiments["demo"]
    train = demo.train.model_copy(update={"epochs": 500})
    demo = demo.model_copy(update={"train": train})
    asked = orders(params.model_copy(update={"experiments": {"demo": demo}}))
    store, reached = Store(tmp_path, 1e9), Counter()
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)

    def stop(event):
        key, what, row = event
        if what == "epoch":
            reached[key] = row["epoch"]
            if sum(epoch > 5 for epoch in reached.values()) == 2:
                signal.pthread_kill(main_thread().ident, signal.SIGUSR1)

    with pytest.raises(KeyboardInterrupt):
        fill(asked, store, at_once(2), stop)
    signal.signal(signal.SIGUSR1, before)
    assert "Traceback" not in capfd.readouterr().err
    kept = []
    for order in asked:
        training = Training.start(
            "cbam_spatial", 0, torch.device("cpu"), keep_epochs=order.keeps_epochs
        )
        store.begin(order.key, training)
        kept.append(len(training.history))
    assert sorted(epochs > 5 for epochs in kept) == [False, True, True], (kept, reached)


def test_what_happens_is_told_in_order(everything, tmp_path):
    events = []
    params = small(everything, live=True)
    fill(orders(params), Store(tmp_path, 1e9), at_once(1), events.append)
    kinds = [what for _, what, _ in events if what != "images"]
    assert kinds == ["begin", "epoch", "panel", *["epoch"] * (EPOCHS - 1), "finish"]
    assert sum(content for _, what, content in events if what == "images") == EPOCHS * 12


def test_code_that_changed_since_it_was_asked_for_is_refused(everything, tmp_path, monkeypatch):
    (order,) = orders(small(everything))
    monkeypatch.setattr(worker.Cell, "key", lambda *_: "another")
    with pytest.raises(UserError, match="cbam_spatial, seed 0: the code changed while this ran"):
        worker.train_cell(order, Store(tmp_path, 1e9), lambda _: None)


def another(order, *, any_machine):
    """Return the order of a machine of another kind."""
    training, _, _ = order.key.partition("-")
    return replace(order, key=f"{training}-{'0' * 16}", any_machine=any_machine)


def test_a_worker_of_another_kind_is_refused(everything, tmp_path, never):
    order = another(orders(small(everything))[0], any_machine=False)
    never()
    with pytest.raises(UserError, match=r"another kind.*\(.*1 threads.*\(.*1 threads.*any_m"):
        worker.train_cell(order, Store(tmp_path, 1e9), lambda _: None)


def test_another_kind_of_machine_is_taken_where_it_is_asked_for(everything, tmp_path, never):
    store, (mine,) = Store(tmp_path, 1e9), orders(small(everything))
    order = another(mine, any_machine=True)
    found = fill([order], store, at_once(1), lambda _: None)[order.key]
    assert store.elsewhere(order.key) == [mine.key], "under the name of what trained it"
    assert found.trained_on == machine.here(mine.cell.runtime)
    never()
    assert same(fill([order], store, at_once(1), lambda _: None)[order.key], found)


def test_what_another_kind_of_machine_trained_is_not_passed_over_in_silence(
    everything, tmp_path, capsys
):
    params = small(everything)
    store, (mine,) = Store(tmp_path, 1e9), orders(params)
    (one,) = trained(params, tmp_path / "other")
    store.finish(another(mine, any_machine=False).key, one)
    fill([mine], store, at_once(1), lambda _: None)
    said = capsys.readouterr().err.splitlines()
    assert sum("1 of these trainings are there from another kind" in line for line in said) == 1


def test_parts_on_two_kinds_of_machines_are_refused(everything, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cells"))
    params = small(everything, seeds=(0, 1))
    demo = params.experiments["demo"].model_copy(update={"variants": ("cbam_spatial",)})
    params = params.model_copy(update={"experiments": {"demo": demo}})
    monkeypatch.setattr(module, "load", lambda: params)
    here = machine.here(params.experiments["demo"].runtime)
    train_cells(["demo"], "1/2", at_once(1))
    other = here | {"device_name": "another"}
    monkeypatch.setattr(machine, "here", lambda _: other)
    with pytest.raises(UserError, match=rf"{here['device_name']}.*another, 1 threads.*rm "):
        train_cells(["demo"], "2/2", at_once(1))
    cells = params.cells.model_copy(update={"any_machine": True})
    monkeypatch.setattr(module, "load", lambda: params.model_copy(update={"cells": cells}))
    train_cells(["demo"], "2/2", at_once(1))


def test_a_part_of_an_old_split_is_refused(everything, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cells"))
    params = small(everything)
    demo = params.experiments["demo"]
    patch = demo.patch.model_copy(update={"seed": 11})
    update = {"experiments": {"demo": demo.model_copy(update={"patch": patch})}}
    monkeypatch.setattr(module, "load", lambda: params.model_copy(update=update))
    with pytest.raises(UserError, match=r"demo.csv is not what params.yaml says; make it: dvc re"):
        train_cells(["demo"], "1/2", at_once(1))


@pytest.mark.pipeline
def test_more_workers_than_cores_end_and_a_dead_one_is_said(everything, tmp_path, monkeypatch):
    params = small(everything, seeds=tuple(range(6)))
    assert len(trained(params, tmp_path / "a", engine=at_once(5))) == 6
    monkeypatch.setattr(filling, "_train", _die)
    with pytest.raises(UserError, match="one of 2 workers was killed, most likely for want of mem"):
        trained(params, tmp_path / "b", engine=at_once(2))


def _die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_cell_that_another_process_trains_is_waited_for_and_taken(everything, tmp_path, never):
    params = small(everything)
    (whole,) = trained(params, tmp_path / "a")
    store, (order,) = Store(tmp_path / "b", 1e9), orders(params)
    never()
    with ThreadPoolExecutor() as pool:
        with store.alone(order.key):
            waiting = pool.submit(fill, [order], store, at_once(1), lambda _: None)
            time.sleep(0.5)
            assert not waiting.done()
            store.finish(order.key, whole)
        assert same(waiting.result()[order.key], whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cell_that_cannot_be_trained_says_why_and_others_stay(everything, tmp_path, workers):
    params = small(everything, seeds=(0, 1))
    demo = params.experiments["demo"]
    train = demo.train.model_copy(update={"learning_rate": 1e30})
    broken = params.model_copy(
        update={"experiments": {"demo": demo.model_copy(update={"train": train})}}
    )
    with pytest.raises(UserError, match="no longer finite"):
        trained(broken, tmp_path, engine=at_once(workers))


def asked(everything, **update):
    """Return orders, of which nothing but the runtime is looked at."""
    runtime = everything.experiments["demo"].runtime.model_copy(update=update)
    return [SimpleNamespace(cell=SimpleNamespace(runtime=runtime))]


@pytest.mark.parametrize(
    ("cores", "threads", "memory", "expected"),
    [(16, 2, 64, 8), (3, 2, 64, 1), (1, 2, 64, 1), (64, 1, 256, 64), (16, 2, 9, 4), (16, 2, 1, 1)],
)
def test_as_many_workers_as_cores_and_memory_allow(
    everything, monkeypatch, cores, threads, memory, expected
):
    monkeypatch.setattr(filling, "cpu_count", lambda: cores)
    available = SimpleNamespace(available=memory * 2**30)
    monkeypatch.setattr(filling.psutil, "virtual_memory", lambda: available)
    assert filling.num_workers(asked(everything, threads=threads, device="cpu")) == expected


@pytest.mark.parametrize(
    ("kinds", "named", "expected"),
    [
        (["H200"] * 2, None, ["0", "1", "0"]),
        (["H200"] * 2, "3,5", ["3", "5", "3"]),
        (["H200"], "a", ["a"] * 3),
        (["H200", "GT 710", "H200"], "4,5,6", ["4", "6", "4"]),
    ],
)
def test_each_worker_has_a_gpu_of_its_own_as_long_as_there_are_any(
    everything, monkeypatch, kinds, named, expected
):
    """Of the first one's kind."""
    monkeypatch.setattr(machine, "device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(kinds))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda it: kinds[it])
    assert filling.num_workers(asked(everything)) == kinds.count("H200")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert filling._devices(asked(everything), 3) == expected


def test_a_worker_on_a_cpu_sees_what_its_parent_sees(everything):
    assert filling._devices(asked(everything, device="cpu"), 2) == [None] * 2


def test_an_experiment_that_is_none_is_refused(root, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(UserError, match="no experiment 'mine' in"):
        train_cells(["demo", "mine"], "1/2", None)


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(UserError, match="--cells must be i/n with i from 1 to n, got"):
        train_cells(["demo"], part, None)


def test_without_ray_one_line_says_how_it_comes(everything, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--ray needs Ray.*make ray"):
        trained(small(everything), tmp_path, engine=on_ray("local", 0))
