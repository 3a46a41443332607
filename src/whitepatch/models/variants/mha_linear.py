"""Multi-head attention as the article prints it, with its mixed axes (article: "Linear")."""

from whitepatch.models.layers.attention import MultiHeadAttention
from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.tokens import StripTokens

TITLE = "MHA linear"


def attention() -> ImageAttention:
    """Return 4 heads of 8 over strips of single channels."""
    return StripTokens(
        MultiHeadAttention(CHANNELS, num_heads=4, d_k=8, d_v=8, dropout=0.1, eps=1e-6)
    )
