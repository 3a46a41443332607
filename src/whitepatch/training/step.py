"""One training step: batch, forward, loss, backward, update."""

__all__ = ["Step", "forward", "loss_of"]

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from whitepatch.data.images import DeviceImages
from whitepatch.models.classifier import Classifier
from whitepatch.params import Precision, Runtime, Train
from whitepatch.training.adam import Adam

WARM_UP = 3
"""Steps on a stream of their own before one is captured, as torch's documentation asks."""


def loss_of(logits: Tensor, labels: Tensor, params: Train) -> Tensor:
    """Return the binary cross-entropy, a scalar, mean over images, in nats.

    `logits` is the exact one; `printed` is the article's, from probabilities with 1e-8 added
    inside the logarithms, which cannot exceed 18.4 for one image.
    """
    if params.loss == "logits":
        return F.binary_cross_entropy_with_logits(logits, labels)
    probability = torch.sigmoid(logits)
    return -torch.mean(
        labels * torch.log(probability + 1e-8) + (1 - labels) * torch.log(1 - probability + 1e-8)
    )


def forward(network: Classifier, images: Tensor, precision: Precision) -> Tensor:
    """Return the logits, float32 [B]; `tf32` is set for the whole process, by `machine.prepare`."""
    if precision != "bf16":
        return network(images)
    # every weight is used once a step, so a cache of their short versions would save nothing
    with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
        return network(images).float()


@lru_cache(maxsize=1)
def _aside() -> torch.cuda.Stream:
    """Return the stream for warming up; each more would have a work space of cuBLAS more."""
    return torch.cuda.Stream()


@dataclass(frozen=True)
class _Captured:
    """A step as one CUDA graph: what it reads, and what it leaves."""

    graph: torch.cuda.CUDAGraph
    index: Tensor
    rate: Tensor
    result: Tensor


class Step:
    """One step of one training, again and again.

    With `runtime.cuda_graph` the hundred kernels of a step are launched at once: after three
    ordinary steps the next one is captured, and from then on replayed. A short last batch is always
    an ordinary step.

    Args:
        network: In training mode; it is changed.
        optimizer: Of its parameters; it is changed.
        images: The training split.
        params: The protocol; its loss and its size of batches are used.
        runtime: Precision, and whether to capture.
    """

    def __init__(
        self,
        network: Classifier,
        optimizer: Adam,
        images: DeviceImages,
        params: Train,
        runtime: Runtime,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.images = images
        self.params = params
        self.runtime = runtime
        self.captures = runtime.cuda_graph and images.labels.is_cuda
        self.warm = 0
        self.captured: _Captured | None = None

    def __call__(self, index: Tensor, rate: float) -> Tensor:
        """Learn from a batch.

        Args:
            index: Of its images, [B], on the device.
            rate: The learning rate.

        Returns:
            Before the update: the loss, and how many images were judged rightly; float32 [2] on the
            device, good until the next step.
        """
        if not self.captures or len(index) != self.params.batch_size:
            return self._run(index, rate)
        if self.warm < WARM_UP:
            self.warm += 1
            return self._warm_up(index, rate)
        if self.captured is None:
            self.captured = self._capture(index)
        self.captured.index.copy_(index)
        self.captured.rate.fill_(rate)
        self.captured.graph.replay()
        return self.captured.result

    def _run(self, index: Tensor, rate: float | Tensor) -> Tensor:
        """Take the step itself, whose kernels a graph may capture."""
        images, labels = self.images.batch(index)
        logits = forward(self.network, images, self.runtime.precision)
        loss = loss_of(logits, labels, self.params)
        self.optimizer.clear()
        loss.backward()
        self.optimizer.step(rate)
        return torch.stack([loss.detach(), (logits.detach() > 0).eq(labels > 0).sum().float()])

    def _warm_up(self, index: Tensor, rate: float) -> Tensor:
        """Take an ordinary step on a stream of its own."""
        here, aside = torch.cuda.current_stream(), _aside()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            result = self._run(index, rate)
        here.wait_stream(aside)
        return result

    def _capture(self, index: Tensor) -> _Captured:
        """Record a step of so many images without taking it; `index` and `rate` are filled in."""
        graph, index = torch.cuda.CUDAGraph(), index.clone()
        rate = torch.zeros((), device=index.device)
        self.optimizer.clear()
        with torch.cuda.graph(graph):
            result = self._run(index, rate)
        return _Captured(graph, index, rate, result)
