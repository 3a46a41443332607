"""Trainings that survive an interruption.

A checkpoint is scratch: git-ignored, unknown to DVC, removed when its stage has finished. Its name
is a hash of everything that shapes the training (code, data, parameters, seed, machine), so one
that does not fit is never found. It is one safetensors file, written whole or not at all; no
pickle. It holds no generator's state, because every epoch seeds its own.
"""

__all__ = ["Checkpoint", "key"]

import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from whitepatch.files import replacing
from whitepatch.training.loop import Training
from whitepatch.training.weights import under

SHAPES = tuple(f"whitepatch.{name}" for name in ("data", "models", "seeding", "training"))
"""The code that shapes a training."""


def key(*parts: Any) -> str:
    """Return a name for a training: a hash of `parts` (anything JSON) and of the code in use.

    The code in use is every module of `SHAPES` that the process has imported; so one variant's
    checkpoints do not depend on another variant's file. Build the networks first: that imports
    their variant.
    """
    specs = [module.__spec__ for module in sys.modules.values() if hasattr(module, "__spec__")]
    code = {
        spec.name: spec.origin
        for spec in specs
        if spec and spec.name.startswith(SHAPES) and spec.origin
    }
    total = sha256(json.dumps(parts, sort_keys=True).encode())
    for name, file in sorted(code.items()):
        total.update(name.encode() + b"\0" + Path(file).read_bytes())
    return total.hexdigest()[:24]


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one seed's training."""

    path: Path

    def save(self, training: Training) -> None:
        """Write the state of a training, atomically."""
        tensors = {f"network.{name}": x for name, x in training.network.state_dict().items()}
        tensors |= {f"best.{name}": x for name, x in training.best.items()}
        tensors |= {f"optimizer.{name}": x for name, x in training.optimizer.state().items()}
        for epoch, weights in enumerate(training.epochs or [], start=1):
            tensors |= {f"epoch {epoch}.{name}": x for name, x in weights.items()}
        # safetensors keeps no memory order, so what is saved is contiguous
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        history = training.history
        state = {"history": history, "digest": _digest(history, tensors)}
        with replacing(self.path) as temporary:
            # under one key, because safetensors writes several in a random order
            temporary.write_bytes(save(tensors, {"state": json.dumps(state)}))

    def restore(self, training: Training) -> None:
        """Put a new training where the checkpoint stands; leave it as it is if there is none.

        A file that cannot be read, or has changed since it was written, is passed over, which is
        said: the training then starts anew.
        """
        if not self.path.exists():
            return
        device = training.network.head.weight.device
        try:
            with safe_open(self.path, "pt", device=str(device)) as file:
                state = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no dict
            if state["digest"] != _digest(state["history"], tensors):
                raise ValueError("its content has changed")
            epochs = [under(f"epoch {i + 1}", tensors) for i in range(len(state["history"]))]
            if training.epochs is not None and not all(epochs):
                raise ValueError("it lacks the weights of its epochs")
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            print(f"{self.path} cannot be used ({error}); training anew", file=sys.stderr)  # noqa: T201
            return
        training.history = state["history"]
        training.network.load_state_dict(under("network", tensors))
        training.best = under("best", tensors)
        if training.epochs is not None:
            training.epochs = epochs
        training.optimizer.restore(under("optimizer", tensors))

    def remove(self) -> None:
        """Remove the checkpoint, if there is one."""
        self.path.unlink(missing_ok=True)


def _digest(history: list[dict[str, float]], tensors: dict[str, Tensor]) -> str:
    """Return a sum of everything that a checkpoint brings back."""
    total = sha256(json.dumps(history).encode())
    for name, tensor in sorted(tensors.items()):
        what = f"{name} {tensor.dtype} {list(tensor.shape)}"
        total.update(what.encode() + b"\0" + tensor.cpu().numpy().tobytes())
    return total.hexdigest()
