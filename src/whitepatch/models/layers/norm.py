"""LayerNorm behind an attention layer that has none of its own, over cells or over strips.

With them the two halves of the article's mixed axes are taken apart: what its tokens are, and what
its norm is over.
"""

__all__ = ["ChannelNorm", "StripNorm"]

from torch import Tensor, nn

from whitepatch.models.layers.image import ImageAttention


class _Normed(ImageAttention):
    """A layer, and a LayerNorm behind it; what the layer tells of itself stays."""

    def __init__(self, layer: ImageAttention, channels: int, eps: float) -> None:
        super().__init__()
        self.layer = layer
        self.norm = nn.LayerNorm(channels, eps)

    def maps(self, features: Tensor) -> dict[str, Tensor]:
        """Return the layer's maps."""
        return self.layer.maps(features)

    def cell_weights(self, features: Tensor) -> Tensor | None:
        """Return the layer's attention between cells."""
        return self.layer.cell_weights(features)


class ChannelNorm(_Normed):
    """LayerNorm of each cell's channels behind a layer.

    Args:
        layer: Without a norm of its own.
        channels: C.
        eps: Of the norm.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        return self.norm(self.layer(features).movedim(1, 3)).movedim(3, 1)


class StripNorm(_Normed):
    """LayerNorm of each strip behind a layer: C consecutive raster pixels of one channel.

    Args:
        layer: Without a norm of its own.
        channels: C, also the length of a strip; H * W must be a multiple of it.
        eps: Of the norm.

    Source: J. Fernandez, 2021; defect 1 in docs/article.md.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        mixed = self.layer(features)
        strips = mixed.reshape(len(mixed), -1, self.norm.normalized_shape[0])
        return self.norm(strips).reshape(mixed.shape)
