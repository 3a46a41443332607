"""Where a cell is, as numbers that attention can read."""

__all__ = ["sinusoidal_positions"]

import torch
from torch import Tensor

SLOWEST = 10000.0
"""Ratio of the slowest wavelength to the fastest, as in the paper."""


def sinusoidal_positions(
    channels: int, height: int, width: int, device: torch.device | None = None
) -> Tensor:
    """Return a code of every cell, [C, H, W], torch's default dtype, in [-1, 1].

    With K = C / 4 and w_k = 10000^(-k / K), k = 0 ... K - 1, the channels are sin(row w_k),
    cos(row w_k), sin(column w_k), cos(column w_k), in blocks of K.

    Args:
        channels: C, divisible by 4.
        height: H, rows.
        width: W, columns.
        device: Where to make it.

    Raises:
        ValueError: C is not divisible by 4.

    Source: Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762, for
    sequences; half of the channels for each axis as in Carion et al., "End-to-End Object Detection
    with Transformers", 2020, https://arxiv.org/abs/2005.12872. Ours keeps sines and cosines in
    blocks, counts cells from 0 and does not scale them.

    Example:
        >>> sinusoidal_positions(32, 24, 24).shape
        torch.Size([32, 24, 24])
    """
    if channels % 4 or channels < 4:
        raise ValueError(f"channels must be divisible by 4, got {channels}")
    number = channels // 4
    rates = SLOWEST ** -(torch.arange(number, device=device) / number)
    blocks = []
    for size, shape in ((height, (number, height, 1)), (width, (number, 1, width))):
        angles = (rates[:, None] * torch.arange(size, device=device)).reshape(shape)
        blocks += [x.expand(number, height, width) for x in (angles.sin(), angles.cos())]
    return torch.cat(blocks)
