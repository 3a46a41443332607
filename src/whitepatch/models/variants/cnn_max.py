"""The plain CNN with the maximum over space instead of the mean (a control)."""

from whitepatch.models.layers.readout import MaximumReadout

TITLE = "CNN, maximum"


def readout() -> MaximumReadout:
    """Return the maximum: not a parameter more than the plain CNN has."""
    return MaximumReadout()
