"""Adam, computed by torch, held by us."""

__all__ = ["Adam"]

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Adam:
    """Adam with the paper's constants; the learning rate comes with every step.

    On a CPU the numbers are those of `torch.optim.Adam`, bit for bit, because the same function
    computes them; on a GPU those of its `fused` form, one kernel for all parameters. That class is
    not used itself because making one imports torch's compiler: four seconds and 150 MB, in every
    process that trains.

    Args:
        parameters: What is learned, on one device.

    Attributes:
        averages: Of the gradients, as the parameters; zero before the first step.
        squares: Of their squares, the same.
        counts: Steps taken, one scalar for each parameter.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015,
    https://arxiv.org/abs/1412.6980.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        # zeros_like keeps the memory order, and sums then run in the same order
        self.averages = [torch.zeros_like(x) for x in self.parameters]
        self.squares = [torch.zeros_like(x) for x in self.parameters]
        self.on_gpu = self.parameters[0].is_cuda
        where = self.parameters[0].device if self.on_gpu else "cpu"
        self.counts = [torch.zeros((), device=where) for _ in self.parameters]

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, rate: float | Tensor) -> None:
        """Move every parameter that has a gradient.

        Args:
            rate: The learning rate; as a scalar tensor on the GPU it may change between replays.
        """
        parts = (self.parameters, self.averages, self.squares, self.counts)
        used = [x for x in zip(*parts, strict=True) if x[0].grad is not None]
        parameters, averages, squares, counts = map(list, zip(*used, strict=True))
        if self.on_gpu and not isinstance(rate, Tensor):  # float32 always, as in a graph
            rate = torch.full((), rate, device=parameters[0].device)
        with torch.no_grad():
            adam(
                parameters,
                [x.grad for x in parameters],
                averages,
                squares,
                [],
                counts,
                fused=self.on_gpu,
                capturable=self.on_gpu,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=rate,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """Return everything that a step changes beside the parameters, by name."""
        parts = {"average": self.averages, "square": self.squares, "count": self.counts}
        return {f"{name}.{i}": x for name, part in parts.items() for i, x in enumerate(part)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` returned.

        Raises:
            KeyError: Something is missing.
        """
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
