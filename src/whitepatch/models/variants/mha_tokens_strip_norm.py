"""The article's linear attention with its tokens mended: pixels, but a norm over strips (ours)."""

from whitepatch.models.layers.attention import MultiHeadAttention
from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.norm import StripNorm
from whitepatch.models.layers.tokens import PixelTokens

TITLE = "MHA linear, tokens mended"


def attention() -> ImageAttention:
    """Return 4 heads of 8 over pixels, then the article's norm of every strip."""
    pixels = MultiHeadAttention(CHANNELS, num_heads=4, d_k=8, d_v=8, dropout=0.1, eps=None)
    return StripNorm(PixelTokens(pixels), CHANNELS, eps=1e-6)
