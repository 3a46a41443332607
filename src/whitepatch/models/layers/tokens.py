"""How a feature map is cut into tokens, and put together again."""

__all__ = ["PixelTokens", "StripTokens", "strip_map"]

from torch import Tensor

from whitepatch.models.layers.attention import TokenAttention
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.positions import sinusoidal_positions


class PixelTokens(ImageAttention):
    """Attention between the cells of a feature map: a token is a cell's C channels.

    Args:
        attention: A layer over tokens of size C.
        positions: Whether a sinusoidal code of row and column is added to the tokens. Without it
            the layer cannot tell where a token comes from: shuffled cells give shuffled outputs.

    Raises:
        ValueError: When called, if the features' channels are not the layer's, or do not divide by
            four and there are positions.

    Example:
        >>> import torch
        >>> from whitepatch.models.layers.attention import MultiHeadAttention
        >>> layer = PixelTokens(MultiHeadAttention(256, num_heads=8))
        >>> features = torch.randn(2, 256, 5, 7)
        >>> layer(features).shape, layer.weights(features).shape
        (torch.Size([2, 256, 5, 7]), torch.Size([2, 8, 35, 35]))
    """

    def __init__(self, attention: TokenAttention, *, positions: bool = False) -> None:
        super().__init__()
        self.attention = attention
        self.positions = positions

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        tokens = self.attention(self._tokens(features))
        return tokens.transpose(1, 2).unflatten(2, features.shape[2:])

    def weights(self, features: Tensor) -> Tensor:
        """Return the attention weights [B, h, N, N], queries by keys, N = H * W in raster order."""
        return self.attention.weights(self._tokens(features))

    def maps(self, features: Tensor) -> dict[str, Tensor]:
        """Return the attention that each cell receives, a mean over queries and heads: 1/N."""
        received = self.weights(features).mean(dim=2).mean(dim=1)
        return {"attention mean": received.unflatten(1, features.shape[2:])}

    def cell_weights(self, features: Tensor) -> Tensor:
        """Return `weights`: a token is a cell."""
        return self.weights(features)

    def _tokens(self, features: Tensor) -> Tensor:
        if self.positions:
            _, channels, height, width = features.shape
            code = sinusoidal_positions(channels, height, width, features.device)
            features = features + code.to(features.dtype)
        return features.flatten(2).transpose(1, 2)


class StripTokens(ImageAttention):
    """The article's mixed axes: a token is C neighbouring pixels of one channel.

    The article reshapes [B, C, H, W] to [B, H * W, C] without moving the axes. With 32 channels of
    24x24, token t is made of 32 consecutive raster pixels of channel t // 18. Its weights relate
    strips of channels, not cells; `strip_map` is all that they say of space.

    Args:
        attention: A layer over tokens of size C.

    Raises:
        ValueError: When called, if the features' channels are not the layer's.

    Source: J. Fernandez, 2021; defect 1 in docs/article.md.

    Example:
        >>> import torch
        >>> from whitepatch.models.layers.attention import MultiHeadAttention
        >>> layer = StripTokens(MultiHeadAttention(32, num_heads=4))
        >>> features = torch.randn(2, 32, 24, 24)
        >>> layer(features).shape, layer.weights(features).shape
        (torch.Size([2, 32, 24, 24]), torch.Size([2, 4, 576, 576]))
    """

    def __init__(self, attention: TokenAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, C, H, W] to features [B, C, H, W]."""
        return self.attention(self._tokens(features)).reshape(features.shape)

    def weights(self, features: Tensor) -> Tensor:
        """Return the attention weights [B, h, N, N] between strips, N = H * W."""
        return self.attention.weights(self._tokens(features))

    def maps(self, features: Tensor) -> dict[str, Tensor]:
        """Return what the strips at each place receive; see `strip_map`, which asks for H = W."""
        return {"strips": strip_map(self.weights(features), features.shape[1])}

    @staticmethod
    def _tokens(features: Tensor) -> Tensor:
        batch, channels, height, width = features.shape
        return features.reshape(batch, height * width, channels)


def strip_map(weights: Tensor, channels: int) -> Tensor:
    """Return the only map over space that strips allow: what each strip receives, drawn over it.

    A strip is `channels` consecutive raster pixels of one channel. What the strips at one place
    receive is averaged over channels and queries, and drawn over all pixels of the place. So the
    map is constant along pieces of a row and a third: it tells rows, and hardly a place within.

    Args:
        weights: [B, h, N, N], queries by keys, between N strips of a square image of N cells.
        channels: C, also the length of a strip.

    Returns:
        [B, side, side].
    """
    received = weights.mean(dim=(1, 2)).unflatten(1, (channels, -1)).mean(dim=1)
    side = round(weights.shape[-1] ** 0.5)
    return received.repeat_interleave(channels, dim=1).unflatten(1, (side, side))
