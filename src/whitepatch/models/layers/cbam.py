"""CBAM, the convolutional block attention module.

Source: Woo, Park, Lee and Kweon, "CBAM: Convolutional Block Attention Module", ECCV 2018,
https://arxiv.org/abs/1807.06521.
"""

__all__ = ["CBAM", "ChannelGate", "SpatialGate"]

import torch
from torch import Tensor, nn

from whitepatch.models.layers.attention import ImageAttention


class ChannelGate(nn.Module):
    """One factor in [0, 1] for each channel.

    sigmoid(mlp(mean over space) + mlp(max over space)) with one shared MLP, C -> C // reduction
    -> C, with ReLU and biases.

    Args:
        channels: C.
        reduction: How much narrower the MLP is inside.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = channels // reduction
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to the gate [B, C, 1, 1]."""
        # amax, not an adaptive pool: the pool's backward on CUDA is not deterministic
        pooled = self.mlp(features.mean(dim=(2, 3))) + self.mlp(features.amax(dim=(2, 3)))
        return torch.sigmoid(pooled)[:, :, None, None]


class SpatialGate(nn.Module):
    """One factor in [0, 1] for each cell.

    sigmoid(BatchNorm(conv 7x7([max over channels, mean over channels]))), without bias.
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
        spatial: Whether there is a gate over space; the paper has it, the article leaves it out.
    """

    def __init__(self, channels: int, reduction: int, *, spatial: bool) -> None:
        super().__init__()
        self.channel_gate = ChannelGate(channels, reduction)
        self.spatial_gate = SpatialGate() if spatial else None

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        scaled = features * self.channel_gate(features)
        return scaled if self.spatial_gate is None else scaled * self.spatial_gate(scaled)

    def spatial_maps(self, features: Tensor) -> Tensor | None:
        """Return the spatial gate [B, 1, H, W], in [0, 1], or None where there is none."""
        if self.spatial_gate is None:
            return None
        return self.spatial_gate(features * self.channel_gate(features))
