"""A real HTTP server on this machine that serves one file, and fails as it is told."""

import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET


@dataclass
class How:
    """How one request is answered; by default as a good server does."""

    status: int = 200
    page: bool = False  # a login page instead of the file
    ranges: bool = True
    drop: int | None = None  # reset the connection after so many bytes of the answer
    close: int | None = None  # the same, politely
    stall: int | None = None  # send no more after so many bytes, and keep the connection
    flip: int | None = None  # this byte of the file is sent wrong
    cut: int | None = None  # this is all there is of the file
    claim: int = 0  # added to Content-Length
    etag: str | None = '"1"'
    length: bool = True  # say how long the answer is
    headers: Mapping[str, str] = field(default_factory=dict)  # said besides, or instead
    raw: bytes | None = None  # the whole answer


@dataclass
class Server:
    """The file, what each request gets in turn (the last stays), and what was asked."""

    content: bytes
    script: list[How]
    address: str = ""
    asked: list[str | None] = field(default_factory=list)
    sent: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.address}/stl10_binary.tar.gz"

    def next(self) -> How:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def serving(content: bytes, *script: How) -> Iterator[Server]:
    """Serve a file on loopback while the block runs."""
    server = Server(content, list(script) or [How()])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, server, server.next())

        def do_HEAD(self) -> None:
            how = server.next()
            server.asked.append("HEAD")
            self.send_response(how.status)
            self.send_header("Content-Length", str(len(server.content)))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that goes away in the middle is what we test

    with Quiet(("127.0.0.1", 0), Handler) as http:
        server.address = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.gone.set()
            http.shutdown()
            thread.join()


def answer(request: BaseHTTPRequestHandler, server: Server, how: How) -> None:
    """Answer one request."""
    asked = request.headers.get("Range")
    server.asked.append(asked)
    request.close_connection = True
    if how.raw is not None:
        request.wfile.write(how.raw)
        return
    content, status, start, headers = server.content[: how.cut], how.status, 0, {}
    if how.flip is not None:
        content = bytearray(content)
        content[how.flip] ^= 255
    if how.page:
        content, headers["Content-Type"] = b"<html>Please log in</html>", "text/html"
    elif status >= 300:
        content = b""
    else:
        headers["Content-Type"] = "application/x-gzip"
        if how.etag:
            headers["ETag"] = how.etag
        known = None, how.etag, how.headers.get("Last-Modified")
        same = (request.headers.get("If-Range") or None) in known
        if asked and how.ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                status, headers["Content-Range"] = 416, f"bytes */{len(content)}"
                start = len(content)
            else:
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    body = memoryview(content)[start:]
    if how.length:
        headers["Content-Length"] = str(len(body) + how.claim)
    headers |= how.headers
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    most = min(x for x in (len(body), how.drop, how.close, how.stall) if x is not None)
    for place in range(0, most, 2**16):
        piece = body[place : min(place + 2**16, most)]
        request.wfile.write(piece)
        server.sent += len(piece)
    if how.stall is not None:
        server.gone.wait(30)
    if how.drop is not None:
        # linger for no time: what closes is a reset
        request.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        request.connection.close()
