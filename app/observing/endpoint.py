"""``/metrics`` on a port of its own, answered by a thread of each worker: by whichever takes the connection.

A thread, so that it answers also when the event loop stands still; and none of the port that tiles come from, because
what is counted is nobody's business but the operator's.
"""

from __future__ import annotations

import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from app.observing.table import Table

logger = logging.getLogger("tilery.metrics")

PATH = "/metrics"
SECONDS = 5.0
"""That one client may take."""

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


class _Server(HTTPServer):
    def __init__(self, table: Table, listening: socket.socket) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        # several processes are told of one connection, and only one has it
        self.socket.setblocking(False)
        self.table = table

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(SECONDS)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the class above has it
        logger.debug("a client of the metrics failed")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SECONDS

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self._answer(404, b"There is nothing but /metrics.\n", "text/plain; charset=utf-8")
            return
        from app.observing import exposition  # loaded when the first asks

        self._answer(200, exposition.text(self.server.table), exposition.MEDIA_TYPE)

    do_HEAD = do_GET  # noqa: N815 - the class above looks for it

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
