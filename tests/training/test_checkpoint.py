import pytest
import torch
from safetensors.torch import load_file

from whitepatch.training.checkpoint import Checkpoint, key
from whitepatch.training.loop import Training

CPU = torch.device("cpu")


def trained(steps, seed=0):
    training = Training.start("cnn", seed, CPU)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        images = torch.randn(2, 3, 96, 96, generator=generator)
        training.network(images).sum().backward()
        training.optimizer.step(0.001)
        training.history.append({"epoch": step + 1, "validation_loss": 1 / (step + 3)})
    training.best = {name: x.clone() for name, x in training.network.state_dict().items()}
    return training


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "scratch" / "cnn-0.safetensors")


@pytest.fixture
def saved(checkpoint):
    training = trained(2)
    checkpoint.path.parent.mkdir()
    checkpoint.save(training)
    return training


def test_what_is_restored_is_what_was_saved_to_the_last_bit_and_stride(checkpoint, saved):
    restored = Training.start("cnn", 0, CPU)
    checkpoint.restore(restored)
    assert restored.history == saved.history
    for first, second in (
        (saved.network.state_dict(), restored.network.state_dict()),
        (saved.best, restored.best),
    ):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    before, after = saved.optimizer.state(), restored.optimizer.state()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name])
        assert tensor.stride() == after[name].stride()


def test_the_same_training_gives_the_same_file(checkpoint, saved):
    content = checkpoint.path.read_bytes()
    checkpoint.save(saved)
    assert checkpoint.path.read_bytes() == content
    assert load_file(checkpoint.path), "it is safetensors"
    assert [path.name for path in checkpoint.path.parent.iterdir()] == [checkpoint.path.name]


def test_kept_epochs_come_back_and_are_missed(checkpoint, capsys):
    keeper = trained(2)
    keeper.epochs = [keeper.weights(), keeper.weights()]
    keeper.epochs[0]["head.bias"] += 1
    checkpoint.path.parent.mkdir()
    checkpoint.save(keeper)
    restored = Training.start("cnn", 0, CPU, keep_epochs=True)
    checkpoint.restore(restored)
    assert len(restored.epochs) == 2
    for before, after in zip(keeper.epochs, restored.epochs, strict=True):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)

    checkpoint.save(trained(2))  # one that kept none
    restored = Training.start("cnn", 0, CPU, keep_epochs=True)
    checkpoint.restore(restored)
    assert restored.history == restored.epochs == []
    assert "it lacks the weights of its epochs" in capsys.readouterr().err


def test_no_checkpoint_leaves_a_training_new(checkpoint):
    training = Training.start("cnn", 0, CPU)
    checkpoint.restore(training)
    assert training.history == []


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("damage", ["weight", "loss", "cut", "empty"])
def test_a_damaged_checkpoint_is_passed_over_with_a_word(checkpoint, capsys, damage):
    content = checkpoint.path.read_bytes()
    weight = bytearray(content)
    weight[-1000] ^= 1
    loss = content.replace(b"0.25", b"0.24")  # one bit, in the second epoch's validation loss
    broken = {"weight": weight, "loss": loss, "cut": content[:-100], "empty": b""}[damage]
    assert broken != content
    checkpoint.path.write_bytes(broken)
    training = Training.start("cnn", 0, CPU)
    checkpoint.restore(training)
    assert training.history == []
    assert not any(count.item() for count in training.optimizer.counts)
    assert "training anew" in capsys.readouterr().err


@pytest.mark.usefixtures("saved")
def test_remove_leaves_nothing(checkpoint):
    checkpoint.remove()
    checkpoint.remove()
    assert not list(checkpoint.path.parent.iterdir())


def test_the_key_depends_on_every_part_and_on_the_code(monkeypatch, tmp_path):
    first = key("cnn", {"lr": 0.1}, 0)
    assert key("cnn", {"lr": 0.1}, 0) == first
    assert len({first, key("cnn", {"lr": 0.1}, 1), key("cnn", {"lr": 0.2}, 0)}) == 3
    from whitepatch.models.variants import cnn

    changed = tmp_path / "cnn.py"
    changed.write_text("changed")
    monkeypatch.setattr(cnn.__spec__, "origin", str(changed))
    assert key("cnn", {"lr": 0.1}, 0) != first
