"""STL-10's labelled files, from an archive that lies here or on a server."""

__all__ = ["write"]

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from tqdm import tqdm

from whitepatch.errors import UserError
from whitepatch.params import Params
from whitepatch.sources.stl10.archive import Damaged, extract
from whitepatch.sources.stl10.download import CHUNK, Changed, Download, Refused
from whitepatch.sources.stl10.labelled import refuse_unreadable

Take = Callable[[Iterator[bytes]], None]
"""Makes the labelled files of an archive's bytes."""


def write(folder: Path, params: Params) -> None:
    """Write the labelled files into an existing folder, verified.

    The archive is looked for at `download.archive`, then at each of `download.urls`. Of a remote
    one, no more is read than it takes until the four files are complete.

    Raises:
        UserError: It is nowhere to be had, or not what the parameters pin.
    """
    settings, members = params.download, params.sources.stl10.members()
    own = Path(settings.archive)
    total = sum(member.bytes for member in members.values())
    every = 0.5 if sys.stderr.isatty() else 30  # seconds; in a log, each state is a line
    with tqdm(total=total, unit="B", unit_scale=True, mininterval=every, desc="STL-10") as bar:

        def take(chunks: Iterator[bytes]) -> None:
            bar.reset()
            extract(chunks, members, folder, bar.update)
            refuse_unreadable(folder)

        if own.exists():
            _unpack(own, take)
        else:
            tell, part = partial(bar.write, file=sys.stderr), own.with_suffix(".part")
            _download([Download(url, part, settings, tell) for url in settings.urls], take, own)


def _unpack(own: Path, take: Take) -> None:
    """Take the user's own archive, and leave it as it is."""
    with own.open("rb") as file:
        try:
            take(iter(partial(file.read, CHUNK), b""))
        except Damaged as damaged:
            raise UserError(f"{own}: {damaged}; replace it, or remove it to download") from None


def _download(mirrors: list[Download], take: Take, own: Path) -> None:
    """Take the archive from the first server that has it."""
    problems = []
    for mirror in mirrors:
        try:
            _receive(mirror, take)
        except (Refused, Damaged) as problem:
            problems.append(f"{mirror.url}: {problem}")
        else:
            return
    raise UserError(
        f"STL-10 cannot be fetched: {'; '.join(problems)}; run this again to go on from what came, "
        f"or put the archive at {own} (make demo needs neither network nor STL-10)"
    )


def _receive(download: Download, take: Take) -> None:
    """Take the archive from a server; start over where its file changes."""
    for _ in range(download.settings.tries):
        try:
            with closing(download.chunks()) as chunks:
                take(chunks)
        except Changed:
            continue
        except Damaged:
            download.part.unlink()  # or the next run would stumble over it
            raise
        download.part.unlink()
        return
    raise Refused("its file changes, or it cannot resume; each connection broke")
