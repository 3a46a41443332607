"""Arrays in, figure out.

Figures are drawn without a backend. One that only a notebook has, which names it to everything that
it starts, would keep matplotlib from loading.
"""

import os
import sys
from contextlib import suppress

if "matplotlib" not in sys.modules and (_backend := os.environ.pop("MPLBACKEND", "")):
    import matplotlib as mpl

    os.environ["MPLBACKEND"] = _backend
    with suppress(ValueError):
        mpl.rcParams["backend"] = _backend
