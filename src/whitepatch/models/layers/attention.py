"""Multi-head attention over sequences of tokens, and its two ways onto an image.

Weights come from one plain function, `attention_weights`. Training takes the fused kernel, which
computes the same mixture without ever storing them.
"""

__all__ = [
    "Conv1dMultiHeadAttention",
    "ImageAttention",
    "MultiHeadAttention",
    "NoAttention",
    "PixelTokens",
    "StripTokens",
    "attention_weights",
]

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attention_weights(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """Return softmax(query . key / temperature), over keys.

    Args:
        query: [B, h, queries, d_k].
        key: [B, h, keys, d_k].
        temperature: Above 0; sqrt(d_k) in Vaswani et al., "Attention Is All You Need", 2017,
            https://arxiv.org/abs/1706.03762.

    Returns:
        [B, h, queries, keys]; each row sums to 1.
    """
    return torch.softmax(query @ key.transpose(-2, -1) / temperature, dim=-1)


class TokenAttention(Protocol):
    """What the ways onto an image ask of a layer over tokens."""

    def __call__(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, N, C] to tokens [B, N, C]."""
        ...

    def weights(self, tokens: Tensor) -> Tensor:
        """Return the attention weights [B, h, queries, keys]."""
        ...


class _Heads(nn.Module):
    """Projections to queries, keys and values of several heads, and their mixture."""

    def __init__(self, width: int, num_heads: int, d_k: int, d_v: int, *, bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.temperature = d_k**0.5
        self.query = nn.Linear(width, num_heads * d_k, bias=bias)
        self.key = nn.Linear(width, num_heads * d_k, bias=bias)
        self.value = nn.Linear(width, num_heads * d_v, bias=bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, N, C] to concatenated heads [B, N, h * d_v]."""
        mixed = F.scaled_dot_product_attention(
            self._split(self.query(tokens)),
            self._split(self.key(tokens)),
            self._split(self.value(tokens)),
            scale=1 / self.temperature,
        )
        return mixed.transpose(1, 2).flatten(2)

    def weights(self, tokens: Tensor) -> Tensor:
        """Return the attention weights [B, h, N, N], queries by keys."""
        query, key = self._split(self.query(tokens)), self._split(self.key(tokens))
        return attention_weights(query, key, self.temperature)

    def _split(self, projected: Tensor) -> Tensor:
        return projected.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class MultiHeadAttention(nn.Module):
    """Multi-head self-attention with linear projections, residual and LayerNorm.

    LayerNorm(tokens + dropout(W_o . concat(heads))); scores are divided by sqrt(d_k); no
    projection has a bias.

    Args:
        width: C, size of a token.
        num_heads: h.
        d_k: Size of a head's queries and keys.
        d_v: Size of a head's values.
        dropout: Probability of dropping a number behind the output projection.
        eps: Of the LayerNorm.

    Source: Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762,
    as J. Fernandez, 2021, prints it.
    """

    def __init__(
        self, width: int, num_heads: int, d_k: int, d_v: int, dropout: float, eps: float
    ) -> None:
        super().__init__()
        self.heads = _Heads(width, num_heads, d_k, d_v, bias=False)
        self.output = nn.Linear(num_heads * d_v, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, N, C] to tokens [B, N, C]."""
        return self.norm(tokens + self.dropout(self.output(self.heads(tokens))))

    def weights(self, tokens: Tensor) -> Tensor:
        """Return the attention weights [B, h, N, N], queries by keys."""
        return self.heads.weights(tokens)


class Conv1dMultiHeadAttention(nn.Module):
    """The article's Conv1d multi-head attention, over tokens.

    x = LayerNorm(tokens + proj(concat(heads))), then LayerNorm(x + mix2(relu(mix1(x)))). Every
    head is as wide as a token; scores are divided by the square root of that width.

    The article writes each projection as a convolution of kernel 1 over [B, C, N] and each head as
    a module of its own. A convolution of kernel 1 is a linear map of every token, and stacked
    heads are one wider map: the same numbers, computed with one matrix product.

    Args:
        width: C, size of a token and of a head.
        num_heads: h.
        eps: Of both LayerNorms.

    Source: J. Fernandez, 2021; docs/article.md.
    """

    def __init__(self, width: int, num_heads: int, eps: float) -> None:
        super().__init__()
        self.heads = _Heads(width, num_heads, width, width, bias=True)
        self.output = nn.Linear(num_heads * width, width)
        self.norm1 = nn.LayerNorm(width, eps)
        self.mix1 = nn.Linear(width, width)
        self.mix2 = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, N, C] to tokens [B, N, C]."""
        x = self.norm1(tokens + self.output(self.heads(tokens)))
        return self.norm2(x + self.mix2(F.relu(self.mix1(x))))

    def weights(self, tokens: Tensor) -> Tensor:
        """Return the attention weights [B, h, N, N], queries by keys."""
        return self.heads.weights(tokens)


class ImageAttention(nn.Module):
    """A layer between trunk and head: features in, features of the same shape out."""

    def spatial_maps(self, features: Tensor) -> Tensor | None:
        """Return where the layer looks, or None if it has no such thing.

        Args:
            features: [B, C, H, W].

        Returns:
            [B, K, H, W], K maps, not negative: a head's attention received by each cell, averaged
            over queries (a mean of 1/N), or a spatial gate in [0, 1].
        """
        del features
        return None


class NoAttention(ImageAttention):
    """Pass the features on."""

    def forward(self, features: Tensor) -> Tensor:
        """Return `features`."""
        return features


class PixelTokens(ImageAttention):
    """Attention between the cells of a feature map: a token is a cell's C channels."""

    def __init__(self, attention: TokenAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        tokens = self.attention(self._tokens(features))
        return tokens.transpose(1, 2).unflatten(2, features.shape[2:])

    def spatial_maps(self, features: Tensor) -> Tensor:
        """Return the attention that each cell receives, [B, h, H, W]; the mean of a map is 1/N."""
        received = self.attention.weights(self._tokens(features)).mean(dim=2)
        return received.unflatten(2, features.shape[2:])

    @staticmethod
    def _tokens(features: Tensor) -> Tensor:
        return features.flatten(2).transpose(1, 2)


class StripTokens(ImageAttention):
    """The article's mixed axes: a token is C neighbouring pixels of one channel.

    The article reshapes [B, C, H, W] to [B, H * W, C] without moving the axes. With 32 channels of
    24x24, token t is made of 32 consecutive raster pixels of channel t // 18. Its weights relate
    strips of channels, not places, so there is no map over space.

    Source: J. Fernandez, 2021; defect 1 in docs/article.md.
    """

    def __init__(self, attention: TokenAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        batch, channels, height, width = features.shape
        tokens = features.reshape(batch, height * width, channels)
        return self.attention(tokens).reshape(features.shape)
