"""Some members of a gzipped tar stream, verified while they are written."""

__all__ = ["Damaged", "extract"]

import tarfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, cast

from whitepatch.params import Member

CHUNK = 2**20
"""Bytes of a member at a time; memory stays at a few of these."""


class Damaged(Exception):
    """The archive is not what it should be; the message says in what."""


def extract(
    chunks: Iterator[bytes],
    members: Mapping[str, Member],
    folder: Path,
    wrote: Callable[[int], object],
) -> None:
    """Write the wanted members of an archive, and read no further than the last of them.

    A member is a plain file of exactly the pinned name, size and MD5. It is written under a name
    from `members`; what else the archive holds is passed over, so its names do no harm.

    Args:
        chunks: The archive's bytes, in order, some at a time.
        members: By the name of the file to write, what to extract.
        folder: An existing folder.
        wrote: Told the number of bytes, as they are written.

    Raises:
        Damaged: The archive is cut off or corrupt, or a member is missing or not the pinned one.
    """
    waiting = {member.name: file for file, member in members.items()}
    # of a stream, tarfile only asks for blocks of any size until an empty one
    stream: Any = SimpleNamespace(read=lambda _: next(chunks, b""))
    try:
        with tarfile.open(fileobj=stream, mode="r|gz") as tar:
            for entry in tar:
                if entry.isreg() and entry.name in waiting:
                    file = waiting.pop(entry.name)
                    _write(tar, entry, members[file], folder / file, wrote)
                if not waiting:
                    return
    except tarfile.TarError as error:
        raise Damaged(f"it is damaged or cut off ({error})") from None
    raise Damaged(f"it has no {', '.join(waiting)}; it is another archive, damaged or cut off")


def _write(
    tar: tarfile.TarFile,
    entry: tarfile.TarInfo,
    pinned: Member,
    path: Path,
    wrote: Callable[[int], object],
) -> None:
    """Write a plain file of an archive, if it has the pinned size and MD5."""
    if entry.size != pinned.bytes:
        raise Damaged(f"{entry.name} must have {pinned.bytes} bytes, the archive has {entry.size}")
    total = md5(usedforsecurity=False)
    content = cast(IO[bytes], tar.extractfile(entry))
    with path.open("wb") as file:
        while chunk := content.read(CHUNK):
            file.write(chunk)
            total.update(chunk)
            wrote(len(chunk))
    if total.hexdigest() != pinned.md5:
        raise Damaged(f"{entry.name} must have MD5 {pinned.md5}, got {total.hexdigest()}")
