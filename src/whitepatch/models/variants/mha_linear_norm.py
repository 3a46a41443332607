"""The article's linear attention with its norm mended: strips, but a norm over channels (ours)."""

from whitepatch.models.layers.attention import MultiHeadAttention
from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.norm import ChannelNorm
from whitepatch.models.layers.tokens import StripTokens

TITLE = "MHA linear, norm mended"


def attention() -> ImageAttention:
    """Return 4 heads of 8 over strips of single channels, then a norm of every cell."""
    strips = MultiHeadAttention(CHANNELS, num_heads=4, d_k=8, d_v=8, dropout=0.1, eps=None)
    return ChannelNorm(StripTokens(strips), CHANNELS, eps=1e-6)
