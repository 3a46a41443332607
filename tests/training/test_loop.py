import math
from contextlib import suppress

import pytest
import torch
from helpers.pictures import images_of

from whitepatch.cells.snapshot import Snapshot
from whitepatch.cells.store import Store
from whitepatch.errors import UserError
from whitepatch.params import Runtime, Train
from whitepatch.training import loop
from whitepatch.training.loop import Training, chosen_epoch, measure, predict, train
from whitepatch.training.schedule import learning_rate
from whitepatch.training.step import loss_of

CPU = torch.device("cpu")
RUNTIME = Runtime(device="cpu", threads=1, precision="fp32", cuda_graph=False)
PROTOCOL = Train(
    seeds=(0,),
    epochs=3,
    batch_size=5,
    shuffle=True,
    loss="logits",
    learning_rate=0.01,
    schedule="one_cycle",
    rise=0.25,
    choose="validation",
)


@pytest.fixture(scope="module")
def splits():
    return {"train": images_of(13, 1), "validation": images_of(7, 2), "test": images_of(11, 3)}


def go_on(training, splits, seed=2, protocol=PROTOCOL, stop_after=None):
    """Train to the end, or until an epoch is done; return how many images each step saw."""
    seen = []

    def after_epoch(state):
        if len(state.history) == stop_after:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        train(
            training,
            seed,
            splits,
            protocol,
            RUNTIME,
            after_epoch=after_epoch,
            after_batch=seen.append,
        )
    return seen


def new(seed=2, variant="mha_linear"):
    """Return a training that drops something, so that it needs a generator."""
    return Training.start(variant, seed, CPU, keep_epochs=True)


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole(splits):
    """Return a training that was never interrupted, with all its epochs."""
    training = new()
    assert go_on(training, splits) == [5, 5, 3] * 3, "every image once an epoch"
    return training


def test_the_history_has_every_split(splits, whole):
    assert [row["epoch"] for row in whole.history] == [1, 2, 3]
    kinds = {f"{split}_{kind}" for split in splits for kind in ("loss", "accuracy")}
    assert set(whole.history[0]) == {"epoch", "learning_rate", *kinds}


def test_another_seed_gives_others(splits, whole):
    other = new(1)
    go_on(other, splits, 1, stop_after=1)
    assert other.history != whole.history[:1]


@pytest.mark.parametrize("by_file", [False, True])
def test_a_training_that_was_stopped_ends_in_the_same_bits(splits, whole, tmp_path, by_file):
    """Dropout, optimizer and memory order included; whatever else has drawn numbers meanwhile."""
    training = new()
    go_on(training, splits, stop_after=1)
    if by_file:
        store = Store(tmp_path, 1e9)
        store.keep("a", Snapshot.of(training))
        training = new()
        store.begin("a", training)
    torch.manual_seed(99)
    go_on(training, splits)
    assert training.history == whole.history
    assert same(training.network.state_dict(), whole.network.state_dict())
    assert same(training.best, whole.best)
    assert len(training.epochs) == len(whole.epochs) == 3
    assert all(map(same, training.epochs, whole.epochs))


def test_the_chosen_epoch_has_the_lowest_loss_and_the_kept_weights_are_its(splits, whole):
    losses = [row["validation_loss"] for row in whole.history]
    epoch = chosen_epoch(whole.history, "validation")
    assert losses[epoch - 1] == min(losses)
    assert same(whole.epochs[epoch - 1], whole.best)
    assert same(whole.epochs[-1], whole.network.state_dict())
    assert not same(*whole.epochs[:2]), "a copy each"
    network = new().network
    network.load_state_dict(whole.best)
    assert measure(network, splits["validation"], PROTOCOL, "fp32")[0] == min(losses)


def test_of_equal_losses_the_first_epoch_is_chosen():
    assert chosen_epoch([{"test_loss": loss} for loss in (0.5, 0.25, 0.25)], "test") == 2


def test_a_network_learns_what_is_easy(splits):
    training = Training.start("cnn", 0, CPU)
    go_on(training, splits, 0, PROTOCOL.model_copy(update={"epochs": 12, "batch_size": 13}))
    first, last = training.history[0], training.history[-1]
    assert last["train_loss"] < first["train_loss"] / 2
    assert training.epochs is None, "not asked for"


def test_training_error_is_the_loss_before_each_step_in_training_mode(splits):
    protocol = PROTOCOL.model_copy(update={"epochs": 1, "batch_size": 13, "shuffle": False})
    training = new(variant="cnn")
    network = new(variant="cnn").network.train()
    go_on(training, splits, protocol=protocol)
    images, labels = splits["train"].batch(torch.arange(13))
    expected = loss_of(network(images), labels, protocol).item()
    assert training.history[0]["train_loss"] == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_not_finite_stops_with_the_cure(splits):
    protocol = PROTOCOL.model_copy(update={"learning_rate": 1e30})
    # the first step's loss is computed before any weight has moved; 9 steps, of which 2.25 rise
    words = r"seed 0: .* no longer finite at step 2 of epoch 1, at a .* of 6\.66667e\+29; no epoch"
    with pytest.raises(UserError, match=words):
        go_on(new(variant="cnn"), splits, 0, protocol)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.2), (1, 0.6), (2, 1.0), (3, None), (9, None)])
def test_one_cycle_rises_linearly_then_falls_along_half_a_cosine(step, expected):
    protocol = PROTOCOL.model_copy(update={"epochs": 2, "learning_rate": 1.0, "rise": 0.25})
    if expected is None:
        expected = (1 + math.cos(math.pi * ((step + 0.5) / 10 - 0.25) / 0.75)) / 2
    assert learning_rate(step, 5, protocol) == pytest.approx(expected)


def test_a_constant_rate_is_constant():
    protocol = PROTOCOL.model_copy(update={"schedule": "constant"})
    assert {learning_rate(step, 3, protocol) for step in range(9)} == {0.01}


def test_losses_by_hand():
    logits, labels = torch.tensor([0.0, math.log(3)]), torch.tensor([1.0, 0.0])
    by_hand = (math.log(2) + math.log(4)) / 2
    printed = PROTOCOL.model_copy(update={"loss": "printed"})
    assert loss_of(logits, labels, PROTOCOL).item() == pytest.approx(by_hand, rel=1e-6)
    assert loss_of(logits, labels, printed).item() == pytest.approx(by_hand, rel=1e-6)
    # far off, the printed loss stops at -log(1e-8), the exact one goes on
    far = torch.tensor([-60.0])
    assert loss_of(far, torch.ones(1), printed).item() == pytest.approx(8 * math.log(10), rel=1e-4)
    assert loss_of(far, torch.ones(1), PROTOCOL).item() == pytest.approx(60)


def test_predictions_do_not_depend_on_the_batch(splits, monkeypatch):
    network = Training.start("cbam_spatial", 0, CPU).network
    whole = predict(network, splits["test"], "fp32")
    monkeypatch.setitem(loop.EVALUATION_BATCHES, "cpu", 2)
    torch.testing.assert_close(predict(network, splits["test"], "fp32"), whole)
