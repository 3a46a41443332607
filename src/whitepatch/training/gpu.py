"""What an NVIDIA driver says of its GPUs, without torch, whose import takes seconds."""

__all__ = ["CAPABILITY", "DRIVER", "Gpu", "gpus", "is_there"]

from pathlib import Path
from typing import NamedTuple

DRIVER, CAPABILITY = 580, (7, 5)
"""Least driver and compute capability (Turing) for the pinned torch, whose wheels bring CUDA 13:
https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/."""

CONTROL = Path("/dev/nvidiactl")
"""There where Linux has a driver's module; not under Windows (WSL2), where only the library is."""


class Gpu(NamedTuple):
    """A GPU, as its driver tells of it."""

    name: str
    driver: str
    capability: tuple[int, int]

    def unfit(self) -> str | None:
        """Say why the pinned torch cannot use it; None if it can."""
        if int(self.driver.partition(".")[0]) < DRIVER:
            return f"its driver is {self.driver}, and the pinned torch needs {DRIVER} or newer"
        if self.capability < CAPABILITY:
            has, needs = ("{}.{}".format(*it) for it in (self.capability, CAPABILITY))
            return f"its compute capability is {has}, and the pinned torch needs {needs} (Turing)"
        return None


def is_there() -> bool:
    """Say whether this machine has one, usable or not."""
    return CONTROL.exists() or bool(gpus())


def gpus() -> list[Gpu]:
    """Return all; none without a driver, or with one that does not answer."""
    try:
        import pynvml
    except ModuleNotFoundError:  # bench/full.py needs little
        return []
    try:
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [
            Gpu(pynvml.nvmlDeviceGetName(it), driver, pynvml.nvmlDeviceGetCudaComputeCapability(it))
            for it in handles
        ]
    except pynvml.NVMLError:
        return []
