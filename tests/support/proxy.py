"""A proxy of HTTP on a loopback address: it makes tunnels, passes plain requests on, remembers where they led."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
from urllib.parse import urlsplit

from tests.support.http_server import Handler, HttpServer


class Proxy(HttpServer):
    """Whatever name it is asked for, it leads to this machine: names need not be known to anybody else."""

    def __init__(self, *, login: str | None = None, status: int | None = None, rests: bool = False) -> None:
        """Listen.

        Args:
            login: what has to be said, as ``user:password``.
            status: of every answer.
            rests: say nothing to anybody.
        """
        self.asked: list[tuple[str, str]] = []
        """Method and place of each request."""
        self.login = None if login is None else f"Basic {base64.b64encode(login.encode()).decode()}"
        self.status = status
        self.rests = rests
        self.ended = threading.Event()
        super().__init__(_Handler)
        self.url = f"http://{login + '@' if login else ''}127.0.0.1:{self.port}"

    def close(self) -> None:
        """Answer nobody any more, whoever waits included."""
        self.ended.set()
        super().close()


class _Handler(Handler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        if self._is_refused():
            return
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as server:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass, args=(server, self.connection))
            back.start()
            _pass(self.connection, server)
            back.join()
        self.close_connection = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self._is_refused():
            return
        place = urlsplit(self.path)
        server = http.client.HTTPConnection("127.0.0.1", place.port or 80)
        server.request(self.command, f"{place.path}?{place.query}".rstrip("?"), headers=dict(self.headers))
        answer = server.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        server.close()

    def _is_refused(self) -> bool:
        proxy: Proxy = self.owner
        proxy.asked.append((self.command, self.path))
        if proxy.rests:
            proxy.ended.wait(30)
        wrong = proxy.login is not None and self.headers["Proxy-Authorization"] != proxy.login
        refused = 407 if wrong else proxy.status
        if refused:
            self.answer(refused)
        return bool(refused)


def _pass(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)
