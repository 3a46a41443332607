"""The plain CNN with a hidden layer behind the mean (a control)."""

from whitepatch.models.layers.backbone import CHANNELS
from whitepatch.models.layers.readout import HiddenReadout

TITLE = "CNN, hidden layer"


def readout() -> HiddenReadout:
    """Return 64 hidden units: 4192 parameters, where mha_linear's attention has 4160."""
    return HiddenReadout(CHANNELS, hidden=64)
