from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from whitepatch.errors import UserError
from whitepatch.sources.photos import catalogue


@pytest.mark.parametrize("name", catalogue.PHOTOGRAPHS)
def test_every_photograph_is_here_in_colour_and_the_pinned_one(name):
    picture = catalogue.read(name)
    assert min(picture.size) >= 256
    red, green, blue = picture.split()
    assert red.tobytes() != green.tobytes() != blue.tobytes()


def test_the_catalogue_is_sorted_and_knows_three_origins():
    assert list(catalogue.PHOTOGRAPHS) == sorted(catalogue.PHOTOGRAPHS)
    origins = {photograph.origin for photograph in catalogue.PHOTOGRAPHS.values()}
    assert origins == {"stated", "camera", "unknown"}


@pytest.mark.parametrize(
    "photograph", [it for it in catalogue.PHOTOGRAPHS.values() if it.package == "mvtbdata"]
)
def test_a_camera_is_named_by_the_files_of_which_the_catalogue_says_so(photograph):
    (folder,) = find_spec(photograph.package).submodule_search_locations
    with Image.open(Path(folder, photograph.file)) as picture:
        picture.load()  # some name it behind their pixels
        camera = picture.info.get("exif:Model") or picture.getexif().get(272)
    assert bool(camera) == (photograph.origin == "camera")


def test_a_changed_photograph_is_refused(monkeypatch):
    changed = replace(catalogue.PHOTOGRAPHS["coffee"], sha256="0" * 64)
    monkeypatch.setitem(catalogue.PHOTOGRAPHS, "coffee", changed)
    with pytest.raises(UserError, match=r"coffee.*must have SHA-256 000000000000.*make setup"):
        catalogue.read("coffee")


def test_a_missing_photograph_is_refused(monkeypatch):
    gone = replace(catalogue.PHOTOGRAPHS["coffee"], file="data/tea.png")
    monkeypatch.setitem(catalogue.PHOTOGRAPHS, "coffee", gone)
    with pytest.raises(UserError, match=r"coffee: skimage does not carry data/tea\.png"):
        catalogue.read("coffee")
