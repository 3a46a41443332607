"""How a training and its reporter speak: one JSON object a line, arrays as base64 of an .npz."""

__all__ = ["line", "packed", "unpacked"]

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def line(what: str, **content: Any) -> str:
    """Return a line that tells something."""
    return json.dumps({"what": what} | content) + "\n"


def packed(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return arrays as text."""
    target = io.BytesIO()
    np.savez(target, allow_pickle=False, **arrays)
    return b64encode(target.getvalue()).decode("ascii")


def unpacked(text: str) -> dict[str, NDArray[Any]]:
    """Return arrays from text."""
    with np.load(io.BytesIO(b64decode(text)), allow_pickle=False) as arrays:
        return dict(arrays)
