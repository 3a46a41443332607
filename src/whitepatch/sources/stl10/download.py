"""The bytes of a remote archive, whatever happens on the way.

What was received is kept on disk, beside a note of whose it is. A broken connection is resumed
behind the last byte, in the same process or in the next.
"""

__all__ = ["CHUNK", "Changed", "Download", "Patience", "Refused", "discard", "shown"]

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

import requests
from requests import Response
from requests.exceptions import InvalidSchema, InvalidURL, RequestException, SSLError
from requests.utils import get_environ_proxies, select_proxy
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

MOST_REDIRECTS = 10

CONNECTION = RequestException, HTTPError, ConnectionError, TimeoutError
"""What a connection that fails raises; another may not."""

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

    @classmethod
    def read(cls, note: Path) -> "_Identity | None":
        """Return what a note says, or None if it says nothing that can be trusted."""
        try:
            found = cls(**json.loads(note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        texts = [found.url, found.etag or "", found.last_modified or ""]
        sound = all(isinstance(text, str) and re.fullmatch("[ -~]*", text) for text in texts)
        return found if sound and isinstance(found.length, int | None) else None

    def contradicts(self, other: "_Identity") -> bool:
        """Say whether two answers cannot be about the same bytes; mirrors share only a length."""
        names = ["length"] + ["etag", "last_modified"] * (self.url == other.url)
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


@dataclass
class Patience:
    """How long to wait for a network that has not shown itself yet; shared by all mirrors.

    Attributes:
        seconds: From the first connection on.
        reached: Whether any server has ever answered.
    """

    seconds: float
    reached: bool = False
    _until: float | None = None

    def left(self) -> float:
        """Return the seconds that are left; the clock starts with the first call."""
        if self._until is None:
            self._until = time.monotonic() + self.seconds
        return self._until - time.monotonic()

    def renew(self) -> None:
        """Start anew for another server, if there is a network at all."""
        if self.reached:
            self._until = None


class _Session(requests.Session):
    """Requests without redirects of its own: it would read their whole bodies into memory."""

    def get_redirect_target(self, resp: Response) -> None:
        """Say that there is none."""


class Download:
    """A remote archive whose received beginning is kept on disk.

    Attributes:
        url: Where it is.
        offset: Bytes that `chunks` has handed on.
        joined: Whether bytes of more than one connection were put together.
    """

    def __init__(
        self,
        url: str,
        part: Path,
        settings: params.Download,
        patience: Patience,
        tell: Callable[[str], None],
    ) -> None:
        """Name an archive; nothing is asked for yet.

        Args:
            url: Where it is.
            part: File that keeps what was received.
            settings: Time limits, and how often to try.
            patience: When to give up a server that was never reached.
            tell: Given a line before each pause.
        """
        self.url = url
        self.offset = 0
        self.joined = False
        self._part = part
        self._note = _note(part)
        self._settings = settings
        self._patience = patience
        self._tell = tell
        self._reached = False
        self._fruitless = 0
        self._furthest = 0
        self._ended_at = -1
        patience.renew()

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

    def _kept(self) -> Iterator[bytes]:
        if self._identity() is None:
            discard(self._part)
            return
        self.joined = True
        with self._part.open("rb") as file:
            while chunk := file.read(CHUNK):
                self.offset += len(chunk)
                yield chunk
        self._furthest = max(self._furthest, self.offset)

    def _identity(self) -> _Identity | None:
        """Return whose bytes are on disk, or None if nobody can say."""
        return _Identity.read(self._note) if self._part.is_file() else None

    def _connection(self) -> Iterator[bytes]:
        """Yield what one connection brings from `offset` on."""
        try:
            with self._ask() as response:
                self._reached = self._patience.reached = True
                yield from self._answer(response)
        except CONNECTION as error:
            raise self._broken(error) from None

    def _ask(self) -> Response:
        """Send a request, follow redirects, and return the answer before its body is read."""
        url = self.url
        for _ in range(MOST_REDIRECTS):
            response = self._get(url)
            target = requests.Session().get_redirect_target(response)
            if target is None:
                return response
            response.close()  # unread: its body may be of any size
            url = urljoin(url, target)
        raise Refused(f"it redirects more than {MOST_REDIRECTS} times")

    def _get(self, url: str) -> Response:
        """Return an answer whose body has not been read; looking up a name has no other limit."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refused("it redirects to what is no http address")
        timeouts = self._settings.connect_timeout, self._settings.stall_timeout
        answers: queue.SimpleQueue[Response | BaseException] = queue.SimpleQueue()

        def get() -> None:
            try:
                asking = self._asking()
                answers.put(_Session().get(url, headers=asking, stream=True, timeout=timeouts))
            except BaseException as error:
                answers.put(error)

        threading.Thread(target=get, daemon=True).start()
        most = sum(timeouts) + self._settings.patience
        if not self._reached:
            most = max(self._patience.left(), self._settings.connect_timeout)
        try:
            answer = answers.get(timeout=most)
        except queue.Empty:
            raise _Broken(f"no connection within {most:.0f} s", reached=False) from None
        if isinstance(answer, SSLError | InvalidURL | InvalidSchema):
            raise Refused(_words(_root(answer)))
        if isinstance(answer, ValueError) and not isinstance(answer, RequestException):
            raise Refused(f"its answer cannot be understood ({_words(answer)})")
        if isinstance(answer, OSError) and not isinstance(answer, CONNECTION):
            raise Refused(_words(str(answer)))  # certificates that are not here, for one
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _broken(self, outermost: BaseException) -> _Broken:
        error, by = _root(outermost), ""
        if isinstance(outermost, requests.exceptions.ProxyError):
            proxy = select_proxy(self.url, get_environ_proxies(self.url))
            by = f" by way of the proxy {shown(str(proxy))}, which the environment names"
        if isinstance(error, ReadTimeoutError | TimeoutError):
            return _Broken(f"no byte for {self._settings.stall_timeout:g} s")
        # a failed look-up of the name is a NewConnectionError too
        if isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError):
            return _Broken(f"no connection{by} ({_words(error)})", reached=False)
        return _Broken(f"the connection broke{by} ({_words(error)})")

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
        said = f"it answers {status} {_words(response.reason)}"
        if status == 416 and self.offset:
            if _number(response.headers.get("Content-Range", "").removeprefix("bytes */")) == (
                self.offset
            ):
                return  # all of it is here
            self._start_over()
        if status in (408, 425, 429) or status >= 500:
            raise _Broken(said)
        if status not in (200, 206):
            raise Refused(said)
        first = response.raw.read1(CHUNK, decode_content=False)
        if status == 206:
            known = self._refuse_another_range(response)
        else:
            _refuse_what_is_no_gzip(response, first)
            if self.offset:  # it does not resume, or has another file now
                self._start_over()
            length = _number(response.headers.get("Content-Length", ""))
            known = _Identity.of(self.url, response, length)
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._part.write_bytes(b"")
        write_json(self._note, asdict(known))
        with self._part.open("ab", buffering=0) as file:
            while first:
                file.write(first)
                self.offset += len(first)
                if self.offset > self._settings.most_bytes:
                    raise Refused(f"it sends more than {self._settings.most_bytes} bytes")
                yield first
                first = response.raw.read1(CHUNK, decode_content=False)
        if known.length is None and self._ended_at != self.offset:
            self._ended_at = self.offset  # if the next one ends here too, this is the end
            raise _Broken("the connection ended, and how long the file is was not said")
        if known.length is not None and self.offset < known.length:
            raise _Broken("the connection ended too early")

    def _refuse_another_range(self, response: Response) -> _Identity:
        """Return whose bytes these are; start over if they do not go on where ours end."""
        given = response.headers.get("Content-Range", "")
        range_ = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", given)
        known = self._identity()
        if range_ is None or known is None or int(range_[1]) != self.offset:
            self._start_over()
        total = _number(range_[2])
        if known.contradicts(_Identity.of(self.url, response, total)):
            self._start_over()
        self.joined = True
        return known if known.length is not None else replace(known, length=total)

    def _start_over(self) -> NoReturn:
        self._count()
        discard(self._part)
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
        self._patience.reached = self._patience.reached or broken.reached
        try:
            self._count()
        except Refused as refused:
            raise Refused(f"{broken}; {refused}") from None
        pause = min(self._settings.pause * 2**self._fruitless, LONGEST_PAUSE)
        if not self._reached and pause > self._patience.left():
            raise Refused(str(broken))
        self._tell(f"{shown(self.url)}: {broken}; again from byte {self.offset} in {pause:g} s")
        time.sleep(pause)


def discard(part: Path) -> None:
    """Forget what is kept of an archive."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def shown(url: str) -> str:
    """Return an address without a name and password that it may carry."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _note(part: Path) -> Path:
    return part.with_suffix(".json")


def _refuse_what_is_no_gzip(response: Response, first: bytes) -> None:
    if first.startswith(GZIP[: len(first)]):
        return
    kind = _words(response.headers.get("Content-Type", "of no stated type"))
    if "html" in kind or first.lstrip()[:1] == b"<":
        raise Refused(f"it answers with a web page ({kind}), no archive; a proxy's login page?")
    raise Refused(f"what it sends is no gzip file ({kind}, begins with {first[:8]!r})")


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _words(said: object) -> str:
    """Return what a server or a library says as few and printable words on one line.

    Texts of exceptions begin with objects and addresses; the reason comes last.
    """
    text = str(said).rpartition(": ")[2] if isinstance(said, BaseException) else str(said)
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:200]


def _root(error: BaseException) -> BaseException:
    """Return the innermost of the exceptions that wrap each other."""
    while True:
        inside = [getattr(error, "reason", None), *error.args]
        inner = next((x for x in inside if isinstance(x, BaseException)), None)
        if inner is None:
            return error
        error = inner
