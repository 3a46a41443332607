"""Pictures of noise, every second one with a patch."""

import json

import numpy as np
import torch

from whitepatch.data.images import DeviceImages
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan
from whitepatch.params import Patch, Pixels

CPU = torch.device("cpu")


def images_of(number, seed, device=CPU):
    """Return `number` pictures on a device, darker than the patch."""
    generator = np.random.default_rng(seed)
    pictures = generator.integers(200, size=(number, 3, 96, 96), dtype=np.uint8)
    labels = np.arange(number) % 2
    tops, lefts = (np.where(labels, generator.integers(81, size=number), -1) for _ in "tl")
    part = Part(np.arange(number), pictures, Plan(labels, tops[:, None], lefts[:, None]))
    return DeviceImages.of(part, patch_of(), Pixels(offset=128, scale=128), device)


def patch_of(**different):
    """Return the patch of the task in its simplest form."""
    content = {
        "plan": "per_image",
        "task": "detect",
        "ground": "pictures",
        "seed": 10,
        "probability": 0.5,
        "size": 16,
        "positions": 81,
        "value": 1.0,
        "contrast": 1.0,
        "mixture": None,
        "distractor": None,
    }
    return Patch.model_validate_json(json.dumps(content | different))
