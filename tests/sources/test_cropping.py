import json

import numpy as np
import pytest
from PIL import Image

from whitepatch.errors import UserError
from whitepatch.params import Photos
from whitepatch.sources import cropping


def settings(**changes):
    content = {"seed": 3, "sides": [96], "crops": 20, "scenes": {"a": ["a"]}}
    return Photos.model_validate_json(json.dumps(content | changes))


def noise(width=100, height=98, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def places(picture, crop):
    """Return the squares of a picture that a crop is, as it is or mirrored: (left, mirrored)."""
    pixels = np.asarray(picture).transpose(2, 0, 1)
    return [
        (left, mirrored)
        for left in range(picture.width - 95)
        for top in range(picture.height - 95)
        for mirrored in (False, True)
        if (
            pixels[:, top : top + 96, left : left + 96][..., :: -1 if mirrored else 1] == crop
        ).all()
    ]


def test_a_crop_is_a_square_of_the_picture_as_it_is_or_mirrored():
    picture = noise()
    found = [
        places(picture, crop) for crop in cropping.crops(settings(), "a", ["x"], {"x": picture}.get)
    ]
    assert [len(squares) for squares in found] == [1] * 20
    assert {left for ((left, _),) in found} == set(range(5))
    assert {mirrored for ((_, mirrored),) in found} == {False, True}


def test_all_pictures_of_a_scene_are_drawn_from():
    pictures = {name: noise(seed=name) for name in range(3)}
    crops = cropping.crops(settings(), "a", list(pictures), pictures.get)
    drawn = [[name for name, it in pictures.items() if places(it, crop)] for crop in crops]
    assert {name for (name,) in drawn} == {0, 1, 2}


def test_of_a_small_picture_the_sides_that_fit_are_drawn():
    picture = noise()
    fitting = cropping.crops(settings(), "a", ["x"], {"x": picture}.get)
    crops = cropping.crops(settings(sides=[96, 99, 512]), "a", ["x"], {"x": picture}.get)
    assert (crops == fitting).all()


def test_a_larger_square_is_averaged():
    picture = noise(192, 192)
    (crop,) = cropping.crops(settings(sides=[192], crops=1), "a", ["x"], {"x": picture}.get)
    means = np.asarray(picture).reshape(96, 2, 96, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    either = min(abs(crop - means).max(), abs(crop[..., ::-1] - means).max())
    assert either <= 1, "bytes, rounded twice"


def test_a_picture_that_no_side_fits_is_refused():
    with pytest.raises(UserError, match=r"^x is too small: .* at most 98 pixels, got \[99, 512\]"):
        cropping.crops(settings(sides=[99, 512]), "a", ["x"], {"x": noise()}.get)


def test_the_scenes_name_is_part_of_every_crops_seed():
    picture = noise(500, 500)
    one, other = (cropping.crops(settings(), name, ["x"], {"x": picture}.get) for name in "ab")
    assert (one != other).any(axis=(1, 2, 3)).all()
