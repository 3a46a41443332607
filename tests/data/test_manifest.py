import csv
import io

import numpy as np
import pytest

from whitepatch.data import layout, manifest
from whitepatch.errors import UserError
from whitepatch.params import Rows, Split


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.fixture
def experiment(everything):
    """Return the demo with a few rows: validation is the last ones of train."""
    demo = everything.experiment("demo")
    rows = {
        "train": Rows(file="train", start=0, stop=20),
        "validation": Rows(file="train", start=20, stop=31),
        "test": Rows(file="test", start=0, stop=13),
    }
    return demo.model_copy(update={"split": Split(**rows)})


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(5)
    for file, number in (("train", 31), ("test", 13)):
        images = generator.integers(256, size=(number, 3, 96, 96), dtype=np.uint8)
        layout.write(folder, file, images, np.ones(number, np.uint8))
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
    parts = manifest.load(table, raw)
    assert list(parts) == ["train", "validation", "test"]
    rows = [row for row in rows_of(table) if row["split"] == "validation"]
    part = parts["validation"]
    assert part.rows.tolist() == [int(row["row"]) for row in rows]
    assert part.plan.labels.tolist() == [int(row["label"]) for row in rows]
    assert part.plan.tops.tolist() == [int(row["top"] or -1) for row in rows]
    assert (part.images == layout.read_images(raw, "train")[20:31]).all()
    assert list(manifest.load(table, raw, "test")) == ["test"]


def test_a_flipped_bit_is_noticed_and_named(table, raw):
    path = raw / "test_X.bin"
    content = bytearray(path.read_bytes())
    content[7 * 3 * 96 * 96 + 11] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"test_X\.bin: row 7 .*dvc repro -f split@demo"):
        manifest.load(table, raw, "test")
    assert manifest.load(table, raw, "train"), "other files are not accused"


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
        manifest.load(table, raw)
    (raw / "test_X.bin").write_bytes(content)
    assert manifest.load(table, raw)
