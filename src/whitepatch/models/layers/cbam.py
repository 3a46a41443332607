"""CBAM, the convolutional block attention module.

Source: Woo, Park, Lee and Kweon, "CBAM: Convolutional Block Attention Module", ECCV 2018,
https://arxiv.org/abs/1807.06521.
"""

__all__ = ["CBAM", "POOLS", "ChannelGate", "SpatialGate"]

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from whitepatch.models.layers.image import ImageAttention

# amax, not an adaptive pool: the pool's backward on CUDA is not deterministic
POOLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "avg": lambda x: x.mean(dim=(2, 3)),
    "max": lambda x: x.amax(dim=(2, 3)),
    "lp": lambda x: torch.linalg.vector_norm(x, dim=(2, 3)),  # power 2
    "lse": lambda x: torch.logsumexp(x, dim=(2, 3)),
}
"""What turns a channel [B, C, H, W] into a number [B, C]: mean, maximum, root of the sum of
squares, logarithm of the sum of exponentials."""


class ChannelGate(nn.Module):
    """One factor in [0, 1] for each channel.

    sigmoid(sum over pools of mlp(pool over space)) with one shared MLP, C -> C // reduction -> C,
    with ReLU and biases. The paper's pools are mean and maximum.

    Args:
        channels: C.
        reduction: How much narrower the MLP is inside.
        pools: One or more of `POOLS`, each once.

    Raises:
        ValueError: When built, if a pool is unknown or named twice, or the reduction leaves no
            channel; when called, if the features have other channels.

    Example:
        >>> gate = ChannelGate(256, pools=("avg", "max", "lp", "lse"))
        >>> gate(torch.randn(2, 256, 24, 24)).shape
        torch.Size([2, 256, 1, 1])
    """

    def __init__(
        self, channels: int, reduction: int = 16, pools: Sequence[str] = ("avg", "max")
    ) -> None:
        super().__init__()
        if not 1 <= reduction <= channels:
            raise ValueError(
                f"reduction must be between 1 and the {channels} channels, got {reduction}"
            )
        if not pools or len(set(pools)) < len(pools) or not set(pools) <= set(POOLS):
            raise ValueError(
                f"pools must be one or more of {', '.join(POOLS)}, each once, got {list(pools)}"
            )
        self.channels = channels
        self.pools = tuple(pools)
        hidden = channels // reduction
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to the gate [B, C, 1, 1]."""
        if features.ndim != 4 or features.shape[1] != self.channels:
            raise ValueError(
                f"features must be [B, {self.channels}, H, W], got {list(features.shape)}"
            )
        first, *others = (self.mlp(POOLS[pool](features)) for pool in self.pools)
        return torch.sigmoid(sum(others, start=first))[:, :, None, None]


class SpatialGate(nn.Module):
    """One factor in [0, 1] for each cell.

    sigmoid(BatchNorm(conv 7x7([max over channels, mean over channels]))), without bias.

    Example:
        >>> SpatialGate()(torch.randn(2, 256, 24, 24)).shape
        torch.Size([2, 1, 24, 24])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to the gate [B, 1, H, W]."""
        pooled = torch.stack([features.amax(dim=1), features.mean(dim=1)], dim=1)
        return torch.sigmoid(self.norm(self.conv(pooled)))


class CBAM(ImageAttention):
    """Scale the channels by a gate, then the cells by another.

    Args:
        channels: C.
        reduction: Of the channel gate.
        pools: Of the channel gate.
        spatial: Whether there is a gate over space; the paper has it, the article leaves it out.

    Raises:
        ValueError: As `ChannelGate`.

    Example:
        >>> layer = CBAM(256)
        >>> features = torch.randn(2, 256, 24, 24)
        >>> channel, space = layer.gates(features)
        >>> layer(features).shape, channel.shape, space.shape
        (torch.Size([2, 256, 24, 24]), torch.Size([2, 256, 1, 1]), torch.Size([2, 1, 24, 24]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        pools: Sequence[str] = ("avg", "max"),
        *,
        spatial: bool = True,
    ) -> None:
        super().__init__()
        self.channel_gate = ChannelGate(channels, reduction, pools)
        self.spatial_gate = SpatialGate() if spatial else None

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        scaled = features * self.channel_gate(features)
        return scaled if self.spatial_gate is None else scaled * self.spatial_gate(scaled)

    def gates(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the channel gate [B, C, 1, 1], and the spatial gate [B, 1, H, W] or None."""
        channel = self.channel_gate(features)
        if self.spatial_gate is None:
            return channel, None
        return channel, self.spatial_gate(features * channel)

    def maps(self, features: Tensor) -> dict[str, Tensor]:
        """Return the spatial gate [B, H, W], in [0, 1], where there is one."""
        space = self.gates(features)[1]
        return {} if space is None else {"attention gate": space[:, 0]}

    def channel_factors(self, features: Tensor) -> Tensor:
        """Return the channel gate, [B, C], in [0, 1]."""
        return self.channel_gate(features).flatten(1)
