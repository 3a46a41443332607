"""The only door to randomness: one named generator per purpose.

A generator is named by its purpose and by what it is for, so that one draw more in one place
disturbs no other place. The name is hashed; nothing depends on the order of calls.
"""

__all__ = ["Purpose", "numpy_generator", "seed_for"]

from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Purpose = Literal[
    "crops",
    "noise",
    "folds",
    "draw",
    "plan",
    "weights",
    "order",
    "dropout",
    "bootstrap",
    "sign flips",
    "probe",
]


def seed_for(purpose: Purpose, *name: int | str) -> int:
    """Return the seed of a generator, an integer in [0, 2**63).

    Args:
        purpose: What the numbers are drawn for.
        *name: What tells this generator from the others of its purpose, say a seed and an epoch.
    """
    text = "/".join([purpose, *map(str, name)])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1


def numpy_generator(purpose: Purpose, *name: int | str) -> "np.random.Generator":
    """Return a fresh NumPy generator seeded by `seed_for` (same arguments)."""
    import numpy as np

    return np.random.default_rng(seed_for(purpose, *name))
