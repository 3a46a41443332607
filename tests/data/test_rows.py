import numpy as np
import pytest

from whitepatch.data import layout
from whitepatch.data.rows import folds_of, rows_of
from whitepatch.errors import UserError
from whitepatch.params import Folds, Rows, Split

SPLIT = Folds(folds=5, train=40, validation=9, test=12)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Return 11 scenes of 7 images."""
    folder = tmp_path_factory.mktemp("scenes")
    images = np.zeros((77, 3, 96, 96), np.uint8)
    layout.write(folder, "train", images, np.arange(77, dtype=np.uint8) // 7 + 1)
    return folder


def scenes(rows):
    return {int(row) // 7 for row in rows}


def test_folds_have_whole_scenes_and_are_as_even_as_can_be():
    numbers = np.repeat(np.arange(1, 12, dtype=np.uint8), 7)
    folds = folds_of(numbers, 5)
    assert all(len(np.unique(folds[numbers == number])) == 1 for number in np.unique(numbers))
    assert sorted(np.bincount(folds) // 7) == [2, 2, 2, 2, 3]


def test_a_scene_keeps_its_fold_whatever_else_of_it_there_is():
    numbers = np.repeat(np.arange(1, 12, dtype=np.uint8), 7)
    some = np.arange(0, 77, 3)
    assert (folds_of(numbers[some], 5) == folds_of(numbers, 5)[some]).all()


def test_parts_of_a_seed_share_no_scene_and_have_what_was_asked_for(raw):
    for seed in range(7):
        parts = rows_of(SPLIT, seed, raw)
        assert {name: len(part.rows) for name, part in parts.items()} == SPLIT.numbers()
        train, validation, test = (scenes(part.rows) for part in parts.values())
        assert not train & validation | train & test | validation & test
        assert all(len(set(part.rows.tolist())) == len(part.rows) for part in parts.values())


def test_five_seeds_in_turn_test_every_scene_once_and_validate_on_the_next(raw):
    parts = [rows_of(SPLIT, seed, raw) for seed in range(6)]
    tested = [scenes(it["test"].rows) for it in parts]
    assert set.union(*tested) == set(range(11))
    assert sum(map(len, tested[:5])) == 11
    assert tested[5] == tested[0]
    assert all(scenes(parts[i]["validation"].rows) <= tested[i + 1] for i in range(5))


def test_a_seed_draws_its_own_images_in_its_own_order_and_always_the_same(raw):
    one, again, other = (rows_of(SPLIT, seed, raw)["test"].rows for seed in (0, 0, 5))
    assert (one == again).all()
    assert one.tolist() != other.tolist()
    assert one.tolist() != sorted(one.tolist())


def test_more_than_a_fold_has_is_refused_with_the_number(raw):
    asked = SPLIT.model_copy(update={"validation": 22})
    with pytest.raises(
        UserError, match=r"split\.validation must be at most the (14|21) images .*got 22"
    ):
        rows_of(asked, 0, raw)


def test_a_split_by_rows_is_every_seeds(raw):
    rows = Rows(file="train", start=3, stop=9)
    split = Split(train=rows, validation=None, test=Rows(file="train", start=9, stop=11))
    found = rows_of(split, None, raw)
    assert found["train"].rows.tolist() == [3, 4, 5, 6, 7, 8]
    assert list(found) == ["train", "test"]
    with pytest.raises(ValueError, match="drawn by a seed"):
        rows_of(SPLIT, None, raw)
