"""Attention over pixels whose weights are all alike: nobody attends to anything (a control)."""

from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.image import ImageAttention
from whitepatch.models.layers.uniform import UniformAttention

TITLE = "MHA, uniform weights"


def attention() -> ImageAttention:
    """Return mha_linear_tokens's layer, 4 heads of 8, with weights of 1/N."""
    return UniformAttention(CHANNELS, num_heads=4, d_v=8, dropout=0.1, eps=1e-6)
