"""A layer between trunk and head, and what it tells of itself."""

__all__ = ["ImageAttention", "NoAttention"]

from torch import Tensor, nn


class ImageAttention(nn.Module):
    """A layer between trunk and head: features in, features of the same shape out.

    A layer tells what it has by overriding the methods below. What they return is computed anew
    from the features [B, C, H, W] that the layer receives; nothing is kept from a forward pass.
    """

    def maps(self, features: Tensor) -> dict[str, Tensor]:
        """Return where the layer looks: maps [B, H, W] by name, not negative; none by default.

        Each is scored, followed through the epochs and probed under its name.
        """
        del features
        return {}

    def cell_weights(self, features: Tensor) -> Tensor | None:
        """Return the attention between cells, queries by keys, or None where tokens are no cells.

        Returns:
            [B, h, N, N], N = H * W in raster order. Its heads, and what leaves and reaches the
            patch, are shown beside `maps`.
        """
        del features
        return None

    def channel_factors(self, features: Tensor) -> Tensor | None:
        """Return by what the layer scales each channel, [B, C], 0 to 1, or None if it does not."""
        del features
        return None


class NoAttention(ImageAttention):
    """Pass the features on."""

    def forward(self, features: Tensor) -> Tensor:
        """Return `features`."""
        return features
