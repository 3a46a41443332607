"""CBAM as the article runs it: the channel gate alone (article: "CBAM")."""

from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.cbam import CBAM
from whitepatch.models.layers.image import ImageAttention

TITLE = "CBAM, channel gate"


def attention() -> ImageAttention:
    """Return a channel gate with a reduction of 16."""
    return CBAM(CHANNELS, reduction=16, spatial=False)
