"""The bytes of a remote archive, whatever happens on the way.

What was received is kept on disk, beside a note of whose it is. A broken connection is resumed
behind the last byte, in the same process or in the next.
"""

__all__ = ["Changed", "Download", "Refused"]

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
from requests import Response
from requests.exceptions import (
    InvalidSchema,
    InvalidURL,
    RequestException,
    SSLError,
    TooManyRedirects,
)
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from whitepatch import params
from whitepatch.files import write_json

CHUNK = 2**16
"""Bytes at a time."""

LONGEST_PAUSE = 30.0
"""Seconds between two connections."""

GZIP = b"\x1f\x8b"
"""How every gzip file begins."""


class Refused(Exception):
    """This server does not hand out the archive; asking it again would not help."""


class Changed(Exception):
    """The bytes on disk are not the beginning of what the server has now; they were discarded."""


class _Broken(Exception):
    """The connection failed; another may not."""

    def __init__(self, why: str, *, reached: bool = True) -> None:
        super().__init__(why)
        self.reached = reached


@dataclass(frozen=True)
class _Identity:
    """What a server says of its file, as far as it says it."""

    url: str
    length: int | None
    etag: str | None
    last_modified: str | None

    @classmethod
    def of(cls, url: str, response: Response, length: int | None) -> "_Identity":
        headers = response.headers
        return cls(url, length, headers.get("ETag"), headers.get("Last-Modified"))

    def contradicts(self, other: "_Identity") -> bool:
        """Say whether two answers cannot be about the same bytes; mirrors share only a length."""
        names = ["length"] + ["etag", "last_modified"] * (self.url == other.url)
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


