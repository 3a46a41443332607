"""The trunk that all variants share."""

__all__ = ["CHANNELS", "Backbone"]

from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = 32
"""Width of the trunk, and of everything that a variant puts behind it."""


class Backbone(nn.Module):
    """Three 5x5 convolutions, two of them halving the picture.

    Conv -> leaky ReLU (0.01) -> BatchNorm -> max-pool 2, twice; then a bare convolution. A unit
    sees 32x32 pixels, and neighbours lie 4 pixels apart.

    Source: "ConvPart" of J. Fernandez, 2021; docs/article.md.

    Example:
        >>> import torch
        >>> Backbone()(torch.randn(2, 3, 96, 96)).shape
        torch.Size([2, 32, 24, 24])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, CHANNELS, 5, padding=2)
        self.norm1 = nn.BatchNorm2d(CHANNELS)
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, 5, padding=2)
        self.norm2 = nn.BatchNorm2d(CHANNELS)
        self.conv3 = nn.Conv2d(CHANNELS, CHANNELS, 5, padding=2)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, 96, 96] to features [B, 32, 24, 24]."""
        x = F.max_pool2d(self.norm1(F.leaky_relu(self.conv1(images))), 2)
        x = F.max_pool2d(self.norm2(F.leaky_relu(self.conv2(x))), 2)
        return self.conv3(x)
