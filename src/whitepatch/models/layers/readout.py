"""From features over space to one number a channel: what stands between attention and head."""

__all__ = ["HiddenReadout", "MaximumReadout", "MeanReadout"]

from torch import Tensor, nn


class MeanReadout(nn.Module):
    """The mean over space, as in the article.

    Example:
        >>> import torch
        >>> MeanReadout()(torch.randn(2, 32, 24, 24)).shape
        torch.Size([2, 32])
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to [B, C]."""
        return features.mean(dim=(2, 3))


class MaximumReadout(nn.Module):
    """The maximum over space.

    Source: Oquab et al., "Is object localization for free?", CVPR 2015.

    Example:
        >>> import torch
        >>> MaximumReadout()(torch.randn(2, 32, 24, 24)).shape
        torch.Size([2, 32])
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to [B, C]."""
        return features.amax(dim=(2, 3))


class HiddenReadout(nn.Module):
    """The mean over space, and a layer of hidden units behind it: C -> hidden -> C, with ReLU.

    Args:
        channels: C.
        hidden: How many units.

    Example:
        >>> import torch
        >>> HiddenReadout(32, hidden=64)(torch.randn(2, 32, 24, 24)).shape
        torch.Size([2, 32])
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to [B, C]."""
        return self.layers(features.mean(dim=(2, 3)))
