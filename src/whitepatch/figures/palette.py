"""The colour of each variant: the same in every figure, plot and run, whatever is beside it.

Relatives share a hue: plain networks are grey, multi-head attention over linear maps is blue, over
Conv1d green, CBAM orange. A network that others are checked against is lighter or darker than they
are. No two are alike to people who see colours otherwise; `tests/figures/test_palette.py` says how
far apart they are.
"""

__all__ = ["ALL", "ORDER", "colour"]

from zlib import crc32

# some of Okabe and Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/, and
# others between them
COLOURS = {
    "cnn": "#000000",
    "cnn_max": "#424242",
    "cnn_hidden": "#aaaaaa",
    "mha_uniform": "#ace4f3",
    "mha_linear": "#56b4e9",
    "mha_linear_norm": "#336d70",
    "mha_tokens_strip_norm": "#1e245f",
    "mha_linear_tokens": "#0072b2",
    "mha_linear_positions": "#600eb3",
    "mha_conv1d": "#009e73",
    "cbam": "#e69f00",
    "cbam_spatial": "#d55e00",
}

OTHERS = ("#cc79a7", "#8a4b2a")
"""Of variants that have none here, which may have to share one."""

ALL = (*COLOURS.values(), *OTHERS)

ORDER = tuple(COLOURS)
"""Of the variants that are known here, where no experiment gives one: relatives together."""


def colour(variant: str) -> str:
    """Return the colour of a variant, known here or not, by nothing but its name."""
    return COLOURS.get(variant, OTHERS[crc32(variant.encode()) % len(OTHERS)])
