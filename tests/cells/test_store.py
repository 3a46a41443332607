import os

import pytest
import torch

from whitepatch.cells.snapshot import Snapshot
from whitepatch.cells.store import VARIABLE, Store
from whitepatch.training.loop import Trained, Training

CPU = torch.device("cpu")
KEY = "0" * 32 + "-" + "a" * 16
MACHINE = {"device": "cpu", "threads": 1}


def begun(steps, seed=0, *, epochs=False):
    """Return a training after some steps."""
    training = Training.start("cnn", seed, CPU, keep_epochs=epochs)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        images = torch.randn(2, 3, 96, 96, generator=generator)
        training.network(images).sum().backward()
        training.optimizer.step(0.001)
        training.history.append({"epoch": step + 1, "validation_loss": 1 / (step + 3)})
        if training.epochs is not None:
            training.epochs.append(training.weights())
    training.best = training.weights()
    return training


def finished(epochs=None):
    training = begun(2)
    return Trained(training.history, training.best, epochs, MACHINE)


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cells", 1e9)


@pytest.fixture
def kept(store):
    training = begun(2)
    store.keep(KEY, Snapshot.of(training))
    return training


def new(*, epochs=False):
    return Training.start("cnn", 0, CPU, keep_epochs=epochs)


def test_what_was_begun_comes_back_to_the_last_bit_and_stride(store, kept):
    restored = new()
    store.begin(KEY, restored)
    assert restored.history == kept.history
    assert same(restored.network.state_dict(), kept.network.state_dict())
    assert same(restored.best, kept.best)
    before, after = kept.optimizer.state(), restored.optimizer.state()
    assert same(before, after)
    assert all(before[name].stride() == after[name].stride() for name in before)


def test_what_is_finished_comes_back_and_what_was_begun_goes(store, kept):
    one = Trained(kept.history, kept.best, None, MACHINE)
    store.finish(KEY, one)
    found = store.finished(KEY, epochs=False)
    assert (found.history, found.epochs, found.trained_on) == (kept.history, None, MACHINE)
    assert same(found.best, kept.best)
    assert [path.name for path in store.folder.iterdir()] == [f"{KEY}.safetensors"]
    assert store.finished(KEY, epochs=True) is None, "its epochs were not kept"
    assert store.finished("1" * 32, epochs=False) is None


def test_what_other_machines_finished_is_found_where_it_will_do(store):
    other = KEY.replace("a", "b")
    store.keep(other, Snapshot.of(begun(1)))
    assert store.elsewhere(KEY) == []
    store.finish(other, finished())
    store.finish("1" + other[1:], finished())
    assert store.elsewhere(KEY) == [other]
    assert store.finished(KEY, epochs=False) is None
    assert store.finished(KEY, epochs=True, anywhere=True) is None, "its epochs were not kept"
    assert same(store.finished(KEY, epochs=False, anywhere=True).best, finished().best)


def test_the_first_that_claims_is_remembered(store):
    other = MACHINE | {"threads": 2}
    assert store.claim("x", MACHINE) == MACHINE
    assert store.claim("x", other) == MACHINE
    assert store.claim("y", other) == other
    assert {path.name for path in store.folder.iterdir()} == {"x.machine.json", "y.machine.json"}


def test_a_finished_training_has_no_optimizer(store):
    store.finish(KEY, finished())
    assert (store.folder / f"{KEY}.safetensors").stat().st_size < 0.3e6


def test_what_is_there_is_known_without_a_look_into_it(store):
    assert not store.has(KEY, epochs=False)
    store.finish(KEY, finished())
    assert store.has(KEY, epochs=False)
    assert not store.has(KEY, epochs=True)


def test_epochs_come_back(store):
    weights = [begun(1).weights(), begun(2).weights()]
    store.finish(KEY, finished(weights))
    assert all(map(same, store.finished(KEY, epochs=True).epochs, weights))
    assert store.finished(KEY, epochs=False).epochs is None


def test_begun_epochs_come_back_and_are_missed(store):
    keeper = begun(2, epochs=True)
    store.keep(KEY, Snapshot.of(keeper))
    restored = new(epochs=True)
    store.begin(KEY, restored)
    assert all(map(same, restored.epochs, keeper.epochs))
    store.keep(KEY, Snapshot.of(begun(2)))
    restored = new(epochs=True)
    store.begin(KEY, restored)
    assert restored.history == restored.epochs == [], "it begins anew"


def test_nothing_begun_leaves_a_training_new(store):
    training = new()
    store.begin(KEY, training)
    assert training.history == []


def test_the_same_training_gives_the_same_file(store, kept):
    path = store.folder / f"{KEY}.begun.safetensors"
    content = path.read_bytes()
    store.keep(KEY, Snapshot.of(kept))
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["weight", "loss", "cut", "empty"])
@pytest.mark.parametrize("kind", ["begun", "finished"])
def test_what_is_damaged_is_passed_over_with_a_word(store, kept, capsys, damage, kind):
    if kind == "finished":
        store.finish(KEY, Trained(kept.history, kept.best, None, MACHINE))
    (path,) = store.folder.iterdir()
    content = path.read_bytes()
    weight = bytearray(content)
    weight[-1000] ^= 1
    loss = content.replace(b"0.25", b"0.24")  # one bit, in the second epoch's validation loss
    broken = {"weight": weight, "loss": loss, "cut": content[:-100], "empty": b""}[damage]
    assert broken != content
    path.write_bytes(broken)
    training = new()
    store.begin(KEY, training)
    assert training.history == []
    assert store.finished(KEY, epochs=False) is None
    assert "training anew" in capsys.readouterr().err


def test_what_was_not_used_for_longest_goes_when_there_is_too_much(tmp_path):
    store = Store(tmp_path, 0.5e6)  # two finished trainings
    for number in range(4):
        store.finish(str(number), finished())
        os.utime(tmp_path / f"{number}.safetensors", (number, number))
    (tmp_path / ".5.partial.safetensors").write_bytes(b"x")  # of another process
    store.finished("0", epochs=False)
    store.prune({"1"})
    assert sorted(path.name[0] for path in tmp_path.glob("*.safetensors")) == [".", "0", "1"]


def test_what_is_in_use_stays_whatever_the_limit(tmp_path):
    store = Store(tmp_path, 1)
    store.finish("0", finished())
    store.finish("1", finished([begun(1).weights(), begun(2).weights()]))
    store.prune({"0", "1"})
    assert len(list(tmp_path.iterdir())) == 3
    store.prune({"1"})
    assert len(list(tmp_path.iterdir())) == 2


def test_the_store_is_the_users_or_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    home = Store.here(5).folder
    assert home.is_relative_to(os.environ["HOME"])
    assert home.name == "cells"
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert Store.here(5) == Store(tmp_path, 5e9)
