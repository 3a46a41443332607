import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from whitepatch import paths
from whitepatch.errors import UserError
from whitepatch.models.classifier import build
from whitepatch.training import weights

CPU = torch.device("cpu")


@pytest.fixture
def after():
    """Weights after each of three epochs."""
    return [dict(build("cbam", seed).state_dict()) for seed in (5, 6, 7)]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, after):
    """Stand in a folder with what a training of three epochs left."""
    monkeypatch.chdir(tmp_path)
    paths.model("demo", "cbam").mkdir(parents=True)
    named = {f"{i}.{name}": x for i, it in enumerate(after, start=1) for name, x in it.items()}
    save_file({name: x.contiguous() for name, x in named.items()}, paths.epochs("demo", "cbam"))
    paths.training_record("demo", "cbam").write_text(json.dumps({"chosen_epoch": {"0": 2}}))


def refused(call, *words):
    with pytest.raises(UserError) as found:
        call()
    message = str(found.value)
    assert "\n" not in message
    assert message.endswith("dvc repro train@demo-cbam")
    for some in words:
        assert some in message


def test_the_weights_of_every_epoch_come_back(after):
    found = weights.epochs("demo", "cbam", 3, CPU)
    assert len(found) == 3
    for one, other in zip(found, after, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_too_few_epochs_are_refused():
    refused(lambda: weights.epochs("demo", "cbam", 4, CPU), "epochs.safetensors", "3 epochs of 4")


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
    refused(lambda: weights.network("demo", "cbam", 0, CPU), "seed-00.safetensors is missing")


def test_the_record_comes_back_or_is_refused():
    assert weights.record("demo", "cbam") == {"chosen_epoch": {"0": 2}}
    path = paths.training_record("demo", "cbam")
    path.write_text('{"chosen_epoch": ')
    refused(lambda: weights.record("demo", "cbam"), "training.json cannot be used")
    path.unlink()
    refused(lambda: weights.record("demo", "cbam"), "training.json is missing")
