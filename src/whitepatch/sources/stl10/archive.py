"""Some members of a gzipped tar stream, verified while they are written."""

__all__ = ["Damaged", "extract"]

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import IO

from whitepatch.params import Member

CHUNK = 2**20
"""Bytes at a time; memory stays at a few of these, whatever the archive says."""

MOST_MEMBERS = 1000
"""Of an archive; STL-10's has seven."""


class Damaged(Exception):
    """The archive is not what it should be; the message says in what."""


def extract(
    chunks: Iterator[bytes],
    members: Mapping[str, Member],
    folder: Path,
    most_bytes: int,
    wrote: Callable[[str, int], None],
) -> None:
    """Write the wanted members of an archive, and read no further than the last of them.

    A member is known by its exact name. It must be a plain file of the pinned size, occur once,
    and have the pinned MD5; no other name may leave the archive's own folder.

    Args:
        chunks: The archive's bytes, in order.
        members: By the name of the file to write, what to extract.
        folder: An existing folder.
        most_bytes: That the archive may hold when unpacked.
        wrote: Told the file and the number of bytes, as they are written.

    Raises:
        Damaged: The archive is cut off, corrupt, or breaks one of these rules.
    """
    waiting = {member.name: file for file, member in members.items()}
    try:
        with gzip.GzipFile(fileobj=io.BufferedReader(_Chunks(chunks), 2**16)) as unpacked:
            source = _Bounded(unpacked, most_bytes)
            # tarfile only asks for read, although its stub wants more
            with tarfile.open(fileobj=source, mode="r|") as tar:  # type: ignore[call-overload]
                for member in _members(tar, source, most_bytes):
                    if member.isdir() and member.name in waiting:
                        raise Damaged(f"{member.name} is a folder, no plain file")
                    file = waiting.pop(member.name, None)
                    content = tar.extractfile(member)
                    if content and file:
                        _write(content, members[file], member, folder / file, wrote)
                    elif content:  # read past it here, where the bound is known
                        while content.read(CHUNK):
                            pass
                    if not waiting:
                        return
                    if member.name in {wanted.name for wanted in members.values()} and not file:
                        raise Damaged(f"it has {member.name} twice")
    except EOFError:
        raise Damaged("it ends too early: the archive is cut off") from None
    except tarfile.ReadError as error:
        raise Damaged(f"its content is no tar archive, or cut off ({error})") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Damaged(f"its gzip is corrupt ({error})") from None
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise Damaged(f"its headers make no sense ({type(error).__name__})") from None
    raise Damaged(f"it has no {', '.join(waiting)}")


def _members(
    tar: tarfile.TarFile, source: "_Bounded", most_bytes: int
) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive, as far as each may be touched at all."""
    for _ in range(MOST_MEMBERS):
        source.allow(0)
        member = tar.next()
        if member is None:
            return
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise Damaged(f"{member.name!r} would leave the folder")
        if not member.isdir() and member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise Damaged(f"{member.name!r} is a link or a device, no plain file")
        # of a sparse member, tarfile would make up zeros without end
        if member.issparse() or not 0 <= member.size <= most_bytes:
            raise Damaged(f"{member.name!r} claims {member.size} bytes: a decompression bomb")
        source.allow(member.size)
        yield member
    raise Damaged(f"it has more than {MOST_MEMBERS} members")


def _write(
    content: IO[bytes],
    wanted: Member,
    found: tarfile.TarInfo,
    path: Path,
    wrote: Callable[[str, int], None],
) -> None:
    if found.size != wanted.bytes:
        raise Damaged(f"{wanted.name} must have {wanted.bytes} bytes, the archive has {found.size}")
    total = md5(usedforsecurity=False)
    with path.open("wb") as file:
        while chunk := content.read(CHUNK):
            file.write(chunk)
            total.update(chunk)
            wrote(path.name, len(chunk))
    if total.hexdigest() != wanted.md5:
        raise Damaged(f"{wanted.name} must have MD5 {wanted.md5}, got {total.hexdigest()}")


class _Chunks(io.RawIOBase):
    """An iterator of bytes, as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _Bounded:
    """Unpacked bytes, as many as are allowed: tarfile would take a header of any size."""

    SLACK = 2**17

    def __init__(self, file: gzip.GzipFile, most_bytes: int) -> None:
        self._file = file
        self._total = 0
        self._most = most_bytes
        self.allow(0)

    def allow(self, size: int) -> None:
        """Allow `size` bytes from here, and some for what stands between members."""
        self._allowed = size + self.SLACK

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        content = self._file.read(size)
        self._total += len(content)
        self._allowed -= len(content)
        if self._total > self._most:
            raise Damaged(f"it unpacks to more than {self._most} bytes: a decompression bomb")
        if self._allowed < 0:
            raise Damaged("one of its headers is far too large: a decompression bomb")
        return content
