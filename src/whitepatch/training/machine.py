"""The machine: device, threads, determinism, memory."""

__all__ = ["device", "environment", "here", "prepare", "words"]

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path

import torch

from whitepatch.errors import UserError
from whitepatch.params import Runtime
from whitepatch.training import gpu

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
GIBIBYTE = 2**30


def prepare(runtime: Runtime) -> torch.device:
    """Set threads, determinism and memory for this process, and return the device to use.

    Raises:
        UserError: `runtime.device` is cuda and there is none, or the device has no such precision.
    """
    # cuBLAS reads it when CUDA starts; without it its sums are not repeatable
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # as use_deterministic_algorithms(True), which would also import torch's compiler: four seconds
    torch.set_deterministic_debug_mode("error")
    # it would write NaN over every new tensor first; nothing here reads what it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(runtime.threads)
    _keep_large_blocks()
    where = device(runtime)
    if runtime.precision == "tf32":
        _refuse_no_tf32(where)
    # torch lets convolutions on a GPU run in tf32 unless it is told otherwise
    rounding = "tf32" if runtime.precision == "tf32" else "ieee"
    torch.backends.cudnn.conv.fp32_precision = rounding  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.fp32_precision = rounding
    return where


def device(runtime: Runtime) -> torch.device:
    """Return the device that params.yaml asks for.

    Raises:
        UserError: `runtime.device` is cuda and there is none that works.
    """
    if runtime.device == "cpu":
        return torch.device("cpu")
    reason = _why_no_cuda()
    if reason is None:
        return torch.device("cuda")
    if runtime.device == "cuda":
        raise UserError(
            f"params.yaml: runtime.device is cuda, but {reason}; use auto or cpu, or mend that"
        )
    if passes_a_gpu_over(runtime) and parent_process() is None:
        _say(f"device: auto takes the CPU, although a GPU is there: {reason}")
    return torch.device("cpu")


def passes_a_gpu_over(runtime: Runtime) -> bool:
    """Say whether `auto` takes the CPU although a GPU is there."""
    return runtime.device == "auto" and gpu.is_there() and _why_no_cuda() is not None


def here(runtime: Runtime) -> dict[str, str | int]:
    """Prepare this process as `prepare` does, and return its `environment`."""
    return environment(prepare(runtime))


def environment(where: torch.device) -> dict[str, str | int]:
    """Return what shapes the bytes of a result besides code, data and parameters."""
    cuda = where.type == "cuda"
    found: dict[str, str | int] = {
        "device": where.type,
        "device_name": torch.cuda.get_device_name(where) if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    return found | {"cudnn": torch.backends.cudnn.version() or 0} if cuda else found


def words(environment: Mapping[str, str | int]) -> str:
    """Return what people call a machine, of which `environment` is known."""
    return "{device_name}, {threads} threads, torch {torch}".format_map(environment)


def _refuse_no_tf32(where: torch.device) -> None:
    if where.type == "cpu":
        what = "the CPU"
    elif torch.cuda.get_device_capability(where) < (8, 0):
        what = f"{torch.cuda.get_device_name(where)}, which is older than Ampere"
    else:
        return
    raise UserError(
        "params.yaml: runtime.precision is tf32, which only a GPU since Ampere has, but the device "
        f"is {what}; use fp32"
    )


@lru_cache
def _say(line: str) -> None:
    """Say it once in a process."""
    print(line, file=sys.stderr)  # noqa: T201


@lru_cache(maxsize=1)
def _why_no_cuda() -> str | None:
    """Say in one line why torch can use no GPU here; None if it can. A tiny kernel is the proof.

    What may pass, as a GPU that others have filled, is raised: `auto` would take the CPU, whose
    results are other ones, for good.
    """
    if not torch.cuda.is_available() and not gpu.is_there():
        return "no GPU was found"
    try:
        torch.ones(1, device="cuda").add_(1).item()
    except (AssertionError, RuntimeError) as error:
        if torch.cuda.is_available() and "no kernel image" not in str(error):
            raise
        unfit = [it.unfit() for it in gpu.gpus()]
        reason = unfit[0] if unfit and all(unfit) else None
        return reason or str(error).strip().splitlines()[0]
    return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _keep_large_blocks() -> None:
    """Have glibc reuse large blocks instead of returning them to the kernel after each use.

    A fresh block costs a page fault for every 4 KiB; with convolutions on a CPU that is most of
    the time. Elsewhere (macOS, musl) there is nothing to set.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, GIBIBYTE)
        libc.mallopt(M_TRIM_THRESHOLD, 2 * GIBIBYTE - 1)
