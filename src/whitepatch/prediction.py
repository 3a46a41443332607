"""What a trained network says of pictures that people bring."""

__all__ = ["Prediction", "images_of", "predict", "read_picture"]

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from whitepatch import paths
from whitepatch.data.images import DeviceImages
from whitepatch.data.layout import SIDE
from whitepatch.data.manifest import Part
from whitepatch.data.plan import Plan
from whitepatch.errors import UserError
from whitepatch.maps.extract import Maps, maps_of
from whitepatch.models.classifier import Classifier
from whitepatch.params import Experiment, protocol
from whitepatch.training import loop, weights

FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""That Pillow reads by itself; for others it would start programs, Ghostscript for one."""


@dataclass(frozen=True)
class Prediction:
    """What a network says of N pictures.

    Attributes:
        probabilities: [N], of a white patch.
        maps: [N, H, W] by name, as `maps_of` gives them.
        pictures: [N, 3, 96, 96], 0 to 1, as the network saw them.
    """

    probabilities: NDArray[np.float64]
    maps: Maps
    pictures: NDArray[np.float64]


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture as the network takes it, uint8 [3, 96, 96].

    Turned as its EXIF data say, made RGB, and resized to 96x96 as a whole (its aspect ratio is not
    kept), averaging over the pixels that fall together. One of 96x96 stays as it is; of an
    animation the first frame counts.

    Raises:
        UserError: It is missing, no picture that can be read, or one of more than 8 bits a channel.
    """
    if not path.exists():
        raise UserError(f"{path} is not here")
    if not path.is_file():  # a pipe would be waited for
        raise UserError(f"{path} is no file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of data beside the picture
            with Image.open(path, formats=FORMATS) as picture:
                if picture.mode.startswith(("I", "F")):  # Pillow would cut off what is above 255
                    raise ValueError("it has more than 8 bits a channel; save it with 8")
                rgb = ImageOps.exif_transpose(picture).convert("RGB")
    except UnidentifiedImageError:
        raise UserError(f"{path} is no picture that can be read; PNG and JPEG can") from None
    except Exception as error:  # a damaged picture makes its reader raise anything
        raise UserError(f"{path} cannot be read as a picture ({error})") from None
    if rgb.size != (SIDE, SIDE):
        rgb = rgb.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(rgb).transpose(2, 0, 1))


def trained(name: str, variant: str, seed: int, experiment: Experiment) -> Classifier:
    """Return the network of a seed, with its weights at the chosen epoch.

    Raises:
        UserError: There is no such seed, its weights are missing or damaged, or it was trained on
            other patches or pixels.
    """
    measured = paths.metrics(name, variant)
    if measured.exists():
        trained_with = json.loads(measured.read_text(encoding="utf-8"))["protocol"]
        for section in ("patch", "pixels"):
            if trained_with[section] != protocol(experiment)[section]:
                raise UserError(
                    f"experiments.{name}.{section} is not what {variant} was trained with; "
                    f"train it again: dvc repro evaluate@{name}-{variant}"
                )
    if seed not in experiment.train.seeds:
        known = ", ".join(map(str, experiment.train.seeds))
        raise UserError(f"experiment {name} has no seed {seed}; it has {known}")
    return weights.network(name, variant, seed, torch.device("cpu"))


def images_of(pictures: Sequence[NDArray[np.uint8]], experiment: Experiment) -> DeviceImages:
    """Return pictures, uint8 [3, 96, 96] each, normalised as an experiment does, as they are."""
    labels, nowhere = np.zeros(len(pictures), np.int64), np.full((len(pictures), 1), -1)
    part = Part(np.arange(len(pictures)), np.stack(pictures), Plan(labels, nowhere, nowhere))
    return DeviceImages.of(part, experiment.patch, experiment.pixels, torch.device("cpu"))


def predict(network: Classifier, images: DeviceImages) -> Prediction:
    """Return what a network says of pictures."""
    logits = loop.predict(network, images, "fp32")
    pixels = images.pixels
    shown = images.batch(images.first(len(images)))[0] * pixels.scale + pixels.offset
    return Prediction(
        torch.sigmoid(logits.double()).numpy(),
        maps_of(network, images),
        (shown.double() / 255).numpy(),
    )
