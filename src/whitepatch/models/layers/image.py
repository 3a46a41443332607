"""The ways from tokens onto an image: a layer between trunk and head."""

__all__ = ["ImageAttention", "NoAttention", "PixelTokens", "StripTokens"]

from torch import Tensor, nn

from whitepatch.models.layers.attention import TokenAttention
from whitepatch.models.layers.positions import sinusoidal_positions


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

    def spatial_maps(self, features: Tensor) -> Tensor:
        """Return the attention that each cell receives, [B, h, H, W]; the mean of a map is 1/N."""
        return self.weights(features).mean(dim=2).unflatten(2, features.shape[2:])

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
    strips of channels, not places, so there is no map over space.

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

    @staticmethod
    def _tokens(features: Tensor) -> Tensor:
        batch, channels, height, width = features.shape
        return features.reshape(batch, height * width, channels)
