"""STL-10's labelled files, from an archive that lies here or on a server."""

__all__ = ["refuse_overlap", "write"]

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import disk_usage
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock, Timeout
from tqdm import tqdm

from whitepatch import params
from whitepatch.errors import UserError
from whitepatch.params import Params, Split
from whitepatch.sources.stl10.archive import Damaged, extract
from whitepatch.sources.stl10.download import (
    CHUNK,
    Changed,
    Download,
    Patience,
    Refused,
    discard,
    shown,
)
from whitepatch.sources.stl10.labelled import refuse_unreadable

Extract = Callable[[Iterator[bytes]], None]


def write(folder: Path, everything: Params) -> None:
    """Write the labelled files into an existing folder, verified.

    The archive is looked for at `download.archive`, then at each of `download.urls`. Of a remote
    one, no more is read than it takes until the four files are complete.

    Raises:
        UserError: It is nowhere to be had, or not what the parameters pin.
    """
    settings, members = everything.download, everything.sources.stl10.members()
    own, part = Path(settings.archive), Path(settings.archive).with_suffix(".part")
    needed = sum(member.bytes for member in members.values())
    # the files, and about as much for what is kept of a remote archive
    space = needed if own.exists() else 2 * needed - (part.stat().st_size if part.exists() else 0)
    if disk_usage(folder).free < space:
        raise UserError(f"fetching STL-10 needs {space / 1e6:.0f} MB of disk; free some")
    with _progress(needed) as bar:

        def take(chunks: Iterator[bytes]) -> None:
            bar.reset()
            extract(chunks, members, folder, settings.most_bytes, partial(_show, bar))

        try:
            _from_anywhere(own, part, settings, take, partial(bar.write, file=sys.stderr))
            refuse_unreadable(folder)
        except KeyboardInterrupt:
            bar.write(f"Interrupted{_kept(part)}", file=sys.stderr)
            sys.exit(130)
        except OSError as error:
            error.filename = error.filename or f"{folder} or {part}"
            raise
    discard(part)


def refuse_overlap(folder: Path, split: Split) -> None:
    """Accept any split: STL-10's images are pictures of their own, so disjoint rows are enough."""


def _from_anywhere(
    own: Path, part: Path, settings: params.Download, take: Extract, tell: Callable[[str], None]
) -> None:
    """Take the archive from the first place that has it."""
    patience = Patience(settings.patience)
    refusals = []
    for url in [own.absolute().as_uri()] if own.exists() else settings.urls:
        try:
            if url.startswith("file:"):
                _read(url, take)
            else:
                with _alone(part.with_suffix(".lock")):
                    _receive(Download(url, part, settings, patience, tell), part, take)
        except Refused as refused:
            refusals.append(f"{shown(url)}: {refused}")
        else:
            return
    cure = f"remove or replace {own}" if own.exists() else f"or put the archive at {own}"
    raise UserError(
        f"STL-10 cannot be fetched: {'; '.join(refusals)}{_kept(part)}; {cure} "
        "(make demo needs neither network nor STL-10)"
    )


def _receive(download: Download, part: Path, take: Extract) -> None:
    """Take the archive from a server; start over where what came cannot be used."""
    joined_once = False
    while True:
        try:
            take(download.chunks())
        except Changed:
            continue
        except Damaged as damaged:
            discard(part)
            if download.joined and not joined_once:
                # pieces of two files may have met, or the disk has changed one
                joined_once, download.joined = True, False
                continue
            raise Refused(str(damaged)) from None
        return


def _read(url: str, take: Extract) -> None:
    """Take the archive from a file of this machine."""
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise Refused("a file: address names no machine; write file:///folder/archive.tar.gz")
    try:
        take(_pieces(Path(url2pathname(parts.path))))
    except Damaged as damaged:
        raise Refused(str(damaged)) from None


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (OSError, ValueError) as error:
        raise Refused(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _kept(part: Path) -> str:
    size = part.stat().st_size if part.is_file() else 0
    kept = tqdm.format_sizeof(size, "B", 1000)
    return f"; {kept} are kept, the next run goes on from there" if size else ""


def _progress(total: int) -> "tqdm[None]":
    quick = sys.stderr.isatty()
    return tqdm(total=total, unit="B", unit_scale=True, mininterval=0.5 if quick else 30)


def _show(bar: "tqdm[None]", file: str, count: int) -> None:
    bar.set_description(file, refresh=False)
    bar.update(count)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise UserError(f"STL-10 is being fetched already ({lock} is held); wait for it") from None
