"""One tile asked of several workers at a time, over HTTP: one renders it; who fails or dies takes nobody along."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.process.test_service import Server, at, running, until
from tests.support import rasters
from tests.support.ports import free_port
from tests.support.service import pixels
from tests.support.upstream import Fault, Upstream

WORKERS = 3
Z = 9
ENDS = ("well", "failed", "killed")
"""How the one that renders may end, and the names of rasters."""


class Gated(Upstream):
    """A store that answers what is read of blocks when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()

    def close(self, *faults: Fault) -> None:
        """Have the next requests wait, and then end so."""
        self.asked.clear()
        self.go.clear()
        self.play(*(Fault(before=self._wait_for_all, status=fault.status) for fault in faults))

    def _wait_for_all(self) -> None:
        self.asked.set()
        self.go.wait(20)


class Each:
    """A connection to each of the workers."""

    def __init__(self, server: Server) -> None:
        self.connections: dict[int, http.client.HTTPConnection] = {}
        self.served = Counter[str]()
        until(lambda: len(server.workers()) == WORKERS)
        spare = []
        while len(self.connections) < WORKERS:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            pid = self._worker(server, connection.sock)
            if self.connections.setdefault(pid, connection) is not connection:
                spare.append(connection)  # kept, so that the others get some too
                time.sleep(0.01)
            assert len(spare) < 300
        for connection in spare:
            connection.close()

    def close(self) -> None:
        """Close them."""
        for connection in self.connections.values():
            connection.close()

    @staticmethod
    def _worker(server: Server, sock: socket.socket) -> int:
        """Process id of the worker at the other end of a connection."""
        own = f":{sock.getsockname()[1]:04X}"
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        inode = next(line[9] for line in lines if line[2].endswith(own) and line[9] != "0")
        for pid in server.workers():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(link.readlink()) == f"socket:[{inode}]":
                        return pid
        raise AssertionError(f"nobody holds {inode}")

    def get(self, pid: int, path: str) -> tuple[int, str | None, bytes]:
        """Return status, how it came about, and body."""
        connection = self.connections[pid]
        connection.request("GET", path)
        answer = connection.getresponse()
        how = answer.getheader("x-cache")
        if how is not None:
            self.served[how] += 1
        return answer.status, how, answer.read()


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    noise = np.random.default_rng(1).integers(0, 255, (3, 512, 512), "uint8")
    data = rasters.write(tmp_path_factory.mktemp("noise") / "a.tif", noise, block=256, overviews=()).read_bytes()
    with Gated() as found:
        for name in ENDS:
            found.put(f"/{name}.tif", data)
        yield found


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(upstream: Gated, metrics_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served").resolve()
    environ = {"TILERY_SOURCES": upstream.root, "TILERY_METRICS_PORT": str(metrics_port)}
    with running(folder, WEB_CONCURRENCY=str(WORKERS), **environ) as found:
        yield found


@pytest.fixture
def each(server: Server, upstream: Gated) -> Iterator[Each]:
    """Every worker has all rasters open."""
    with contextlib.closing(Each(server)) as found:
        for pid in found.connections:
            for name in ENDS:
                assert found.get(pid, f"/cog/info?url={upstream.url(f'/{name}.tif')}")[0] == 200
        yield found


def tile(upstream: Gated, name: str) -> str:
    x, y = at(Z, 8.5, 46.5)
    return f"/cog/tiles/WebMercatorQuad/{Z}/{x}/{y}.png?url={upstream.url(f'/{name}.tif')}"


def rendered(port: int) -> Counter[str]:
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    return Counter({how: int(float(n)) for how, n in re.findall(r'tilery_served_total\{how="(\w+)"\} (\S+)', text)})


def test_one_of_the_workers_renders(each: Each, upstream: Gated, metrics_port: int) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        upstream.close(Fault())
        tasks = [pool.submit(each.get, pid, tile(upstream, "well")) for pid in each.connections]
        assert upstream.asked.wait(10)
        time.sleep(0.2)
        assert not any(task.done() for task in tasks)
        upstream.go.set()
        answers = [task.result() for task in tasks]
    assert {status for status, _, _ in answers} == {200}
    assert Counter(how for _, how, _ in answers) == {"miss": 1, "wait": WORKERS - 1}
    assert len({body for _, _, body in answers}) == 1
    until(lambda: rendered(metrics_port) == each.served)


@pytest.mark.parametrize("ends", ENDS[1:])
def test_others_answer_when_the_one_that_renders_is(ends: str, each: Each, upstream: Gated) -> None:
    path = tile(upstream, ends)
    holder, *others = each.connections
    with ThreadPoolExecutor(WORKERS) as pool:
        upstream.close(Fault(status=403 if ends == "failed" else None))
        first = pool.submit(each.get, holder, path)
        assert upstream.asked.wait(10)
        waiting = [pool.submit(each.get, pid, path) for pid in others]
        time.sleep(0.1)
        assert not any(task.done() for task in waiting)
        if ends == "killed":
            os.kill(holder, signal.SIGKILL)
            with pytest.raises((OSError, http.client.HTTPException)):
                first.result()
        else:
            upstream.go.set()
            assert first.result()[0] >= 400
        answers = [task.result() for task in waiting]
        upstream.go.set()
    assert {status for status, _, _ in answers} == {200}
    bodies = {body for _, _, body in answers}
    assert len(bodies) == 1
    assert pixels(bodies.pop()).std() > 60  # of noise
