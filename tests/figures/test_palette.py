"""Colours that people tell apart, however they see."""

import itertools

import numpy as np
import pytest
from PIL.ImageColor import getrgb

from whitepatch.figures import palette, style

# Machado, Oliveira and Fernandes, 2009, severity 1, of linear RGB
SEEN = {
    "usually": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}

# Ottosson, 2020, https://bottosson.github.io/posts/oklab/
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def seen(colour, how):
    """Return a colour as people who see so see it, in OKLab: distances are differences seen."""
    light = np.array(getrgb(colour)) / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    return OKLAB @ np.cbrt(CONES @ np.clip(SEEN[how] @ light, 0, 1))


@pytest.mark.parametrize(
    ("how", "least"),
    [("usually", 0.09), ("deuteranopia", 0.09), ("protanopia", 0.09), ("tritanopia", 0.055)],
)
def test_no_two_variants_look_alike(how, least):
    places = {name: seen(colour, how) for name, colour in palette.COLOURS.items()}
    for first, second in itertools.combinations(places, 2):
        apart = np.linalg.norm(places[first] - places[second])
        assert apart > least, (first, second, apart)


def test_every_variant_is_seen_on_paper_and_beside_the_outline_of_the_patch():
    for colour in palette.ALL:
        assert np.linalg.norm(seen(colour, "usually") - seen("#ffffff", "usually")) > 0.11, colour
        assert np.linalg.norm(seen(colour, "usually") - seen(style.PATCH, "usually")) > 0.11, colour


def test_every_variant_that_an_experiment_trains_has_a_colour_of_its_own(everything):
    trained = {name for it in everything.experiments.values() for name in it.variants}
    assert trained <= palette.COLOURS.keys()
    assert len(set(palette.ALL)) == len(palette.ALL)


def test_a_variant_without_one_always_gets_the_same():
    assert palette.colour("cbam") == "#e69f00"
    assert {palette.colour(name) for name in ("a", "b", "c", "d")} == set(palette.OTHERS)
    assert palette.colour("mine") == palette.colour("mine")
