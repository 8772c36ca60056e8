"""A server of HTTP on a loopback address: it serves objects by ranges, misbehaves as told, remembers what was asked.

with Upstream() as upstream:
    upstream.put("/a.tif", data)
    upstream.play(Fault(status=503), Fault(drop_after=100))   # the next two requests
    … read from upstream.url("/a.tif") …
    assert upstream.ranges == [(0, 65535)]
"""

from __future__ import annotations

import email.utils
import hashlib
import re
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How one answer differs from a good one."""

    before: Callable[[], None] | None = None
    """What to do before the answer, as to replace the object."""
    status: int | None = None
    """Answer with this status and no data."""
    delay: float = 0.0
    """Wait before the answer."""
    silent: bool = False
    """Take the request and never answer."""
    reset: bool = False
    """Break the connection off instead of answering."""
    drop_after: int | None = None
    """Break off after so many bytes of the body."""
    short_by: int = 0
    """Promise a shorter body than asked for."""
    shift: int = 0
    """Answer with another range, that many bytes further."""
    content_range: str | None = None
    """What Content-Range says."""
    ignore_range: bool = False
    """Answer with the whole object and 200."""
    ignore_conditions: bool = False
    """Answer as if no If-… header were there."""
    chunked: bool = False
    """Send the body in chunks, without its length."""
    no_length: bool = False
    """Send the body until the connection closes."""
    drip: float = 0.0
    """Seconds between one byte and the next."""
    location: str | None = None
    """Redirect there."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers, in the place of those of the same name."""
    raw: bytes | None = None
    """Send exactly this instead of an answer, and close."""
    keep_open: bool = False
    """Do not close after ``raw``."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    port: int
    """The client's port: the same for requests of one connection."""
    body: bytes = b""

    @property
    def range(self) -> tuple[int, int] | None:
        """First and last byte asked for."""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object."""

    data: bytes
    etag: str | None
    modified: str | None


class Upstream:
    """The server. It runs while its context does."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, latency: float = 0.0, host: str = "127.0.0.1") -> None:
        self.objects: dict[str, Stored] = {}
        self.requests: list[Request] = []
        self.latency = latency
        self.always: Fault | None = None
        """The fault of every request that `play` has none for."""
        self.busy = 0
        self.busiest = 0
        """The most requests that were under way at a time."""
        self._faults: deque[Fault | None] = deque()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._leaving = threading.Event()
        self._server = _Server((host, 0), _Handler)
        self._server.upstream = self
        self._server.tls = tls
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leaving.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for connection in self._open:
                _break_off(connection)
        self._thread.join(5)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def root(self) -> str:
        """``http://127.0.0.1:port/``: what the sources have to list."""
        return f"{self._scheme}://{self._server.server_address[0]!s}:{self.port}/"

    def url(self, path: str) -> str:
        return self.root.rstrip("/") + path

    def put(self, path: str, data: bytes, *, etag: str | None = "", modified: str | None = "") -> None:
        """Store an object. With an empty ``etag`` or ``modified`` it gets its own; with None it has none."""
        if etag == "":
            etag = f'"{hashlib.md5(data).hexdigest()}"'
        if modified == "":
            modified = email.utils.formatdate(1_800_000_000 + len(data), usegmt=True)
        self.objects[path] = Stored(data=data, etag=etag, modified=modified)

    def play(self, *faults: Fault | None) -> None:
        """Play these faults, one a request; None is a good answer."""
        self._faults.extend(faults)

    @property
    def ranges(self) -> list[tuple[int, int] | None]:
        return [request.range for request in self.requests]

    def forget(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()

    def drop_connections(self) -> None:
        """Close every connection, as a server does with those that were idle for long."""
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

    def _next_fault(self) -> Fault | None:
        with self._lock:
            return self._faults.popleft() if self._faults else self.always

    def _wait(self, seconds: float) -> None:
        self._leaving.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    upstream: Upstream
    tls: ssl.SSLContext | None

    def finish_request(self, request: object, client_address: object) -> None:
        connection = request
        if self.tls is not None and isinstance(request, socket.socket):
            try:
                connection = self.tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(connection, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients of these tests break off as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.upstream._lock:
            self.server.upstream._open.add(self.connection)

    def finish(self) -> None:
        with self.server.upstream._lock:
            self.server.upstream._open.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        upstream = self.server.upstream
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        upstream.requests.append(
            Request(method=self.command, target=self.path, headers=headers, port=self.client_address[1], body=body)
        )
        with upstream._lock:
            upstream.busy += 1
            upstream.busiest = max(upstream.busiest, upstream.busy)
        try:
            self._answer(upstream._next_fault() or Fault())
        finally:
            with upstream._lock:
                upstream.busy -= 1

    do_HEAD = do_POST = do_GET

    def _answer(self, fault: Fault) -> None:
        upstream = self.server.upstream
        if fault.before is not None:
            fault.before()
        if upstream.latency or fault.delay:
            upstream._wait(upstream.latency + fault.delay)
        if fault.silent:
            upstream._wait(60)
            self.close_connection = True
        elif fault.reset:
            self._reset()
        elif fault.raw is not None:
            self.wfile.write(fault.raw)
            self.close_connection = not fault.keep_open
        elif fault.location is not None:
            self._plain(fault.status or 302, {"Location": fault.location, **fault.headers})
        elif fault.status is not None:
            self._plain(fault.status, fault.headers)
        else:
            self._object(fault)

    def _object(self, fault: Fault) -> None:
        stored = self.server.upstream.objects.get(self.path)
        if stored is None:
            return self._plain(404, {})
        headers = {"ETag": stored.etag, "Last-Modified": stored.modified, "Accept-Ranges": "bytes"}
        known = {name: value for name, value in headers.items() if value is not None}
        if not fault.ignore_conditions and (status := self._condition(stored)):
            return self._plain(status, known)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match is None or fault.ignore_range:
            return self._send(200, stored.data, known, fault)
        start, size = int(match[1]) + fault.shift, len(stored.data)
        end = min(int(match[2]) + 1 + fault.shift, size) - fault.short_by
        if start >= size:
            return self._plain(416, {"Content-Range": f"bytes */{size}"})
        said = fault.content_range or f"bytes {start}-{end - 1}/{size}"
        return self._send(206, stored.data[start:end], {**known, "Content-Range": said}, fault)

    def _condition(self, stored: Stored) -> int | None:
        asked = self.headers
        if "If-Match" in asked:
            return None if asked["If-Match"] == stored.etag else 412
        if "If-Unmodified-Since" in asked and stored.modified:
            then = email.utils.parsedate_to_datetime
            return 412 if then(stored.modified) > then(asked["If-Unmodified-Since"]) else None
        if "If-None-Match" in asked:
            return 304 if asked["If-None-Match"] == stored.etag else None
        if "If-Modified-Since" in asked and asked["If-Modified-Since"] == stored.modified:
            return 304
        return None

    def _plain(self, status: int, headers: dict[str, str]) -> None:
        body = b"" if status == 304 else b"<Error>something that nobody should see</Error>"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        self.send_response(status)
        if fault.chunked:
            headers = {"Transfer-Encoding": "chunked", **headers}
        elif fault.no_length:
            headers = {"Connection": "close", **headers}
            self.close_connection = True
        else:
            headers = {"Content-Length": str(len(body)), **headers}
        for name, value in {**headers, **fault.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: Fault) -> None:
        if fault.chunked:
            for start in range(0, len(body), 10_000):
                part = body[start : start + 10_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif fault.drip:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                if self.server.upstream._leaving.wait(fault.drip):
                    return
        elif fault.drop_after is not None:
            self.wfile.write(body[: fault.drop_after])
            self.wfile.flush()
            time.sleep(0.01)  # so that what was sent arrives before the connection breaks
            self._reset()
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        _break_off(self.connection)
        self.close_connection = True


def _break_off(connection: socket.socket) -> None:
    """Close with a reset, in the middle of whatever was going on."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    except OSError:
        pass
