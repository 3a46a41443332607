"""The plain CNN: no attention at all (article: "CNN")."""

from whitepatch.models.layers.image import ImageAttention, NoAttention

TITLE = "CNN"


def attention() -> ImageAttention:
    """Return the layer that passes features on."""
    return NoAttention()
