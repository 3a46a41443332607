from dataclasses import replace
from hashlib import md5

import numpy as np
import pytest
from torchvision.datasets import STL10

from whitepatch.data import layout
from whitepatch.errors import UserError
from whitepatch.sources.photos import catalogue
from whitepatch.sources.photos import crops as photos


@pytest.fixture(scope="module")
def small(everything):
    source = everything.sources.photos
    shrunk = {
        name: getattr(source, name).model_copy(update={"crops": crops})
        for name, crops in {"train": 61, "validation": 13, "test": 31}.items()
    }
    return source.model_copy(update=shrunk)


def of(everything, source):
    sources = everything.sources.model_copy(update={"photos": source})
    return everything.model_copy(update={"sources": sources})


@pytest.fixture(scope="module")
def folder(everything, small, tmp_path_factory):
    target = tmp_path_factory.mktemp("photos")
    photos.write(target, of(everything, small))
    return target


def test_train_validation_and_test_come_from_different_photographs(folder):
    train = layout.read_labels(folder, "train")
    groups = [set(train[:61]), set(train[61:]), set(layout.read_labels(folder, "test"))]
    assert all(groups)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


def test_the_committed_split_keeps_the_groups_apart(everything):
    source = everything.sources.photos
    for name in ("demo", "photos"):
        experiment = everything.experiment(name)
        assert experiment.split.train.stop <= source.train.crops
        assert experiment.split.validation.start >= source.train.crops
        assert experiment.split.test.file == "test"


def test_two_pictures_of_one_scene_share_a_number():
    left, right = (
        catalogue.PHOTOGRAPHS["motorcycle_left"],
        catalogue.PHOTOGRAPHS["motorcycle_right"],
    )
    assert left.number == right.number
    assert len({photograph.number for photograph in catalogue.PHOTOGRAPHS.values()}) == 11


def test_the_same_parameters_give_the_same_bytes(everything, folder, small, tmp_path):
    photos.write(tmp_path, of(everything, small))
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_a_crop_does_not_depend_on_how_many_there_are(small):
    few = small.test.model_copy(update={"crops": 3})
    assert (
        photos.crops(small, "test", few)[0] == photos.crops(small, "test", small.test)[0][:3]
    ).all()


def test_the_crops_are_pictures(folder):
    images = layout.read_images(folder, "train")
    assert images.std(axis=(1, 2, 3)).min() > 1
    assert np.unique(images, axis=0).shape[0] == len(images), "no crop occurs twice"


def test_torchvisions_reader_agrees(folder, tmp_path):
    """The independent reader of STL-10's layout reads the very files that the pipeline reads."""
    (tmp_path / "ours").symlink_to(folder)

    def listed(name):
        return [name, md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()]

    class Ours(STL10):
        base_folder = "ours"
        train_list = [listed("train_X.bin"), listed("train_y.bin")]  # noqa: RUF012
        test_list = [listed("test_X.bin"), listed("test_y.bin")]  # noqa: RUF012

    for split in ("train", "test"):
        read = Ours(str(tmp_path), split=split)
        assert (read.data == layout.read_images(folder, split)).all()
        assert (read.labels + 1 == layout.read_labels(folder, split)).all()


def test_a_split_that_shares_a_scene_is_refused(folder, everything):
    split = everything.experiment("demo").split
    rows = {"train": (0, 62), "validation": (62, 74), "test": (0, 31)}
    parts = {
        name: getattr(split, name).model_copy(update={"start": start, "stop": stop})
        for name, (start, stop) in rows.items()
    }
    with pytest.raises(UserError, match=r"split\.train and split\.validation .*share a photograph"):
        photos.refuse_overlap(folder, split.model_copy(update=parts))
    parts["train"] = parts["train"].model_copy(update={"stop": 61})
    photos.refuse_overlap(folder, split.model_copy(update=parts))


def test_a_square_that_fits_no_photograph_is_refused(small):
    with pytest.raises(UserError, match=r"sides must have one of at most 300 pixels.*chelsea.*512"):
        photos.crops(small.model_copy(update={"sides": (512,)}), "test", small.test)


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


def test_an_unknown_photograph_is_refused(small):
    group = small.test.model_copy(update={"photographs": ("china", "lenna")})
    with pytest.raises(UserError, match="no photograph 'lenna'; there are astronaut"):
        photos.crops(small, "test", group)
