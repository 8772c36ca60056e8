"""A load generator that is not in the way: raw HTTP/1.1 over kept connections, a few microseconds a request."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop


@dataclass(slots=True, kw_only=True)
class Load:
    """What a list of requests took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds of each request, in the order of their ends."""
    statuses: Counter[int] = field(default_factory=Counter)
    body_bytes: int = 0
    client_seconds: float = 0.0
    """CPU of this process meanwhile: shows that it was not the one that was waited for."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Return milliseconds within which this share of the requests were answered."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection(asyncio.Protocol):
    """One connection: sends the next path when the answer to the last one is complete."""

    def __init__(self, host: bytes, paths: Iterator[bytes], extra: bytes, load: Load) -> None:
        self.head = b" HTTP/1.1\r\nHost: " + host + b"\r\n" + extra + b"\r\n"
        self.paths = paths
        self.load = load
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = bytearray()
        self.missing = -1  # bytes of the body that have not come yet; -1 while the head has not

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport  # uvloop's is not an asyncio.Transport by class
        self._next()

    def _next(self) -> None:
        path = next(self.paths, None)
        if path is None:
            self.transport.close()
            return
        self.begun = time.perf_counter()
        self.transport.write(b"GET " + path + self.head)

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.buffer[:end]).lower()
            self.status = int(head[9:12])
            at = head.find(b"\r\ncontent-length:")
            if at >= 0:
                self.length = int(head[at + 17 :].split(b"\r\n", 1)[0])
            elif self.status in (204, 304):
                self.length = 0
            else:
                self.done.set_exception(ValueError(f"an answer without a Content-Length: {head!r:.200}"))
                self.transport.abort()
                return
            self.missing = self.length - (len(self.buffer) - end - 4)
            self.buffer.clear()
        else:
            self.missing -= len(data)
        if self.missing == 0:
            self.load.latencies.append(time.perf_counter() - self.begun)
            self.load.statuses[self.status] += 1
            self.load.body_bytes += self.length
            self.missing = -1
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            waiting = self.missing >= 0 or exc is not None
            if waiting:
                self.done.set_exception(exc or ConnectionError("the server closed in the middle of an answer"))
            else:
                self.done.set_result(None)


def run(
    port: int,
    paths: Sequence[str],
    *,
    connections: int = 8,
    headers: Sequence[tuple[str, str]] = (),
    limit_seconds: float = 600,
) -> Load:
    """Return the paths requested in order, ``connections`` at a time, each once."""
    load = Load()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        source = iter([path.encode() for path in paths])
        extra = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)
        opened = []
        load.seconds = time.perf_counter()
        for _ in range(min(connections, len(paths))):
            _, protocol = await loop.create_connection(
                lambda: _Connection(f"127.0.0.1:{port}".encode(), source, extra, load), "127.0.0.1", port
            )
            opened.append(protocol.done)
        async with asyncio.timeout(limit_seconds):
            await asyncio.gather(*opened)
        load.seconds = time.perf_counter() - load.seconds

    before = time.process_time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
    load.client_seconds = time.process_time() - before
    if len(load.latencies) != len(paths):
        raise ConnectionError(f"{len(load.latencies)} answers to {len(paths)} requests")
    return load
