"""Clients who send no end of a head, say nothing, or do not read: over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from app.api.app import create_app
from app.api.sending import in_pieces
from app.config.settings import Settings
from app.process import connections
from app.process.connections import Connection
from tests.support import rasters
from tilery.limits.memory import Memory

from .application import app

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


class Running:
    """A server with our connections, in a thread."""

    def __init__(self, memory: Memory, application: Any = app) -> None:
        self.memory = memory

        async def with_memory(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                scope["state"][Memory.STATE] = memory

            async def pieces(message: Any) -> None:
                await in_pieces(message, send, memory if application is app else None)

            await application(scope, receive, pieces)

        config = uvicorn.Config(with_memory, port=0, http=Connection, log_level="critical", timeout_keep_alive=20)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        return connection

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()

    def until(self, check: Callable[[], object]) -> None:
        limit = time.monotonic() + 10
        while not check():
            assert time.monotonic() < limit
            time.sleep(0.02)


@pytest.fixture
def running() -> Iterator[Running]:
    found = Running(Memory(100 << 20))
    yield found
    found.close()


def answer(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    found = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            found += part
    return found


def is_answered(connection: socket.socket) -> bool:
    """Return True when a request is answered and the connection is ready for another."""
    connection.sendall(GET + b"\r\n")
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status == 200


def test_a_head_that_is_too_large_is_refused(running: Running) -> None:
    for filler in (b"X-A: " + b"a" * (70 << 10) + b"\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(8000))):
        with running.connect() as connection:
            connection.sendall(GET + filler + b"\r\n")
            found = answer(connection)
            assert found.startswith(b"HTTP/1.1 431 ")
            assert b'"limit' not in found
            assert b"65536 bytes" in found
    with running.connect() as connection:  # one that never ends is not taken in for ever
        sent = 0
        with suppress(OSError):
            while sent < 64 << 20:
                sent += connection.send(b"a" * 65536) if sent else connection.send(GET + b"X-A: ")
        assert sent < 16 << 20


def test_a_head_within_the_limit_is_answered_also_behind_another(running: Running) -> None:
    with running.connect() as connection:
        large = GET + b"X-A: " + b"a" * (60 << 10) + b"\r\n\r\n"
        connection.sendall(large + large + GET + b"Connection: close\r\n\r\n")
        assert answer(connection).count(b"HTTP/1.1 200 ") == 3


def test_a_head_in_pieces_is_whole_in_time_or_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.4)
    with running.connect() as silent, running.connect() as slow, running.connect() as kept:
        assert is_answered(kept)
        slow.sendall(GET)
        assert answer(slow).startswith(b"HTTP/1.1 408 ")
        assert answer(silent) == b""
        assert is_answered(kept)  # between requests somebody may be silent for longer
        kept.sendall(GET)
        assert answer(kept).startswith(b"HTTP/1.1 408 ")


def test_the_oldest_of_too_many_half_open_connections_is_closed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_HALF_OPEN", 20)
    monkeypatch.setattr(connections, "NEW_SECONDS", 0.0)
    opened = [running.connect() for _ in range(60)]
    try:
        running.until(lambda: len(running.server.server_state.connections) == 20)
        assert answer(opened[0]) == b""
        opened[-1].sendall(GET + b"Connection: close\r\n\r\n")
        assert answer(opened[-1]).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in opened:
            connection.close()


def test_who_does_not_read_is_dropped_and_his_answer_counted_until_then(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALL_CHECK_SECONDS", 0.4)
    with running.connect() as deaf, running.connect() as slow:
        deaf.sendall(b"GET /?size=20000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        running.until(lambda: running.memory.waiting_to_be_sent > 10_000_000)
        running.until(lambda: running.memory.waiting_to_be_sent == 0)
        assert len(answer(deaf)) < 20_000_000
        slow.sendall(b"GET /?size=20000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = 0
        while part := slow.recv(1 << 20):  # reads for longer than the pause between two looks, but reads
            got += len(part)
            time.sleep(0.01)
        assert got > 20_000_000
    running.until(lambda: running.memory.waiting_to_be_sent == 0)


def test_answers_that_nobody_reads_hold_no_more_than_their_share(running: Running) -> None:
    deaf = [running.connect() for _ in range(12)]
    try:
        for connection in deaf:
            connection.sendall(b"GET /?size=10000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        running.until(lambda: running.memory.waiting_to_be_sent <= running.memory.total // 2)
        assert running.memory.waiting_to_be_sent > running.memory.total // 4, "no more are dropped than have to be"
        with running.connect() as reader:
            reader.sendall(GET + b"Connection: close\r\n\r\n")
            assert answer(reader).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in deaf:
            connection.close()
    running.until(lambda: running.memory.waiting_to_be_sent == 0)


def test_a_body_that_is_not_wanted_is_read_to_its_end_so_that_the_answer_arrives(tmp_path: Path) -> None:
    """Sent by clients who do not look for an answer before they are done, and close the connection: reset, the answer
    would be lost."""
    rasters.gradient(tmp_path / "a.tif")
    application = create_app(Settings(_env_file=None, sources=(str(tmp_path),), max_body_bytes=1 << 20))
    running = Running(Memory(100 << 20), application)
    try:
        for path, size, status in (
            (f"/cog/feature?url={tmp_path / 'a.tif'}", 20 << 20, 400),
            (f"/cog/statistics?url={tmp_path / 'a.tif'}", (1 << 20) + 1, 400),
            (f"/cog/feature?url={tmp_path / 'a.tif'}&bidx=x", 20 << 20, 422),
            ("/cog/no/way/here", 20 << 20, 404),
        ):
            for _ in range(5):
                with running.connect() as connection:
                    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
                    connection.sendall(head.encode() + b" " * size)
                    assert answer(connection).startswith(b"HTTP/1.1 %d " % status)
        with running.connect() as polite:  # sends no body before it is asked for it
            polite.sendall(b"POST /cog/no/way/here HTTP/1.1\r\nHost: a\r\n")
            polite.sendall(b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
            assert polite.recv(1 << 16).startswith(b"HTTP/1.1 404 ")
    finally:
        running.close()


def test_what_is_no_request_behind_one_under_way_gets_no_answer_into_the_middle_of_that(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"GET /?wait=5 HTTP/1.1\r\nHost: a\r\n\r\n" + b"no request at all\r\n\r\n")
        assert answer(connection) == b""
    with running.connect() as connection:
        connection.sendall(b"no request at all\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 400 ")


def test_who_reads_slowly_is_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALL_CHECK_SECONDS", 0.2)
    monkeypatch.setattr(connections, "LEAST_READ", 0)  # however little it is: this machine may be slower than he
    with running.connect() as slow:
        slow.sendall(b"GET /?size=3000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(0.7)
        assert len(answer(slow)) > 3_000_000
