"""A cell of the experiment: one training, named by all that shapes its bytes."""

__all__ = ["SHAPES", "Cell"]

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from whitepatch.files import digest
from whitepatch.params import Patch, Pixels, Runtime, Train

PACKAGE = Path(__file__).parents[1]

SHAPES = (
    "seeding.py",
    "data/images.py",
    "models/classifier.py",
    "models/layers",
    *(f"training/{name}.py" for name in ("adam", "loop", "machine", "schedule", "step")),
)
"""The code of the package that shapes a training, beside its variant's own file."""


@dataclass(frozen=True)
class Cell:
    """One variant trained with one seed on some images.

    Attributes:
        variant: Its name.
        seed: Of weights, order and dropout.
        images: Digest of the images and of their patches, see `data.manifest.identity`.
        train: The protocol; its list of seeds does not count.
        patch: Of it count what a patch looks like; who gets one, and where, the manifest has.
        pixels: The normalisation.
        runtime: Of it precision and graph count, for the machine says the rest.
    """

    variant: str
    seed: int
    images: str
    train: Train
    patch: Patch
    pixels: Pixels
    runtime: Runtime

    def key(self, machine: Mapping[str, str | int]) -> str:
        """Return the name of this training on a machine: hashes of all that shapes its bytes.

        The first hash is of the training, the second of the machine: what another machine has
        trained is found by the first.

        Args:
            machine: See `machine.environment`.
        """
        training = {
            "variant": self.variant,
            "seed": self.seed,
            "images": self.images,
            "train": self.train.model_dump(exclude={"seeds"}),
            "patch": self.patch.model_dump(include={"size", "value", "contrast", "distractor"}),
            "pixels": self.pixels.model_dump(),
            "runtime": self.runtime.model_dump(include={"precision", "cuda_graph"}),
            "code": {str(it.relative_to(PACKAGE)): digest(it) for it in _code(self.variant)},
        }
        return f"{_hash(training)}-{_hash(dict(machine), 16)}"


def _hash(content: object, length: int = 32) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:length]


def _code(variant: str) -> Iterator[Path]:
    for name in (*SHAPES, f"models/variants/{variant}.py"):
        path = PACKAGE / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]
