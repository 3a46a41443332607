"""Which operations of the installed torch are not deterministic on a GPU, and do we use one?

    python tests/nondeterministic.py    (status 1 if we do; x86 only, needs binutils)

torch keeps no list: what is not deterministic calls `Context::alertNotDeterministic`. So the
callers are read from its library, and compared with all that our variants do on a pretended GPU.
"""

import bisect
import mmap
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

ALARM = "alertNotDeterministic"
KERNELS = ("efficient", "flash")
"""Of fused attention, in fp32 and tf32, and in bf16."""


def _said(*command: str, given: str | None = None) -> list[str]:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def _sections(library: Path) -> dict[str, tuple[int, int, int]]:
    """Return address, place and size of each section."""
    pattern = re.compile(r"\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)\s+([0-9a-f]+)")
    found = (pattern.match(line) for line in _said("readelf", "-W", "-S", str(library)))
    return {it[1]: tuple(int(x, 16) for x in it.groups()[1:]) for it in found if it}  # type: ignore[misc]


def _entries(library: Path, content: mmap.mmap, section: tuple[int, int, int]) -> set[int]:
    """Return the addresses of the alarm in the table through which other libraries are called."""
    lines = _said("readelf", "-W", "-r", str(library))
    slots = {int(it.split()[0], 16) for it in lines if ALARM in it and "JUMP_SLOT" in it}
    address, place, size = section
    table = content[place : place + size]
    found = set()
    for start in range(0, size - 16, 16):
        jump = table.find(b"\xff\x25", start, start + 10)  # jmp *slot(%rip)
        if jump >= 0:
            (distance,) = struct.unpack("<i", table[jump + 2 : jump + 6])
            if address + jump + 6 + distance in slots:
                found.add(address + start)
    return found


def callers(library: Path) -> list[str]:
    """Return the functions of a library that raise the alarm, sorted."""
    sections = _sections(library)
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        plt = ".plt.sec" if ".plt.sec" in sections else ".plt"
        entries = _entries(library, content, sections[plt])
        address, place, size = sections[".text"]
        text = np.frombuffer(content, np.uint8, size, place).copy()
    calls = np.flatnonzero((text[:-5] == 0xE8) | (text[:-5] == 0xE9))  # call and jmp
    distance = text[calls[:, None] + np.arange(1, 5)].copy().view("<i4")[:, 0].astype(np.int64)
    raised = calls[np.isin(address + calls + 5 + distance, list(entries))] + address
    symbols = [line.split() for line in _said("nm", "-n", str(library)) if line.count(" ") == 2]
    starts = [int(it[0], 16) for it in symbols]
    names = {symbols[bisect.bisect_right(starts, int(it)) - 1][2] for it in raised}
    return sorted(set(_said("c++filt", given="\n".join(names))))


def ours() -> set[str]:
    """Return the operations of all variants: steps, captured and not, maps and probes."""
    from helpers import pretend
    from helpers.pictures import images_of

    from whitepatch.maps.extract import maps_of
    from whitepatch.maps.probes import probe
    from whitepatch.models.classifier import build
    from whitepatch.params import Score, load
    from whitepatch.training.loop import Training, train

    params, cuda = load(), torch.device("cuda")
    demo = params.experiment("demo")
    protocol = demo.train.model_copy(update={"epochs": 2, "batch_size": 5})
    score = Score(first=0, images=12, panel=2, movers=2, grid=2)
    found: set[str] = set()
    for variant in dict.fromkeys(it.variant for it in params.networks.values()):
        with pretend.gpu() as gpu:
            images = images_of(12, 1, cuda)
            training = Training.start(variant, 0, cuda)
            nothing = {"after_epoch": lambda _: None, "after_batch": lambda _: None}
            splits = {"train": images, "validation": images}
            train(training, 0, splits, protocol, demo.runtime, **nothing)
            maps_of(training.network, images)
            probe(training.network, build(variant, 1).to(cuda), images, score)
            found |= {it.split(".")[1] for it in gpu.launches if it.startswith("aten.")}
    # what attention becomes there; the CPU's kernel has a name of its own
    there = {f"_{kind}_attention_{way}" for kind in KERNELS for way in ("forward", "backward")}
    return {it for it in found if not it.startswith("_scaled_dot_product")} | there


def main() -> int:
    """Print both lists, and what is in both."""
    (library,) = Path(torch.__file__).parent.glob("lib/libtorch_cuda.so")
    alarming, used = callers(library), ours()
    print(f"torch {torch.__version__}: {len(alarming)} functions are not deterministic:")
    print(*(f"  {name}" for name in alarming), sep="\n")
    print(f"we use {len(used)} operations: {', '.join(sorted(used))}")
    called = r"\b(structured_)?{}(_out)?(_cuda|\()"  # not as the beginning of another name
    both = {one for one in used for name in alarming if re.search(called.format(one), name)}
    print(f"of them not deterministic: {', '.join(sorted(both)) or 'none'}")
    return bool(both) or not alarming


if __name__ == "__main__":
    sys.exit(main())
