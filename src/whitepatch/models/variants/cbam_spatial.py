"""CBAM as its authors run it: channel gate, then spatial gate (ours)."""

from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.cbam import CBAM
from whitepatch.models.layers.image import ImageAttention

TITLE = "CBAM, both gates"


def attention() -> ImageAttention:
    """Return both gates, with a reduction of 16."""
    return CBAM(CHANNELS, reduction=16, spatial=True)