class Download:
    """A remote archive whose received beginning is kept on disk.

    Attributes:
        url: Where it is.
        offset: Bytes that `chunks` has handed on.
        received: Bytes that came over the network in this process.
        joined: Whether bytes of more than one connection were put together.
    """

    def __init__(
        self,
        url: str,
        part: Path,
        settings: params.Download,
        *,
        deadline: float,
        tell: Callable[[str], None],
    ) -> None:
        """Name an archive; nothing is asked for yet.

        Args:
            url: Where it is.
            part: File that keeps what was received.
            settings: Time limits, and how often to try.
            deadline: On the monotonic clock; a server that was not reached by then is given up.
            tell: Given a line before each pause.
        """
        self.url = url
        self.offset = 0
        self.received = 0
        self.joined = False
        self._part = part
        self._note = part.with_suffix(".json")
        self._settings = settings
        self._deadline = deadline
        self._tell = tell
        self._fruitless = 0
        self._furthest = 0
        self._reached = False
        self._session = requests.Session()

    def chunks(self) -> Iterator[bytes]:
        """Yield the archive from its first byte: what is on disk, then what the server sends.

        Raises:
            Refused: The server does not have it, or too many connections in a row were fruitless.
            Changed: The kept bytes are of no use any more; call `chunks` again.
        """
        self.offset = 0
        yield from self._kept()
        while True:
            try:
                yield from self._connection()
            except _Broken as broken:
                self._pause(broken)
            else:
                return

    def discard(self) -> None:
        """Forget what is on disk."""
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _kept(self) -> Iterator[bytes]:
        if self._identity() is None:
            self.discard()
            return
        self.joined = True
        with self._part.open("rb") as file:
            while chunk := file.read(CHUNK):
                self.offset += len(chunk)
                yield chunk
        self._furthest = max(self._furthest, self.offset)

    def _identity(self) -> _Identity | None:
        """Return whose bytes are on disk, or None if nobody can say."""
        try:
            found = _Identity(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if self._part.exists() else None

    def _connection(self) -> Iterator[bytes]:
        """Yield what one connection brings from `offset` on."""
        try:
            with self._session.get(
                self.url,
                headers=self._asking(),
                stream=True,
                timeout=(self._settings.connect_timeout, self._settings.stall_timeout),
            ) as response:
                yield from self._answer(response)
        except (SSLError, InvalidURL, InvalidSchema, TooManyRedirects) as error:
            raise Refused(str(_root(error))) from None
        except (RequestException, HTTPError, ConnectionError, TimeoutError) as error:
            raise self._broken(_root(error)) from None

    def _broken(self, error: BaseException) -> _Broken:
        # their texts begin with objects and addresses; the reason comes last
        reason = str(error).rpartition(": ")[2]
        if isinstance(error, ReadTimeoutError | TimeoutError):
            return _Broken(f"no byte for {self._settings.stall_timeout:g} s")
        # a failed look-up of the name is a NewConnectionError too
        if isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError):
            return _Broken(f"no connection ({reason})", reached=False)
        return _Broken(f"the connection broke ({reason})")

    def _asking(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if self.offset:
            headers["Range"] = f"bytes={self.offset}-"
            known = self._identity()
            if known and known.url == self.url:
                # a weak ETag may not stand here
                strong = known.etag if known.etag and not known.etag.startswith("W/") else None
                if validator := strong or known.last_modified:
                    headers["If-Range"] = validator
        return headers

    def _answer(self, response: Response) -> Iterator[bytes]:
        status = response.status_code
        if status == 416 and self.offset:
            total = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
            if total and int(total[1]) == self.offset:
                return  # all of it is here
            self._start_over()
        if status in (408, 425, 429) or status >= 500:
            raise _Broken(f"it answers {status} {response.reason}")
        if status not in (200, 206):
            raise Refused(f"it answers {status} {response.reason}")
        first = self._first(response)
        if status == 206:
            self._refuse_another_range(response)
        else:
            _refuse_what_is_no_gzip(response, first)
            if self.offset:  # it does not resume, or has another file now
                self._start_over()
            length = response.headers.get("Content-Length", "")
            identity = _Identity.of(self.url, response, int(length) if length.isdigit() else None)
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._part.write_bytes(b"")
            write_json(self._note, asdict(identity))
        with self._part.open("ab", buffering=0) as file:
            while first:
                file.write(first)
                self.offset += len(first)
                self.received += len(first)
                yield first
                first = response.raw.read1(CHUNK, decode_content=False)
        known = self._identity()
        if known and known.length and self.offset < known.length:
            raise _Broken("the connection ended too early")

    @staticmethod
    def _first(response: Response) -> bytes:
        """Return the first bytes of an answer, enough of them to know gzip."""
        first = b""
        while len(first) < len(GZIP):
            more = response.raw.read1(CHUNK, decode_content=False)
            if not more:
                break
            first += more
        return first

    def _refuse_another_range(self, response: Response) -> None:
        given = response.headers.get("Content-Range", "")
        range_ = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", given)
        known = self._identity()
        total = int(range_[2]) if range_ and range_[2] != "*" else None
        if (
            range_ is None
            or known is None
            or int(range_[1]) != self.offset
            or known.contradicts(_Identity.of(self.url, response, total))
        ):
            self._start_over()
        self.joined = True

    def _start_over(self) -> None:
        self._count()
        self.discard()
        raise Changed

    def _count(self) -> None:
        """Count a connection; one that got further than any before was not fruitless."""
        self._fruitless = 0 if self.offset > self._furthest else self._fruitless + 1
        self._furthest = max(self._furthest, self.offset)
        if self._fruitless >= self._settings.tries:
            raise Refused(f"{self._fruitless} connections in a row brought nothing new")

    def _pause(self, broken: _Broken) -> None:
        """Wait for a better time, or give up."""
        self._reached = self._reached or broken.reached
        try:
            self._count()
        except Refused as refused:
            raise Refused(f"{broken}; {refused}") from None
        pause = min(self._settings.pause * 2**self._fruitless, LONGEST_PAUSE)
        if not self._reached and time.monotonic() + pause > self._deadline:
            raise Refused(str(broken))
        self._tell(f"{self.url}: {broken}; again from byte {self.offset} in {pause:g} s")
        time.sleep(pause)


def _refuse_what_is_no_gzip(response: Response, first: bytes) -> None:
    if first.startswith(GZIP):
        return
    kind = response.headers.get("Content-Type", "of no stated type")
    if "html" in kind or first.lstrip()[:1] == b"<":
        raise Refused(f"it answers with a web page ({kind}), no archive; a proxy's login page?")
    raise Refused(f"what it sends is no gzip file ({kind}, begins with {first[:8]!r})")


def _root(error: BaseException) -> BaseException:
    """Return the innermost of the exceptions that wrap each other."""
    while True:
        inside = [getattr(error, "reason", None), *error.args]
        inner = next((x for x in inside if isinstance(x, BaseException)), None)
        if inner is None:
            return error
        error = inner
