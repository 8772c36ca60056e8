"""``/metrics`` on a port of its own, answered by threads of each worker: by whichever takes the connection.

Threads, so that they answer also when the event loop stands still; and none of the port that tiles come from, because
what is counted is nobody's business but the operator's.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from app.observing.shared_counters import Table

logger = logging.getLogger("tilery.metrics")

PATH = "/metrics"
SECONDS = 5.0
"""That one connection may take, from its first byte to its last."""
MOST = 8
"""Connections of one worker at a time."""

shared: socket.socket | None = None
"""Where all workers listen together; handed down by forking."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        OSError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=16)


def start(table: Table, listening: socket.socket) -> threading.Thread:
    """Answer from now on, and as long as the process lives."""
    server = _Server(table, listening)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return thread


class _Server(ThreadingMixIn, HTTPServer):
    """Answers each connection in a thread of its own, so that one who is slow keeps nobody from the numbers."""

    daemon_threads = True

    def __init__(self, table: Table, listening: socket.socket) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        # several processes are told of one connection, and only one has it
        self.socket.setblocking(False)
        self.table = table
        self._open: dict[socket.socket, float] = {}
        """Connections by age, each with the moment at which its time is up."""
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; where there are too many, the oldest connection ends."""
        with self._lock:
            while len(self._open) >= MOST:
                self._end(next(iter(self._open)))
            self._open[request] = time.monotonic() + SECONDS
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done, or has failed."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End the connections whose time is up; called twice a second, and after each new connection."""
        now = time.monotonic()
        with self._lock:
            for connection in [each for each, until in self._open.items() if until <= now]:
                self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        """Have the thread of a connection find it at its end."""
        del self._open[connection]
        with contextlib.suppress(OSError):  # its client has gone
            connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the class above has it
        logger.debug("a client of the metrics failed")


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self._answer(404, b"There is nothing but /metrics.\n", "text/plain; charset=utf-8")
            return
        from app.observing import exposition  # loaded when the first asks

        self._answer(200, exposition.text(self.server.table), exposition.MEDIA_TYPE)

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "Tilery"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the class above has it
        """Write no line for each scrape."""
