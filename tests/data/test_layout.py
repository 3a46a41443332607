from hashlib import md5

import numpy as np
import pytest
from torchvision.datasets import STL10

from whitepatch.data import layout
from whitepatch.errors import UserError


@pytest.fixture
def images():
    return np.random.default_rng(3).integers(256, size=(7, 3, 96, 96), dtype=np.uint8)


def test_what_is_written_is_read(tmp_path, images):
    labels = np.arange(1, 8, dtype=np.uint8)
    layout.write(tmp_path, "train", images, labels)
    assert (layout.read_images(tmp_path, "train") == images).all()
    assert (layout.read_labels(tmp_path, "train") == labels).all()


def test_a_plane_is_stored_column_by_column(tmp_path, images):
    layout.write(tmp_path, "test", images, np.ones(7, np.uint8))
    stored = (tmp_path / "test_X.bin").read_bytes()
    assert stored[0] == images[0, 0, 0, 0]
    assert stored[1] == images[0, 0, 1, 0], "the second byte is the pixel below"
    assert stored[96] == images[0, 0, 0, 1], "a column later, the pixel to the right"
    assert stored[96 * 96] == images[0, 1, 0, 0], "a plane later, the next channel"


def test_torchvisions_reader_agrees(tmp_path, images):
    folder = tmp_path / "ours"
    folder.mkdir()
    labels = np.array([1, 2, 3, 4, 5, 9, 10], np.uint8)
    layout.write(folder, "train", images, labels)

    def listed(name):
        return [name, md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()]

    class Ours(STL10):
        base_folder = "ours"
        train_list = [listed("train_X.bin"), listed("train_y.bin")]  # noqa: RUF012
        test_list = []  # noqa: RUF012

    read = Ours(str(tmp_path), split="train")
    assert (read.data == images).all()
    assert (read.labels == labels - 1).all()


def test_a_file_that_is_missing_empty_or_cut_is_named_with_the_cure(tmp_path):
    raw = tmp_path / "photos"
    raw.mkdir()
    for content, words in [(None, "is missing"), (b"", "is empty"), (b"12345", "got 5 bytes")]:
        if content is not None:
            (raw / "test_X.bin").write_bytes(content)
        with pytest.raises(UserError, match=rf"test_X\.bin.*{words}.*fetch@photos"):
            layout.read_images(raw, "test")
