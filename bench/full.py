"""How long does the article's whole training take? Meant for a GPU; runs anywhere, given time.

    python bench/full.py --device cuda --precision tf32 --graph
    python bench/full.py --device cuda --seeds 10            the article's comparison

Every network of the article is trained with every seed, and the first seed twice, to see whether
the same bytes come out. The clock runs from the first step to the last score, the capture of a
graph included; the images (noise, of STL-10's size and number) are on the device before. What is
asked for is installed nowhere else: torch, numpy, pydantic and safetensors are enough.
"""

import argparse
import json
import sys
import time
from hashlib import sha256
from pathlib import Path
from statistics import median

STARTED = time.perf_counter()

import numpy as np  # noqa: E402 -- the clock of start-up runs first
import torch  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))  # where nothing is installed

from whitepatch.data.images import DeviceImages  # noqa: E402
from whitepatch.data.manifest import Part  # noqa: E402
from whitepatch.data.plan import plan  # noqa: E402
from whitepatch.params import Patch, Pixels, Runtime, Train  # noqa: E402
from whitepatch.training import machine  # noqa: E402
from whitepatch.training.loop import Training, train  # noqa: E402
from whitepatch.training.step import Step  # noqa: E402

PRINTED = ("cnn", "mha_linear", "mha_conv1d", "cbam")
PATCH = Patch(
    plan="per_batch",
    task="detect",
    ground="pictures",
    seed=10,
    probability=0.5,
    size=16,
    positions=80,
    value=1.0,
    contrast=1.0,
    mixture=None,
    distractor=None,
)
PIXELS = Pixels(offset=128, scale=128)
PROTOCOL = Train(
    seeds=tuple(range(10)),
    epochs=50,
    batch_size=100,
    shuffle=False,
    loss="printed",
    learning_rate=1e-4,
    schedule="constant",
    rise=0,
    choose="test",
)
"""These three as params.yaml has them, which could not be read where there is no YAML."""

FIRST_STEPS = 20
CPU = torch.device("cpu")


def main() -> None:
    """Measure, print and write reports/bench/full-<device>-<precision>[-graph].json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "tf32", "bf16"))
    parser.add_argument("--graph", action="store_true", help="launch a whole step at once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=PROTOCOL.epochs)
    parser.add_argument("--images", type=int, nargs=2, default=(4000, 1000))
    parser.add_argument("--batch", type=int, default=PROTOCOL.batch_size)
    asked = parser.parse_args()
    where = Runtime(
        device=asked.device,
        threads=asked.threads,
        precision=asked.precision,
        cuda_graph=asked.graph,
    )
    device = machine.prepare(where)
    generator = np.random.default_rng(0)
    pictures = [
        generator.integers(256, size=(number, 3, 96, 96), dtype=np.uint8) for number in asked.images
    ]
    splits = {
        name: images(some, asked.batch, device)
        for name, some in zip(("train", "test"), pictures, strict=True)
    }
    protocol = PROTOCOL.model_copy(
        update={
            "seeds": tuple(range(asked.seeds)),
            "epochs": asked.epochs,
            "batch_size": asked.batch,
        }
    )
    found = {}
    for variant in PRINTED:
        once(variant, 0, splits, protocol.model_copy(update={"epochs": 1}), where, device)
        start_up = time.perf_counter() - STARTED
        runs = [once(variant, seed, splits, protocol, where, device) for seed in protocol.seeds]
        _, again = once(variant, 0, splits, protocol, where, device)
        found[variant] = {
            "seconds": [seconds for seconds, _ in runs],
            "ready_after": start_up,
            "same_bytes_twice": runs[0][1] == again,
            "sha256_of_seed_0": again,
        }
        if device.type == "cuda":
            found[variant]["first_steps_from_cpu"] = distance(variant, pictures[0], asked, where)
        print(variant, found[variant], flush=True)
    result = {
        "machine": machine.environment(device),
        "asked": vars(asked),
        "seconds_in_all": sum(sum(one["seconds"]) for one in found.values()),
        "median_seconds": {name: median(one["seconds"]) for name, one in found.items()},
        "measured": found,
    }
    how = f"{device.type}-{asked.precision}{'-graph' * asked.graph}"
    target = Path("reports/bench") / f"full-{how}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {target}")


def images(pictures: "np.ndarray", batch: int, device: torch.device) -> DeviceImages:
    """Return pictures on a device, planned as the article does."""
    names = [("train", row) for row in range(len(pictures))]
    part = Part(np.arange(len(pictures)), pictures, plan(names, PATCH, batch))
    return DeviceImages.of(part, PATCH, PIXELS, device)


def once(
    variant: str,
    seed: int,
    splits: dict[str, DeviceImages],
    protocol: Train,
    where: Runtime,
    device: torch.device,
) -> tuple[float, str]:
    """Train one seed; return the seconds and a digest of its last weights."""
    training = Training.start(variant, seed, device)
    settle(device)
    started = time.perf_counter()
    nothing = {"after_epoch": lambda _: None, "after_batch": lambda _: None}
    train(training, seed, splits, protocol, where, **nothing)
    settle(device)
    seconds = time.perf_counter() - started
    total = sha256()
    for tensor in training.network.state_dict().values():
        total.update(tensor.cpu().contiguous().numpy().tobytes())
    return seconds, total.hexdigest()


def distance(
    variant: str, pictures: "np.ndarray", asked: argparse.Namespace, where: Runtime
) -> float:
    """Return the largest relative difference of the first losses on the GPU and on the CPU.

    Dropout is off: the devices draw other numbers.
    """
    losses = []
    for device in (CPU, torch.device("cuda")):
        some = images(pictures, asked.batch, device)
        training = Training.start(variant, 0, device)
        for module in training.network.train().modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        step = Step(training.network, training.optimizer, some, PROTOCOL, where)
        batches = torch.arange(len(some), device=device).split(asked.batch)
        losses.append([step(i, 1e-4)[0].item() for i in batches[:FIRST_STEPS]])
    return max(abs(a - b) / abs(a) for a, b in zip(*losses, strict=True))


def settle(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
