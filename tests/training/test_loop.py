import math
from contextlib import suppress

import pytest
import torch
from helpers.pictures import images_of

from whitepatch.errors import UserError
from whitepatch.params import Runtime, Train
from whitepatch.training.checkpoint import Checkpoint
from whitepatch.training.loop import Training, learning_rate, measure, predict, train
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


def run(splits, variant="cnn", seed=0, protocol=PROTOCOL, stop_after=None, keep_epochs=False):
    training = Training.start(variant, seed, CPU, keep_epochs=keep_epochs)
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
    return training, seen


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_history_has_every_split_and_every_image_is_seen_once_an_epoch(splits):
    training, seen = run(splits)
    assert [row["epoch"] for row in training.history] == [1, 2, 3]
    assert seen == [5, 5, 3] * 3
    kinds = {f"{split}_{kind}" for split in splits for kind in ("loss", "accuracy")}
    assert set(training.history[0]) == {"epoch", "learning_rate", *kinds}


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(splits):
    first, second, other = run(splits, seed=0)[0], run(splits, seed=0)[0], run(splits, seed=1)[0]
    assert first.history == second.history
    assert same(first.best, second.best)
    assert first.history != other.history


def test_an_epoch_does_not_depend_on_the_state_of_the_global_generator(splits):
    """So a training that dropped something goes on alike after a restart."""
    first = Training.start("mha_linear", 2, CPU)
    nothing = {"after_epoch": lambda _: None, "after_batch": lambda _: None}
    train(first, 2, splits, PROTOCOL, RUNTIME, **nothing)
    second, _ = run(splits, "mha_linear", 2, stop_after=1)
    torch.manual_seed(99)
    train(second, 2, splits, PROTOCOL, RUNTIME, **nothing)
    assert first.history == second.history
    assert same(first.network.state_dict(), second.network.state_dict())
    assert same(first.best, second.best)


def test_a_training_resumed_from_its_file_ends_in_the_same_bits(splits, tmp_path):
    """Dropout, optimizer and memory order included; stopped after the first epoch."""
    whole, _ = run(splits, "mha_linear", 2, keep_epochs=True)
    stopped, _ = run(splits, "mha_linear", 2, stop_after=1, keep_epochs=True)
    checkpoint = Checkpoint(tmp_path / "a.safetensors")
    checkpoint.save(stopped)
    resumed = Training.start("mha_linear", 2, CPU, keep_epochs=True)
    checkpoint.restore(resumed)
    nothing = {"after_epoch": lambda _: None, "after_batch": lambda _: None}
    train(resumed, 2, splits, PROTOCOL, RUNTIME, **nothing)
    assert resumed.history == whole.history
    assert same(resumed.network.state_dict(), whole.network.state_dict())
    assert same(resumed.best, whole.best)
    assert len(resumed.epochs) == len(whole.epochs) == 3
    assert all(map(same, resumed.epochs, whole.epochs))


def test_the_chosen_epoch_has_the_lowest_loss_and_the_kept_weights_are_its(splits):
    training, _ = run(splits)
    losses = [row["validation_loss"] for row in training.history]
    epoch = training.chosen_epoch("validation")
    assert losses[epoch - 1] == min(losses)
    training.network.load_state_dict(training.best)
    assert measure(training.network, splits["validation"], PROTOCOL, "fp32")[0] == min(losses)


def test_of_equal_losses_the_first_epoch_is_chosen():
    training = Training.start("cnn", 0, CPU)
    training.history = [{"test_loss": loss} for loss in (0.5, 0.25, 0.25)]
    assert training.chosen_epoch("test") == 2


def test_a_network_learns_what_is_easy(splits):
    protocol = PROTOCOL.model_copy(update={"epochs": 12, "batch_size": 13})
    training, _ = run(splits, protocol=protocol)
    first, last = training.history[0], training.history[-1]
    assert last["train_loss"] < first["train_loss"] / 2


def test_training_error_is_the_loss_before_each_step_in_training_mode(splits):
    protocol = PROTOCOL.model_copy(update={"epochs": 1, "batch_size": 13, "shuffle": False})
    training, _ = run(splits, protocol=protocol)
    network = Training.start("cnn", 0, CPU).network.train()
    images, labels = splits["train"].batch(torch.arange(13))
    expected = loss_of(network(images), labels, protocol).item()
    assert training.history[0]["train_loss"] == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_not_finite_stops_with_the_cure(splits):
    protocol = PROTOCOL.model_copy(update={"learning_rate": 1e30})
    # the first step's loss is computed before any weight has moved; 9 steps, of which 2.25 rise
    words = r"seed 0: .* no longer finite at step 2 of epoch 1, at a .* of 6\.66667e\+29; no epoch"
    with pytest.raises(UserError, match=words):
        run(splits, protocol=protocol)


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
    monkeypatch.setattr("whitepatch.training.loop.EVALUATION_BATCH", 2)
    torch.testing.assert_close(predict(network, splits["test"], "fp32"), whole)


def test_the_kept_epochs_end_with_the_network_and_hold_the_chosen_one(splits):
    training, _ = run(splits, keep_epochs=True)
    assert same(training.epochs[-1], training.network.state_dict())
    assert same(training.epochs[training.chosen_epoch("validation") - 1], training.best)
    assert not same(*training.epochs[:2]), "a copy each"
    assert run(splits)[0].epochs is None
