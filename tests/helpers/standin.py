"""An archive in STL-10's exact layout, made of photographs or noise, and small."""

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Any

import numpy as np

FOLDER = "stl10_binary"
ORDER = ("test_X", "test_y", "train_X", "train_y", "unlabeled_X")
OTHERS = {"class_names.txt": b"airplane\nbird\n", "fold_indices.txt": b"0 1 2\n"}


def noise(num_train: int = 7, num_test: int = 11) -> dict[str, bytes]:
    """Return the members' content by name: random pixels, labels 1 to 10."""
    generator = np.random.default_rng(7)
    content = {}
    for file, number in (("test", num_test), ("train", num_train)):
        content[f"{file}_X"] = generator.bytes(number * 3 * 96 * 96)
        content[f"{file}_y"] = bytes(generator.integers(1, 11, number, dtype=np.uint8))
    content["unlabeled_X"] = generator.bytes(9 * 3 * 96 * 96)
    return content


def members(content: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return what params.yaml pins of the labelled members."""
    return {
        key: {
            "name": f"{FOLDER}/{key}.bin",
            "bytes": len(content[key]),
            "md5": md5(content[key], usedforsecurity=False).hexdigest(),
        }
        for key in ("train_X", "train_y", "test_X", "test_y")
    }


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Return the header of a member."""
    info = tarfile.TarInfo(name)
    info.size, info.type = len(content), kind
    return info


def archive(
    content: Mapping[str, bytes],
    order: Sequence[str] = ORDER,
    extra: Sequence[tuple[tarfile.TarInfo, bytes]] = (),
) -> bytes:
    """Return the gzipped archive; `extra` members come first, after the folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(entry(f"{FOLDER}/", kind=tarfile.DIRTYPE))
        for info, data in extra:
            tar.addfile(info, io.BytesIO(data))
        for key in order:
            data = content[key]
            tar.addfile(entry(f"{FOLDER}/{key}.bin", data), io.BytesIO(data))
        for name, data in OTHERS.items():
            tar.addfile(entry(f"{FOLDER}/{name}", data), io.BytesIO(data))
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)
