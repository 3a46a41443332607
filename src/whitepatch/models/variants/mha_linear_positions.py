"""Multi-head attention over pixels that know their places (ours; the article's future work)."""

from whitepatch.models.layers.attention import MultiHeadAttention
from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.tokens import PixelTokens

TITLE = "MHA linear, positions"


def attention() -> ImageAttention:
    """Return 4 heads of 8 over pixels, with a sinusoidal code of row and column."""
    return PixelTokens(
        MultiHeadAttention(CHANNELS, num_heads=4, d_k=8, d_v=8, dropout=0.1, eps=1e-6),
        positions=True,
    )
