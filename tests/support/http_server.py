"""A small HTTP server on a thread, at a port of its own; what it answers is its handler's affair."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast


class Handler(BaseHTTPRequestHandler):
    """Writes no log, and answers in one call."""

    @property
    def owner(self) -> Any:
        """The server that it answers for."""
        return cast("_Threads", self.server).owner

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send an answer; to HEAD its head."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class HttpServer:
    """Serves within a context, or from `start` to `close`."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1") -> None:
        """Listen."""
        self._threads = _Threads((host, 0), handler)
        self._threads.owner = self
        self.port = self._threads.server_port
        self.address = f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Answer from now on."""
        threading.Thread(target=self._threads.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def close(self) -> None:
        """Answer nobody any more."""
        self._threads.shutdown()
        self._threads.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


class _Threads(ThreadingHTTPServer):
    owner: HttpServer
