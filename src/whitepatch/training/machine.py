"""The machine: device, threads, determinism, memory."""

__all__ = ["device", "environment", "here", "prepare", "words"]

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from whitepatch.errors import UserError
from whitepatch.params import Runtime

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
    if runtime.precision == "tf32" and where.type == "cpu":
        raise UserError(
            "params.yaml: runtime.precision is tf32, which only a GPU has, but the device is the "
            "CPU; use fp32"
        )
    # torch lets convolutions on a GPU run in tf32 unless it is told otherwise
    rounding = "tf32" if runtime.precision == "tf32" else "ieee"
    torch.backends.cudnn.conv.fp32_precision = rounding  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.fp32_precision = rounding
    return where


def device(runtime: Runtime) -> torch.device:
    """Return the device that params.yaml asks for.

    Raises:
        UserError: `runtime.device` is cuda and there is none.
    """
    if runtime.device == "cpu" or (runtime.device == "auto" and not torch.cuda.is_available()):
        if runtime.device == "auto" and (reason := _why_no_cuda()):
            print(f"device: auto takes the CPU, although a GPU is there: {reason}", file=sys.stderr)  # noqa: T201
        return torch.device("cpu")
    if not torch.cuda.is_available():
        reason = _why_no_cuda() or "no GPU was found"
        raise UserError(
            f"params.yaml: runtime.device is cuda, but {reason}; "
            "use auto or cpu, or mend the driver"
        )
    return torch.device("cuda")


def here(runtime: Runtime) -> dict[str, str | int]:
    """Prepare this process as `prepare` does, and return its `environment`."""
    return environment(prepare(runtime))


def environment(where: torch.device) -> dict[str, str | int]:
    """Return what shapes the bytes of a result besides code, data and parameters."""
    cuda = where.type == "cuda"
    return {
        "device": where.type,
        "device_name": torch.cuda.get_device_name(where) if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def words(environment: Mapping[str, str | int]) -> str:
    """Return what people call a machine, of which `environment` is known."""
    return "{device_name}, {threads} threads, torch {torch}".format_map(environment)


def _why_no_cuda() -> str | None:
    """Say why CUDA does not start although there is an NVIDIA device, in one line."""
    if not Path("/dev/nvidiactl").exists():
        return None
    try:
        torch.cuda.init()
    except (AssertionError, RuntimeError) as error:
        return str(error).strip().splitlines()[0]
    return "CUDA starts, but offers no device (is CUDA_VISIBLE_DEVICES empty?)"


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
