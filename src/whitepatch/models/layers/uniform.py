"""Attention without attention: every cell receives the mean of all."""

__all__ = ["UniformAttention"]

from torch import Tensor, nn

from whitepatch.models.layers.image import ImageAttention


class UniformAttention(ImageAttention):
    """Multi-head attention between cells with all weights 1/N, so without queries and keys.

    LayerNorm(cell + dropout(W_o . mean of W_v . cells)): what `MultiHeadAttention` over
    `PixelTokens` does where its scores are all alike. It shows no maps, for all of them are flat.

    Args:
        channels: C.
        num_heads: h.
        d_v: Size of a head's values.
        dropout: Probability of dropping a number behind the output projection, in training.
        eps: Of the LayerNorm.

    Source: Wiegreffe and Pinter, "Attention is not not Explanation", 2019,
    https://arxiv.org/abs/1908.04626, section 3.2.

    Example:
        >>> import torch
        >>> layer = UniformAttention(256, num_heads=8, d_v=32)
        >>> layer(torch.randn(2, 256, 5, 7)).shape
        torch.Size([2, 256, 5, 7])
    """

    def __init__(
        self, channels: int, num_heads: int, d_v: int, *, dropout: float = 0.0, eps: float = 1e-6
    ) -> None:
        super().__init__()
        self.value = nn.Linear(channels, num_heads * d_v, bias=False)
        self.output = nn.Linear(num_heads * d_v, channels, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(channels, eps)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        cells = features.flatten(2).transpose(1, 2)
        received = self.output(self.value(cells).mean(dim=1, keepdim=True).expand_as(cells))
        mixed = self.norm(cells + self.dropout(received))
        return mixed.transpose(1, 2).unflatten(2, features.shape[2:])
