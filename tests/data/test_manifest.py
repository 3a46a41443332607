import csv
import io
from dataclasses import fields

import numpy as np
import pytest
from helpers.pictures import patch_of

from whitepatch.data import layout, manifest
from whitepatch.data.plan import Plan, plan
from whitepatch.errors import UserError
from whitepatch.params import Folds, Rows, Split


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.fixture
def experiment(everything):
    """Return the article with a few rows: validation is the last ones of train."""
    article = everything.experiment("corrected")
    rows = {
        "train": Rows(file="train", start=0, stop=20),
        "validation": Rows(file="train", start=20, stop=31),
        "test": Rows(file="test", start=0, stop=13),
    }
    return article.model_copy(update={"split": Split(**rows)})


@pytest.fixture
def drawn(everything):
    """Return the demo with a few images, which each of its seeds draws."""
    split = Folds(folds=3, train=9, validation=4, test=8)
    return everything.experiment("demo").model_copy(update={"split": split})


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(5)
    for file, number in (("train", 31), ("test", 13)):
        images = generator.integers(256, size=(number, 3, 96, 96), dtype=np.uint8)
        layout.write(folder, file, images, np.arange(number, dtype=np.uint8) % 3 + 1)
    return folder


@pytest.fixture
def table(experiment, raw, tmp_path):
    path = tmp_path / "demo.csv"
    path.write_text(manifest.table(experiment, raw))
    return path


def test_one_row_an_image_and_the_splits_share_none(table):
    rows = rows_of(table)
    assert tuple(rows[0]) == manifest.COLUMNS
    assert [(row["split"], row["file"], int(row["row"])) for row in rows] == [
        *(("train", "train", row) for row in range(20)),
        *(("validation", "train", row) for row in range(20, 31)),
        *(("test", "test", row) for row in range(13)),
    ]


def test_a_place_is_given_exactly_where_the_label_is_one(table):
    for row in rows_of(table):
        assert (row["label"] == "1") == (row["top"] != "") == (row["left"] != "")


def test_what_is_loaded_is_what_the_table_says(table, raw):
    parts = manifest.load(table, raw, 0)
    assert list(parts) == ["train", "validation", "test"]
    rows = [row for row in rows_of(table) if row["split"] == "validation"]
    part = parts["validation"]
    assert part.rows.tolist() == [int(row["row"]) for row in rows]
    assert part.plan.labels.tolist() == [int(row["label"]) for row in rows]
    assert part.plan.tops.tolist() == [[int(row["top"] or -1)] for row in rows]
    assert (part.images == layout.read_images(raw, "train")[20:31]).all()
    assert list(manifest.load(table, raw, 0, "test")) == ["test"]


def test_a_flipped_bit_is_noticed_and_named(table, raw):
    path = raw / "test_X.bin"
    content = bytearray(path.read_bytes())
    content[7 * 3 * 96 * 96 + 11] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"test_X\.bin: row 7 .*dvc repro -f split@demo"):
        manifest.load(table, raw, 0, "test")
    assert manifest.load(table, raw, 0, "train"), "other files are not accused"


def test_a_source_with_too_few_images_is_refused(experiment, raw):
    images = layout.read_images(raw, "test")[:12].copy()
    layout.write(raw, "test", images, np.ones(12, np.uint8))
    with pytest.raises(UserError, match=r"split\.test\.stop.*12 images.*got 13"):
        manifest.table(experiment, raw)


def test_the_plan_does_not_depend_on_the_pictures(experiment, raw, table):
    images = 255 - layout.read_images(raw, "train")
    layout.write(raw, "train", images, np.ones(31, np.uint8))
    again = csv.DictReader(io.StringIO(manifest.table(experiment, raw)))
    for before, after in zip(rows_of(table), again, strict=True):
        assert (before.pop("image") == after.pop("image")) == (before["file"] == "test")
        assert before == after


def test_a_file_that_has_lost_its_last_rows_is_named_with_the_cure(table, raw):
    content = (raw / "test_X.bin").read_bytes()
    (raw / "test_X.bin").write_bytes(content[: -3 * 3 * 96 * 96])
    words = r"test_X\.bin has 10 images, but .*demo\.csv names row 12; .*repro -f split@demo$"
    with pytest.raises(UserError, match=words):
        manifest.load(table, raw, 0)
    (raw / "test_X.bin").write_bytes(content)
    assert manifest.load(table, raw, 0)


