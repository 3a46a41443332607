"""The bytes of a file on a server, through cut connections and killed processes.

What is received is kept on disk. After a cut, this process or the next goes on behind the last
byte, as long as the server's validator (an ETag, or a date) says that its file is still the same;
RFC 9110, sections 8.8, 13.1.5 and 14. urllib3's `Retry` ends where a body begins, so one loop here
sees to failures before and behind that.
"""

__all__ = ["CHUNK", "Changed", "Download", "Refused"]

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from whitepatch import params

CHUNK = 2**16
"""Bytes at a time."""

LONGEST_PAUSE = 30.0
"""Seconds between two connections."""


class Refused(Exception):
    """This server does not hand out the file; asking it again now would not help."""


class Changed(Exception):
    """The bytes so far cannot be continued and were discarded; start over."""


class _Broken(Exception):
    """The connection failed; another may not."""


@dataclass
class Download:
    """A remote file whose received beginning is kept on disk.

    Attributes:
        url: Where it is.
        part: File that keeps what was received, behind two lines: the address and the validator.
        settings: Time limits, and how often to try.
        tell: Given a line before each pause.
    """

    url: str
    part: Path
    settings: params.Download
    tell: Callable[[str], object]
    _offset: int = 0
    _validator: str = ""

    def chunks(self) -> Generator[bytes]:
        """Yield the file from its first byte: what is on disk, then what the server sends.

        Raises:
            Refused: The server does not have it, or too many connections in a row were fruitless.
            Changed: The server has another file by now, or cannot resume.
        """
        yield from self._kept()
        fruitless = 0
        while True:
            before = self._offset
            try:
                yield from self._received()
            except _Broken as broken:
                fruitless = 0 if self._offset > before else fruitless + 1
                if fruitless >= self.settings.tries:
                    raise Refused(f"{broken}, {fruitless} tries in a row") from None
                pause = min(self.settings.pause * 2**fruitless, LONGEST_PAUSE)
                self.tell(f"{self.url}: {broken}; again from byte {self._offset} in {pause:g} s")
                time.sleep(pause)
            else:
                return

    def _kept(self) -> Iterator[bytes]:
        """Yield what an earlier process kept of this address."""
        self._offset = 0
        if not self.part.exists():
            return
        with self.part.open("rb") as part:
            if part.readline() == f"{self.url}\n".encode():
                self._validator = part.readline().decode().strip()
                while chunk := part.read(CHUNK):
                    self._offset += len(chunk)
                    yield chunk

    def _received(self) -> Iterator[bytes]:
        """Yield what one connection brings from the offset on, and keep it."""
        with self._ask() as response:
            self._accept(response)
            with self.part.open("ab") as part:
                try:
                    # not decoded: some servers call a file's own compression an encoding
                    while chunk := response.raw.read1(CHUNK, decode_content=False):
                        part.write(chunk)
                        self._offset += len(chunk)
                        yield chunk
                except HTTPError as error:  # a body shorter than announced is one, too
                    raise _Broken(f"the connection broke ({_root(error)})") from None

    def _ask(self) -> requests.Response:
        """Send a request, and return its answer before its body is read."""
        headers = {"Accept-Encoding": "identity"}
        if self._offset and self._validator:
            headers |= {"Range": f"bytes={self._offset}-", "If-Range": self._validator}
        timeouts = self.settings.connect_timeout, self.settings.stall_timeout
        try:
            return requests.get(self.url, headers=headers, stream=True, timeout=timeouts)
        except requests.exceptions.ProxyError as error:
            cure = "mend or unset HTTP_PROXY and HTTPS_PROXY"
            raise _Broken(f"no connection to the proxy ({_root(error)}; {cure})") from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _Broken(f"no connection ({_root(error)})") from None
        except requests.RequestException as error:
            raise Refused(str(error)) from None
        except OSError as error:  # how requests says that it has no certificates
            raise Refused(f"{error}; mend or unset REQUESTS_CA_BUNDLE") from None

    def _accept(self, response: requests.Response) -> None:
        """Accept an answer whose body goes on at the offset; raise what any other one means."""
        status, headers = response.status_code, response.headers
        if status == 200 and "html" in headers.get("Content-Type", ""):
            raise Refused("a web page comes instead of the file; is it a network's login page?")
        if status == 200 and not self._offset:
            self._validator = _validator(headers)
            self.part.parent.mkdir(parents=True, exist_ok=True)
            self.part.write_text(f"{self.url}\n{self._validator}\n", "utf-8", newline="\n")
        elif self._offset and status in (200, 206, 416):
            follows = headers.get("Content-Range", "").startswith(f"bytes {self._offset}-")
            # a date may be left out of an answer to If-Range
            same = _validator(headers) in ("", self._validator)
            if not (follows and same):
                self.part.unlink()
                raise Changed
        elif status >= 500 or status == 429:
            raise _Broken(f"it answers {status} {response.reason}")
        else:
            raise Refused(f"it answers {status} {response.reason}")


def _validator(headers: Mapping[str, str]) -> str:
    """Return what tells a file from its other states, or nothing; a weak ETag cannot."""
    etag = headers.get("ETag", "W/")
    return headers.get("Last-Modified", "") if etag.startswith("W/") else etag


def _root(error: BaseException) -> BaseException:
    """Return the first of the exceptions that led to this one; its text is the reason."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
