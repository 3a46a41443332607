"""A training between two epochs, copied at once, so that it can be kept later."""

__all__ = ["Snapshot"]

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from whitepatch.training.loop import Row, Training


@dataclass(frozen=True)
class _Packed:
    """Tensors, end to end, one for each type: a device copies them at once.

    Attributes:
        flat: By type, [sum of sizes].
        shapes: Of what is in it, by name, in order.
    """

    flat: dict[torch.dtype, Tensor]
    shapes: dict[str, tuple[torch.dtype, torch.Size]]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "_Packed":
        """Copy tensors; an empty mapping will do."""
        shapes = {name: (x.dtype, x.shape) for name, x in tensors.items()}
        flat = {
            dtype: torch.cat([x.detach().flatten() for x in tensors.values() if x.dtype == dtype])
            for dtype in {dtype for dtype, _ in shapes.values()}
        }
        return cls(flat, shapes)

    def tensors(self) -> dict[str, Tensor]:
        """Return them on the host, contiguous."""
        found: dict[str, Tensor] = {}
        for dtype, flat in self.flat.items():
            of_type = {name: shape for name, (it, shape) in self.shapes.items() if it == dtype}
            parts = flat.cpu().split([shape.numel() for shape in of_type.values()])
            found |= {n: x.view(s) for (n, s), x in zip(of_type.items(), parts, strict=True)}
        return found


@dataclass(frozen=True)
class Snapshot:
    """All that a training needs to go on.

    Attributes:
        history: A row for each epoch.
    """

    history: list[Row]
    _moving: _Packed
    _still: dict[str, Tensor]

    @classmethod
    def of(cls, training: Training) -> "Snapshot":
        """Copy what the next step changes; nothing waits for the device."""
        moving = {f"network.{name}": x for name, x in training.network.state_dict().items()}
        moving |= {f"optimizer.{name}": x for name, x in training.optimizer.state().items()}
        still = {f"best.{name}": x for name, x in training.best.items()}
        for epoch, weights in enumerate(training.epochs or [], start=1):
            still |= {f"epoch {epoch}.{name}": x for name, x in weights.items()}
        return cls(list(training.history), _Packed.of(moving), still)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors on the host: network.*, optimizer.*, best.* and epoch N.*."""
        return self._moving.tensors() | _Packed.of(self._still).tensors()
