import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.models.classifier import build
from whitepatch.training import weights
from whitepatch.training.loop import Trained

CPU = torch.device("cpu")


@pytest.fixture
def training():
    """Return a training of three epochs, of which the second was chosen."""
    epochs = [dict(build("cbam", seed).state_dict()) for seed in (5, 6, 7)]
    history = [{"test_loss": loss} for loss in (0.5, 0.25, 0.5)]
    return Trained(history, epochs[1], epochs, {"device": "cpu"})


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, training):
    """Stand in a folder with what the training left."""
    monkeypatch.chdir(tmp_path)
    weights.write("demo", "cbam", {0: training}, "test")


def refused(call, *words):
    with pytest.raises(UserError) as found:
        call()
    message = str(found.value)
    assert "\n" not in message
    assert message.endswith("dvc repro train@demo-cbam")
    for some in words:
        assert some in message


def test_what_was_written_comes_back(training):
    found = weights.epochs("demo", "cbam", 3, CPU)
    best = weights.network("demo", "cbam", 0, CPU).state_dict()
    pairs = [*zip(found, training.epochs, strict=True), (best, training.best)]
    for one, other in pairs:
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert json.loads(paths.training_record("demo", "cbam").read_text()) == {
        "chosen_by": "test",
        "chosen_epoch": {"0": 2},
        "trained_on": {"device": "cpu"},
    }


def test_too_few_epochs_are_refused():
    refused(lambda: weights.epochs("demo", "cbam", 4, CPU), "its tensors are not those of cbam")


def test_an_epoch_without_all_its_weights_is_refused():
    path = paths.epochs("demo", "cbam")
    tensors = load_file(path)
    del tensors["2.head.weight"]
    save_file(tensors, path)
    refused(lambda: weights.epochs("demo", "cbam", 3, CPU), "its tensors are not those of cbam")


def test_damaged_and_missing_files_are_refused():
    path = paths.epochs("demo", "cbam")
    path.write_bytes(path.read_bytes()[:1000])
    refused(lambda: weights.epochs("demo", "cbam", 3, CPU), "epochs.safetensors cannot be used")
    path.unlink()
    refused(lambda: weights.epochs("demo", "cbam", 3, CPU), "epochs.safetensors is missing")
    refused(lambda: weights.network("demo", "cbam", 1, CPU), "seed-01.safetensors is missing")


def test_a_full_gpu_is_no_fault_of_the_file(monkeypatch):
    for of in (torch.Tensor, torch.nn.Module):

        def full(self, *where, to=of.to, **rest):
            if where == (CPU,):
                raise torch.OutOfMemoryError("CUDA out of memory")
            return to(self, *where, **rest)

        monkeypatch.setattr(of, "to", full)
    for call in (
        lambda: weights.network("demo", "cbam", 0, CPU),
        lambda: weights.epochs("demo", "cbam", 3, CPU),
    ):
        with pytest.raises(torch.OutOfMemoryError):
            call()
