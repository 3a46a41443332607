"""torchvision's own class reads what was fetched, and knows the same sums."""

import numpy as np
import pytest
from helpers import standin

from whitepatch.data import layout
from whitepatch.errors import UserError
from whitepatch.sources.stl10.labelled import labelled, refuse_unreadable

KEYS = ("train_X", "train_y", "test_X", "test_y")


@pytest.fixture
def folder(tmp_path):
    """Return a folder of labelled files."""
    content = standin.noise()
    for key in KEYS:
        (tmp_path / f"{key}.bin").write_bytes(content[key])
    return tmp_path


def test_torchvision_reads_what_we_read(folder):
    refuse_unreadable(folder)
    for split in ("train", "test"):
        theirs = labelled(folder, split)
        np.testing.assert_array_equal(layout.read_images(folder, split), theirs.data)
        np.testing.assert_array_equal(layout.read_labels(folder, split), theirs.labels + 1)


@pytest.mark.parametrize("labels", [bytes([11]) * 11, bytes([1]) * 10], ids=["eleven", "too few"])
def test_labels_that_are_none_are_refused(folder, labels):
    (folder / "test_y.bin").write_bytes(labels)
    with pytest.raises(UserError, match=r"test_y\.bin must hold a label from 1 to 10"):
        refuse_unreadable(folder)


def test_the_pinned_sums_are_torchvisions(everything):
    from torchvision.datasets import STL10

    theirs = dict([*STL10.train_list, *STL10.test_list])
    for file, member in everything.sources.stl10.members().items():
        assert member.md5 == theirs[file]
        assert member.name == f"{STL10.base_folder}/{file}"
    assert everything.download.urls == (STL10.url,)
