import json
import subprocess
import sys

import pynvml
import pytest
import torch

from whitepatch.errors import UserError
from whitepatch.params import Runtime
from whitepatch.training import gpu, machine

RUNTIME = Runtime(device="cpu", threads=1, precision="fp32", cuda_graph=False)


pytestmark = pytest.mark.usefixtures("torch_as_before")


def test_threads_and_determinism_are_set():
    assert machine.prepare(RUNTIME.model_copy(update={"threads": 3})) == torch.device("cpu")
    assert torch.get_num_threads() == 3
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


def test_precision_on_a_gpu_is_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(machine, "_why_no_cuda", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
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
    monkeypatch.setattr(machine, "_why_no_cuda", lambda: "no GPU was found")
    with pytest.raises(UserError, match=words):
        machine.prepare(RUNTIME.model_copy(update=asked))


def test_tf32_is_refused_before_ampere(monkeypatch):
    monkeypatch.setattr(machine, "_why_no_cuda", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    asked = RUNTIME.model_copy(update={"device": "cuda", "precision": "tf32"})
    with pytest.raises(UserError, match=r"tf32, .*Tesla T4, which is older than Ampere; use fp32"):
        machine.prepare(asked)


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """Return what lets an NVIDIA driver be there, with a GPU that torch does not reach."""
    monkeypatch.setattr(gpu, "CONTROL", tmp_path / "nvidiactl")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    machine._why_no_cuda.cache_clear()
    machine._say.cache_clear()

    def install(version, capability):
        for name, value in {
            "nvmlInit": None,
            "nvmlSystemGetDriverVersion": version,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByIndex": "first",
            "nvmlDeviceGetName": "NVIDIA GeForce GTX 1080",
            "nvmlDeviceGetCudaComputeCapability": capability,
        }.items():
            monkeypatch.setattr(pynvml, name, lambda *_, value=value: value)

    yield install
    machine._why_no_cuda.cache_clear()


OLD = ("570.133.07", (8, 6))
PASCAL = ("580.65.06", (6, 1))


@pytest.mark.parametrize(
    ("module", "installed", "said"),
    [
        (False, None, ""),
        (True, None, "Found no NVIDIA driver"),
        (True, OLD, "its driver is 570.133.07, and the pinned torch needs 580 or newer"),
        (False, PASCAL, "its compute capability is 6.1, and the pinned torch needs 7.5"),
    ],
)
def test_auto_says_once_why_it_takes_the_cpu_and_not_the_gpu_that_is_there(
    driver, capsys, module, installed, said
):
    """Why: what the driver says, which torch does not always; else torch's own words."""
    if module:
        gpu.CONTROL.touch()
    if installed:
        driver(*installed)
    auto = RUNTIME.model_copy(update={"device": "auto"})
    for _ in range(2):
        assert machine.prepare(auto).type == "cpu"
    line = capsys.readouterr().err
    assert line.count("\n") == machine.passes_a_gpu_over(auto) == bool(module or installed)
    assert said in line


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ("CUDA error: no kernel image is available for execution on the device", False),
        ("CUDA out of memory. Tried to allocate 2.00 MiB", True),
    ],
)
def test_auto_takes_no_gpu_that_cannot_compute_but_never_the_cpu_for_one_that_is_full(
    driver, monkeypatch, words, passes
):
    """torch says that it is available; its first kernel fails."""

    def fail(*_, **__):
        raise RuntimeError(words)

    driver("590.44.01", (9, 0))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", fail)
    auto = RUNTIME.model_copy(update={"device": "auto"})
    if passes:
        with pytest.raises(RuntimeError, match=words):
            machine.device(auto)
    else:
        assert machine.device(auto).type == "cpu"


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
from whitepatch.training import gpu, machine
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
