import numpy as np
import pytest
from helpers.sources import params_of, sections
from pydantic import ValidationError

from whitepatch.data import layout
from whitepatch.errors import UserError
from whitepatch.sources import photos
from whitepatch.sources.photos.catalogue import PHOTOGRAPHS

FEW = {
    "china": ["china"],
    "eiffel": ["eiffel_1", "eiffel_2"],
    "chelsea": ["chelsea"],
    "road": ["road"],
}


def with_photos(**changes):
    content = sections()
    content["photos"] |= {"crops": 7, "scenes": FEW} | changes
    return params_of(content)


def pool(folder, **changes):
    """Write the pool of these parameters; return its images, by scene."""
    folder.mkdir(exist_ok=True)
    params = with_photos(**changes)
    photos.write(folder, params)
    images = layout.read_images(folder, "train")
    shown = np.array(photos.subjects(layout.read_labels(folder, "train").tolist(), params))
    return {scene: images[shown == scene] for scene in params.sources.photos.scenes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="module")
def crops(folder):
    return pool(folder)


@pytest.mark.usefixtures("crops")
def test_one_pool_holds_the_scenes_one_after_another(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["train_X.bin", "train_y.bin"]
    labels = layout.read_labels(folder, "train")
    assert labels.tolist() == [1] * 7 + [2] * 7 + [3] * 7 + [4] * 7


def test_every_label_is_a_scene_and_has_its_name():
    assert photos.subjects([4, 1, 2], with_photos()) == ["road", "china", "eiffel"]
    committed = params_of(sections())
    names = committed.sources.photos.names()
    assert photos.subjects(range(1, len(names) + 1), committed) == names


@pytest.mark.usefixtures("crops")
def test_the_same_parameters_give_the_same_bytes(folder, tmp_path):
    pool(tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_scene_that_goes_or_moves_changes_no_crop_of_another(crops, tmp_path):
    fewer = pool(tmp_path, scenes={"road": ["road"], "china": ["china"]})
    for scene, images in fewer.items():
        assert (images == crops[scene]).all()


def test_a_crop_does_not_depend_on_how_many_there_are(crops, tmp_path):
    for scene, images in pool(tmp_path, crops=3).items():
        assert (images == crops[scene][:3]).all()


def test_another_seed_gives_other_crops(crops, tmp_path):
    for scene, images in pool(tmp_path, seed=2022).items():
        assert (images != crops[scene]).any(axis=(1, 2, 3)).all()


def test_the_crops_are_pictures(crops):
    images = np.concatenate(list(crops.values()))
    assert images.std(axis=(1, 2, 3)).min() > 1
    assert np.unique(images, axis=0).shape[0] == len(images), "no crop occurs twice"


def test_every_photograph_of_the_catalogue_is_in_a_scene():
    scenes = params_of(sections()).sources.photos.scenes
    assert sorted(name for names in scenes.values() for name in names) == list(PHOTOGRAPHS)


def test_a_scene_is_drawn_if_all_its_photographs_have_an_origin():
    scenes = {"a": ["china"], "b": ["eiffel_1", "road"], "c": ["street"], "d": ["eiffel_2"]}
    drawn = photos.drawable([1, 2, 3, 4, 1], with_photos(scenes=scenes))
    assert drawn == [True, False, False, True, True]


def test_what_the_images_are_says_how_many_scenes():
    origin = photos.describe(with_photos())
    assert "of 4 scenes" in origin.words
    assert origin.stand_in


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenes": FEW | {"a": ["china"]}}, "belongs to one scene only; china to more"),
        ({"scenes": {"a": ["road", "road"]}}, "belongs to one scene only; road to more"),
        ({"scenes": {f"s{i}": [f"p{i}"] for i in range(256)}}, "at most 255, got 256"),
        ({"scenes": {}}, "at least 1"),
        ({"scenes": {"a": []}}, "at least 1"),
        ({"crops": 1001}, "less than or equal to 1000"),
    ],
)
def test_impossible_scenes_are_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        with_photos(**changes)


def test_as_many_scenes_as_there_are_labels_are_taken():
    source = with_photos(scenes={f"s{i}": [f"p{i}"] for i in range(255)}).sources.photos
    assert len(source.names()) == 255


def test_an_unknown_photograph_is_refused(tmp_path):
    with pytest.raises(UserError, match="no photograph 'lenna'; there are aerial_08"):
        pool(tmp_path, scenes={"lenna": ["lenna"]})