def test_each_seed_has_its_own_images_and_patches_and_none_of_the_others(drawn, raw, tmp_path):
    path = tmp_path / "demo.csv"
    path.write_text(manifest.table(drawn, raw))
    assert [row["seed"] for row in rows_of(path)] == ["0"] * 21 + ["1"] * 21
    first, second = (manifest.load(path, raw, seed) for seed in (0, 1))
    assert {name: len(part.rows) for name, part in first.items()} == drawn.split.numbers()
    assert first["test"].rows.tolist() != second["test"].rows.tolist()
    with pytest.raises(UserError, match=r"no images of seed 2; make it with: dvc repro split@demo"):
        manifest.load(path, raw, 2)


def test_a_crop_that_two_seeds_have_has_a_patch_of_each_ones_own(drawn, raw, tmp_path):
    path = tmp_path / "demo.csv"
    path.write_text(manifest.table(drawn, raw))
    fates = [
        {row["row"]: (row["label"], row["top"]) for row in rows_of(path) if row["seed"] == seed}
        for seed in "01"
    ]
    both = fates[0].keys() & fates[1].keys()
    assert len(both) > 5
    assert any(fates[0][row] != fates[1][row] for row in both)


def test_the_identity_of_a_seeds_images_is_moved_by_its_own_rows_alone(drawn, raw, tmp_path):
    path = tmp_path / "demo.csv"
    text = manifest.table(drawn, raw)
    path.write_text(text)
    before = [manifest.identity(path, seed) for seed in (0, 1)]
    assert before[0] != before[1]
    lines = text.splitlines(keepends=True)
    path.write_text("".join([*lines[:30], lines[30].replace("train", "test", 1), *lines[31:]]))
    after = [manifest.identity(path, seed) for seed in (0, 1)]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    train = drawn.train.model_copy(update={"seeds": (5, 1)})
    path.write_text(manifest.table(drawn.model_copy(update={"train": train}), raw))
    assert manifest.identity(path, 1) == before[1], "other seeds beside it move nothing"


@pytest.mark.parametrize(
    "patch",
    [
        {"task": "compare", "size": 12, "positions": 85},
        {"task": "arrange", "size": 12, "positions": 85},
        {"distractor": 0.0},
        {"mixture": {"sizes": [4, 8], "contrasts": [0.25, 1]}},
    ],
)
def test_every_task_is_read_back_as_it_was_drawn(patch, drawn, raw, tmp_path):
    experiment = drawn.model_copy(update={"patch": patch_of(**patch)})
    path = tmp_path / "demo.csv"
    path.write_text(manifest.table(experiment, raw))
    part = manifest.load(path, raw, 1)["train"]
    fate = plan([("train", row, 1) for row in part.rows.tolist()], experiment.patch, 10)
    for field in fields(Plan):
        read, made = getattr(part.plan, field.name), getattr(fate, field.name)
        assert (read is None) == (made is None)
        assert made is None or (read == made).all()


def test_the_test_pictures_of_compare_come_in_fours(drawn, raw, tmp_path):
    patch = patch_of(task="compare", size=12, positions=85)
    path = tmp_path / "demo.csv"
    path.write_text(manifest.table(drawn.model_copy(update={"patch": patch}), raw))
    parts = manifest.load(path, raw, 0)
    rows = parts["test"].rows
    assert len(rows) == 8
    assert (rows == rows[[0, 0, 0, 0, 4, 4, 4, 4]]).all()
    assert rows[0] != rows[4]
    assert parts["test"].plan.labels.tolist() == [1, 1, 0, 0] * 2
    assert len(set(parts["train"].rows.tolist())) == 9


def test_on_noise_the_task_is_the_same_and_only_the_pictures_are_others(drawn, raw, tmp_path):
    path, tables = tmp_path / "demo.csv", []
    for ground in ("pictures", "noise"):
        experiment = drawn.model_copy(update={"patch": patch_of(ground=ground)})
        path.write_text(manifest.table(experiment, raw))
        tables.append(rows_of(path))
    for on_pictures, on_noise in zip(*tables, strict=True):
        assert on_pictures.pop("image") != on_noise.pop("image")
        assert (on_pictures.pop("file"), on_noise.pop("file")) == ("train", "noise")
        assert on_pictures == on_noise
    images = manifest.load(path, raw, 0)["train"].images
    assert images.shape == (9, 3, 96, 96)
    assert images.mean() == pytest.approx(127.5, abs=1)
    assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] == pytest.approx(0, abs=0.02)
