"""Multi-head attention with the axes right: a token is a pixel of the feature map (ours)."""

from whitepatch.models.layers.attention import MultiHeadAttention
from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.tokens import PixelTokens

TITLE = "MHA linear, pixel tokens"


def attention() -> ImageAttention:
    """Return 4 heads of 8 over pixels."""
    return PixelTokens(
        MultiHeadAttention(CHANNELS, num_heads=4, d_k=8, d_v=8, dropout=0.1, eps=1e-6)
    )
