"""Members leave an archive whole and verified, or not at all."""

import gzip
import tarfile

import numpy as np
import pytest
from helpers import standin
from helpers.standin import entry

from whitepatch.params import Stl10
from whitepatch.sources.stl10.archive import Damaged, extract

CONTENT = standin.noise()
EXPECTED = {f"{key}.bin": CONTENT[key] for key in ("train_X", "train_y", "test_X", "test_y")}
ARCHIVE = standin.archive(CONTENT)


@pytest.fixture
def unpack(tmp_path):
    """Return a function that unpacks an archive, and gives the files that it wrote."""

    def unpack(archive):
        (tmp_path / "out").mkdir()
        members = Stl10.model_validate(standin.members(CONTENT)).members()
        pieces = (archive[place : place + 1009] for place in range(0, len(archive), 1009))
        sizes = []
        extract(pieces, members, tmp_path / "out", sizes.append)
        assert sum(sizes) == sum(map(len, EXPECTED.values()))
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    return unpack


@pytest.mark.parametrize("seed", range(3))
def test_members_may_come_in_any_order(unpack, seed):
    order = [str(key) for key in np.random.default_rng(seed).permutation(standin.ORDER)]
    assert unpack(standin.archive(CONTENT, order)) == EXPECTED


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (standin.archive(CONTENT, standin.ORDER[1:]), "it has no stl10_binary/test_X.bin"),
        (
            standin.archive(CONTENT | {"train_y": bytes(2**20)}),
            "train_y.bin must have 7 bytes, the archive has 1048576",
        ),
        (standin.archive(CONTENT | {"train_y": b"0123456"}), "train_y.bin must have MD5"),
        (ARCHIVE[:100_000], "damaged or cut off .unexpected end of data"),
        (b"x" + ARCHIVE[1:], "not a gzip file"),
        (b"", "not a gzip file"),
        (ARCHIVE[:200_000] + bytes(9) + ARCHIVE[200_009:], "must have MD5|damaged or cut off"),
        (gzip.compress(b"", mtime=0), "empty file"),
        (gzip.compress(bytes(10**6), mtime=0), "it has no"),
    ],
    ids=["missing", "size", "sum", "cut", "no gzip", "nothing", "flipped", "empty", "no tar"],
)
def test_another_archive_is_refused(unpack, broken, words):
    with pytest.raises(Damaged, match=words):
        unpack(broken)


def test_names_of_an_archive_cannot_hurt(unpack, tmp_path):
    link, pax = entry("stl10_binary/link", kind=tarfile.SYMTYPE), entry("stl10_binary/pax", b"x")
    link.linkname, pax.pax_headers = "/etc/passwd", {"path": "/etc/stl10"}
    hostile = [
        *((entry(name, b"x"), b"x") for name in ("/stl10", "../stl10", "train_X.bin")),
        *((link, b""), (pax, b"x"), (entry("stl10_binary/fifo", kind=tarfile.FIFOTYPE), b"")),
        (entry("stl10_binary/train_X.bin", kind=tarfile.DIRTYPE), b""),
    ]
    assert unpack(standin.archive(CONTENT, extra=hostile)) == EXPECTED
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
