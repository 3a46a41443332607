import json
import subprocess
import sys

import pytest
import torch

from whitepatch.errors import UserError
from whitepatch.params import Runtime
from whitepatch.training import machine

RUNTIME = Runtime(device="cpu", threads=1, precision="fp32", cuda_graph=False)


pytestmark = pytest.mark.usefixtures("torch_as_before")


def test_threads_and_determinism_are_set():
    assert machine.prepare(RUNTIME.model_copy(update={"threads": 3})) == torch.device("cpu")
    assert torch.get_num_threads() == 3
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


def test_precision_on_a_gpu_is_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for precision, expected in (("tf32", "tf32"), ("fp32", "ieee"), ("bf16", "ieee")):
        asked = RUNTIME.model_copy(update={"device": "cuda", "precision": precision})
        assert machine.prepare(asked).type == "cuda"
        assert torch.backends.cudnn.conv.fp32_precision == expected
        assert torch.backends.cuda.matmul.fp32_precision == expected


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"device": "cuda"}, r"runtime\.device is cuda, but .*; use auto or cpu"),
        ({"precision": "tf32"}, r"runtime\.precision is tf32, .*; use fp32"),
    ],
)
def test_what_the_machine_cannot_do_is_an_error_with_the_cure(monkeypatch, asked, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=words):
        machine.prepare(RUNTIME.model_copy(update=asked))


@pytest.mark.parametrize("beside", [False, True])
def test_auto_takes_the_cpu_and_says_in_one_line_why_a_gpu_does_not_start(
    monkeypatch, capsys, beside
):
    def fail():
        raise RuntimeError("The NVIDIA driver on your system is too old.\nMore words.")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine.Path, "exists", lambda _: beside)
    monkeypatch.setattr(torch.cuda, "init", fail)
    assert machine.prepare(RUNTIME.model_copy(update={"device": "auto"})).type == "cpu"
    said = capsys.readouterr().err
    assert said.count("\n") == said.count("driver on your system is too old") == beside


def test_the_environment_names_what_shapes_the_bytes():
    torch.set_num_threads(2)
    found = machine.environment(torch.device("cpu"))
    assert found["device"] == "cpu"
    assert found["threads"] == 2
    assert found["torch"] == torch.__version__
    assert found["device_name"]


@pytest.fixture(scope="module")
def alone():
    """Return what a process of its own finds that trains a step: page faults, and what it has.

    The faults are those of a second use of large blocks, before and after it was prepared.
    """
    program = """
import json, resource, sys, torch
from whitepatch.params import Runtime
from whitepatch.training import machine
from whitepatch.training.loop import Training
def work():
    for _ in range(3):
        torch.ones(10 * 2**20).mul(2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = work(), work()
device = machine.prepare(Runtime(device="cpu", threads=1, precision="fp32", cuda_graph=False))
after = work(), work()
training = Training.start("mha_linear", 0, device)
training.network(torch.randn(2, 3, 96, 96)).sum().backward()
training.optimizer.step(0.1)
print(json.dumps([before[1] - before[0], after[1] - after[0], list(sys.modules)]))
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_large_blocks_are_kept(alone):
    # by default each of the six blocks is fresh again; where the heap is fragmented, one may be
    default, kept, _ = alone
    assert kept < default / 2


def test_no_training_imports_torchs_compiler(alone):
    """It costs four seconds and 150 MB in every process."""
    assert not {"torch._dynamo", "torch._inductor", "sympy"} & {*alone[2]}
