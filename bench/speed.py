"""How fast is it? Our training and the article's own formulation, side by side.

    python bench/speed.py               both, all variants; writes reports/bench/<device>.{json,md}
    python bench/speed.py --rounds 5    more rounds; each takes every measurement once, in turn

Each measurement is a process of its own. The article's runs as its readers would run it: default
malloc, pictures one by one, scores by broadcasting. Ours runs as the pipeline does.
"""

import json
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from whitepatch import programs

STARTED = time.perf_counter()
"""As early as this program can know."""

BATCH, NUM_TRAIN, NUM_TEST = 100, 400, 200
PRINTED = ("cnn", "mha_linear", "mha_conv1d", "cbam")
"""The article's networks; ours have more."""

FOLDER = Path("reports/bench")


def main(
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 3,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    measure: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure everything in turn, or (hidden) one thing in this process."""
    if measure:
        whose, variant = measure.split("/")
        found = (_article if whose == "article" else _ours)(variant, device, threads)
        print(json.dumps(found))
        return
    from whitepatch import params
    from whitepatch.files import write_json, write_text

    variants = dict.fromkeys(it.variant for it in params.load().networks.values())
    things = [f"{whose}/{v}" for v in variants for whose in ("article", "ours")]
    things = [thing for thing in things if thing.startswith("ours") or thing[8:] in PRINTED]
    found: dict[str, list[Any]] = {thing: [] for thing in things}
    for number in range(rounds):
        for thing in things:
            found[thing].append(_in_a_process(thing, device, threads))
            print(f"round {number + 1} of {rounds}: {thing}", file=sys.stderr)
    results = {
        "machine": _machine(device, threads),
        "rounds": rounds,
        "images": {"batch": BATCH, "train": NUM_TRAIN, "test": NUM_TEST},
        "measured": found,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_json(FOLDER / f"{device}.json", results)
    write_text(FOLDER / f"{device}.md", table(results))
    print(table(results))


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    machine, found = results["machine"], results["measured"]

    def of(thing: str, key: str) -> float:
        return median(one[key] for one in found[thing])

    rows = []
    for thing in found:
        whose, variant = thing.split("/")
        if whose != "ours":
            continue
        printed = f"article/{variant}" if f"article/{variant}" in found else None
        ratio, memory = "–", "–"
        if printed:
            ratios = sorted(
                one["epoch"] / other["epoch"]
                for one, other in zip(found[printed], found[thing], strict=True)
            )
            ratio = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            memory = f"{of(thing, 'peak_memory_mb') / of(printed, 'peak_memory_mb'):.2f}"
        share = of(thing, "flop_per_image") * of(thing, "train_rate") / machine["matmul_flops"]
        rows.append(
            [
                variant,
                f"{of(printed, 'epoch'):.2f}" if printed else "–",
                f"{of(thing, 'epoch'):.2f}",
                ratio,
                f"{of(thing, 'train_rate'):.0f}",
                f"{of(thing, 'test_rate'):.0f}",
                f"{of(thing, 'peak_memory_mb'):.0f}",
                memory,
                f"{share:.0%}",
                f"{of(thing, 'start_up'):.1f}",
            ]
        )
    head = [
        "variant",
        "article's epoch, s",
        "our epoch, s",
        "ratio (least to most)",
        "training, images/s",
        "inference, images/s",
        "peak memory, MB",
        "of the article's",
        "of the matrix-product peak",
        "start-up, s",
    ]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    images = results["images"]
    return (
        f"# Speed on {machine['device_name']}\n\n"
        f"{machine['threads']} threads, torch {machine['torch']}, Python {machine['python']}, "
        f"{machine['system']}; matrix-product peak {machine['matmul_flops'] / 1e9:.0f} GFLOP/s in "
        f"float32. An epoch is {images['train']} training and {images['test']} test images in "
        f"batches of {images['batch']}, data included, and the second one of its "
        f"process, because memory that is kept is fetched once. Start-up ends with the first step. "
        f"Medians of {results['rounds']} rounds, in "
        "each of which everything was measured once, every time in a process of its own. Written "
        "by `make bench`.\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    )


def _in_a_process(thing: str, device: str, threads: int) -> Any:
    command = [sys.executable, __file__, "--measure", thing, "--device", device]
    done = subprocess.run(
        [*command, "--threads", str(threads)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=programs.environment(OMP_NUM_THREADS=str(threads)),
    )
    return json.loads(done.stdout)


def _article(variant: str, device: str, threads: int) -> dict[str, float]:
    """Time an epoch as the article prints it."""
    import numpy as np
    import torch
    from article import Network, batch
    from PIL import Image

    torch.set_num_threads(threads)
    # torch lets convolutions on a GPU run in tf32 by default; ours do not
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
    torch.manual_seed(0)
    network = Network(variant).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    arrays = np.random.default_rng(0).integers(
        256, size=(NUM_TRAIN + NUM_TEST, 3, 96, 96), dtype=np.uint8
    )

    def run(rows: range, *, training: bool) -> float:
        network.train(training)
        losses = []
        started = time.perf_counter()
        for start in range(rows.start, rows.stop, BATCH):
            pictures = [
                Image.fromarray(x.transpose(1, 2, 0)) for x in arrays[start : start + BATCH]
            ]
            images, labels = batch(pictures)
            x, y = torch.FloatTensor(images).to(device), torch.FloatTensor(labels).to(device)
            out = network(x)[:, 0]
            loss = -torch.mean(y * torch.log(out + 1e-8) + (1 - y) * torch.log(1 - out + 1e-8))
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses.append((loss.item(), ((out > 0.5).float() == y).float().mean().item()))
        return time.perf_counter() - started

    start_up = time.perf_counter() - STARTED + run(range(BATCH), training=True)
    run(range(NUM_TRAIN), training=True)
    learned = run(range(NUM_TRAIN), training=True)
    tested = run(range(NUM_TRAIN, NUM_TRAIN + NUM_TEST), training=False)
    return _result(start_up, learned, tested, device)


def _ours(variant: str, device: str, threads: int) -> dict[str, float]:
    """Time an epoch as the pipeline runs it, with the article's protocol."""
    import numpy as np
    import torch

    from whitepatch import params
    from whitepatch.data.images import DeviceImages
    from whitepatch.data.manifest import Part
    from whitepatch.data.plan import plan
    from whitepatch.params import Runtime
    from whitepatch.training import machine
    from whitepatch.training.loop import Training, measure, train

    prepared = Runtime(device=device, threads=threads, precision="fp32", cuda_graph=False)  # type: ignore[arg-type]
    where = machine.prepare(prepared)
    experiment = params.load().experiment("article")
    protocol = experiment.train.model_copy(update={"epochs": 1})
    generator = np.random.default_rng(0)

    def images(number: int) -> DeviceImages:
        names = [("train", row) for row in range(number)]
        pictures = generator.integers(256, size=(number, 3, 96, 96), dtype=np.uint8)
        part = Part(np.arange(number), pictures, plan(names, experiment.patch, BATCH))
        return DeviceImages.of(part, experiment.patch, experiment.pixels, where)

    splits = {"train": images(NUM_TRAIN), "test": images(NUM_TEST)}

    def settled() -> float:
        if where.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def learn(number: int) -> float:
        training = Training.start(variant, 0, where)
        some = {"train": splits["train"].part(0, number), "test": splits["test"].part(0, 1)}
        started = settled()
        nothing = {"after_epoch": lambda _: None, "after_batch": lambda _: None}
        train(training, 0, some, protocol, prepared, **nothing)
        return settled() - started

    start_up = settled() - STARTED + learn(BATCH)
    learn(NUM_TRAIN)
    learned = learn(NUM_TRAIN)
    network = Training.start(variant, 0, where).network
    started = settled()
    measure(network, splits["test"], protocol, prepared.precision)
    found = _result(start_up, learned, settled() - started, device)
    # counting imports much more of torch, so it comes after the memory was read
    return found | {"flop_per_image": _flop(network, splits["train"])}


def _result(start_up: float, learned: float, tested: float, device: str) -> dict[str, float]:
    return {
        "start_up": start_up,
        "epoch": learned + tested,
        "train_rate": NUM_TRAIN / learned,
        "test_rate": NUM_TEST / tested,
        "peak_memory_mb": _peak_memory(device),
    }


def _flop(network: Any, images: Any) -> float:
    """Count the floating-point operations of one image's training step."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    batch, _ = images.batch(images.first(1))
    # the fused kernel is not counted; the plain one multiplies the same matrices
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        network.train()(batch).sum().backward()
    return counter.get_total_flops()


def _machine(device: str, threads: int) -> dict[str, Any]:
    """Say what this was measured on; the peak is the best of many large matrix products."""
    import torch

    from whitepatch.params import Runtime
    from whitepatch.training import machine

    prepared = Runtime(device=device, threads=threads, precision="fp32", cuda_graph=False)  # type: ignore[arg-type]
    where = machine.prepare(prepared)
    size = 2048
    a, b = torch.randn(2, size, size, device=where)
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        product = a @ b
        product[0, 0].item()
        seconds.append(time.perf_counter() - started)
    return machine.environment(where) | {
        "python": platform.python_version(),
        "system": platform.system(),
        "matmul_flops": 2 * size**3 / min(seconds),
    }


def _peak_memory(device: str) -> float:
    """Return the most memory that this process ever held on the device, MB."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1]) / 1024  # type: ignore[index]
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


if __name__ == "__main__":
    typer.run(main)
