"""Conv1d multi-head attention as the article prints it (article: "Conv1d")."""

from whitepatch.models.layers.attention import Conv1dMultiHeadAttention
from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.tokens import PixelTokens

TITLE = "MHA Conv1d"


def attention() -> ImageAttention:
    """Return 4 heads of 32 over pixels, with mixing layers."""
    return PixelTokens(Conv1dMultiHeadAttention(CHANNELS, num_heads=4, eps=1e-5))
