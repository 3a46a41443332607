import subprocess
import sys

import pytest
import torch

from whitepatch.errors import UserError
from whitepatch.params import Runtime
from whitepatch.training import machine

RUNTIME = Runtime(device="cpu", threads=1, precision="fp32", cuda_graph=False)


@pytest.fixture(autouse=True)
def as_before():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("default")


def test_threads_and_determinism_are_set():
    assert machine.prepare(RUNTIME.model_copy(update={"threads": 3})) == torch.device("cpu")
    assert torch.get_num_threads() == 3
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_an_absent_gpu_is_an_error_with_the_cure():
    with pytest.raises(UserError, match=r"runtime\.device is cuda, but .*; use auto or cpu"):
        machine.prepare(RUNTIME.model_copy(update={"device": "cuda"}))


def test_precision_on_a_gpu_is_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for precision, expected in (("tf32", "tf32"), ("fp32", "ieee"), ("bf16", "ieee")):
        asked = RUNTIME.model_copy(update={"device": "cuda", "precision": precision})
        assert machine.prepare(asked).type == "cuda"
        assert torch.backends.cudnn.conv.fp32_precision == expected
        assert torch.backends.cuda.matmul.fp32_precision == expected


@pytest.mark.parametrize(
    ("limit", "threads", "good"), [("1", 2, False), ("2", 2, True), ("", 2, True)]
)
def test_fewer_threads_than_asked_for_are_refused_not_waited_for(monkeypatch, limit, threads, good):
    monkeypatch.setenv("OMP_THREAD_LIMIT", limit)
    asked = RUNTIME.model_copy(update={"threads": threads})
    if good:
        machine.prepare(asked)
    else:
        with pytest.raises(
            UserError, match=r"OMP_THREAD_LIMIT must be at least .* 2, got 1; unset"
        ):
            machine.prepare(asked)


def test_tf32_on_a_cpu_is_an_error_with_the_cure():
    with pytest.raises(UserError, match=r"runtime\.precision is tf32, .*; use fp32"):
        machine.prepare(RUNTIME.model_copy(update={"precision": "tf32"}))


def test_auto_without_any_gpu_takes_the_cpu_silently(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "_why_no_cuda", lambda: None)
    assert machine.prepare(RUNTIME.model_copy(update={"device": "auto"})).type == "cpu"
    assert capsys.readouterr().err == ""


def test_auto_beside_a_gpu_that_does_not_start_says_why_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine.Path, "exists", lambda _: True)

    def fail():
        raise RuntimeError("The NVIDIA driver on your system is too old.\nMore words.")

    monkeypatch.setattr(torch.cuda, "init", fail)
    assert machine.prepare(RUNTIME.model_copy(update={"device": "auto"})).type == "cpu"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "driver on your system is too old" in said


def test_the_environment_names_what_shapes_the_bytes():
    torch.set_num_threads(2)
    found = machine.environment(torch.device("cpu"))
    assert found["device"] == "cpu"
    assert found["threads"] == 2
    assert found["torch"] == torch.__version__
    assert found["device_name"]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_large_blocks_are_kept():
    """A second use of large blocks costs far fewer page faults in a prepared process."""
    program = """
import resource, torch
from whitepatch.training import machine
from whitepatch.params import Runtime
def work():
    for _ in range(3):
        torch.ones(10 * 2**20).mul(2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = work(), work()
machine.prepare(
    Runtime(device="cpu", threads=1, precision="fp32", cuda_graph=False)
)
after = work(), work()
print(before[1] - before[0], after[1] - after[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    default, kept = map(int, done.stdout.split())
    # by default each of the six blocks is fresh again; where the heap is fragmented, one may be
    assert kept < default / 2
