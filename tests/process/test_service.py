"""The whole service as a process, asked over HTTP: many clients at once, no room, a worker that dies."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from app.api.access import signatures
from app.config.access import SigningKey
from tests.support import rasters
from tests.support.service import pixels
from tests.support.upstream import Upstream

ROOT = Path(__file__).parents[2]


class Server:
    """gunicorn with the configuration that ships, on a free port."""

    def __init__(self, folder: Path, **environ: str) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self.log = folder / "server.log"
        own = {
            "PORT": str(self.port),
            "TILERY_SOURCES": str(folder),
            "GRACEFUL_TIMEOUT": "3",
            "PYTHONPATH": str(ROOT),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "python:app.process.gunicorn_conf", "app.main:app"],
                cwd=ROOT,
                env=os.environ | own | environ,
                stdout=log,
                stderr=log,
            )

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (names in lower case) and body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def ready(self) -> None:
        """Return once it answers."""
        for _ in range(600):
            with contextlib.suppress(OSError):
                if self.get("/healthz")[0] == 200:
                    return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def stop(self) -> None:
        """End it, by force if it will not."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(folder: Path, **environ: str) -> Iterator[Server]:
    server = Server(folder, **environ)
    try:
        server.ready()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("served").resolve()
    rasters.rgb(found / "rgb.tif", size=1024)
    rasters.gradient(found / "gradient.tif")
    return found


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running(folder, WEB_CONCURRENCY="1") as found:
        yield found


def tile(folder: Path, z: int = 8, x: int = 134, y: int = 90, more: str = "") -> str:
    return f"/cog/tiles/WebMercatorQuad/{z}/{x}/{y}.png?url={quote(str(folder / 'rgb.tif'))}{more}"


async def at_once(port: int, paths: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Return status and headers of requests on connections of their own, all under way at a time."""

    async def one(path: str) -> tuple[int, dict[str, str]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        body = await reader.read()
        writer.close()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        assert len(body) == int(headers["content-length"])
        return int(head[0].split()[1]), headers

    return await asyncio.gather(*(one(path) for path in paths))


def test_a_tile_over_http(server: Server, folder: Path) -> None:
    status, headers, body = server.get(tile(folder))
    assert status == 200
    assert headers["content-type"] == "image/png"
    assert pixels(body).shape[:2] == (256, 256)
    status, again, body = server.get(tile(folder), {"If-None-Match": headers["etag"]})
    assert (status, body) == (304, b"")
    assert again["etag"] == headers["etag"]


def test_the_operator_is_told_once_whose_host_is_in_links(server: Server) -> None:
    assert server.log.read_text().count("TILERY_ALLOWED_HOSTS") == 1
    status, headers, body = server.get("/", {"Host": "tiles.example.com"})
    assert status == 200
    assert b'"href":"http://tiles.example.com/api"' in body
    assert headers["cache-control"].startswith("private")


def test_five_hundred_at_once_make_one_render(server: Server, folder: Path) -> None:
    answers = asyncio.run(at_once(server.port, [tile(folder, more="&rescale=0,200")] * 500))
    assert {status for status, _ in answers} == {200}
    assert Counter(headers["x-cache"] for _, headers in answers)["miss"] == 1
    assert len({headers["etag"] for _, headers in answers}) == 1


def test_head_over_a_kept_connection(server: Server, folder: Path) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for method in ("HEAD", "GET", "HEAD", "GET"):
        connection.request(method, tile(folder))
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200
        assert len(body) == (0 if method == "HEAD" else int(answer.headers["content-length"]))
    connection.close()


def test_a_body_is_read_over_http(server: Server, folder: Path) -> None:
    ring = [[8.2, 46.2], [8.8, 46.2], [8.5, 46.8], [8.2, 46.2]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/cog/statistics?url={quote(str(folder / 'gradient.tif'))}",
        data=json.dumps(feature).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        band = json.load(answer)["properties"]["statistics"]["b1"]
    assert band["mean"] == pytest.approx(0.5 * 512, rel=0.02)


def test_what_it_says_of_itself(server: Server) -> None:
    status, headers, _ = server.get("/healthz")
    assert status == 200
    assert "server" not in headers
    _, _, body = server.get("/cog/info")
    assert json.loads(body)["code"] == "invalid_parameter"


def test_no_room_is_said_at_once_and_health_still_answers(folder: Path) -> None:
    settings = {"WEB_CONCURRENCY": "1", "TILERY_RENDER_SLOTS": "1", "TILERY_QUEUE_LENGTH": "2"}
    with running(folder, TILERY_TILE_CACHE_BYTES="0", **settings) as server:
        server.get(tile(folder))
        paths = [tile(folder, more=f"&tilesize=1024&rescale=0,{number}") for number in range(1, 21)]
        paths += ["/healthz"] * 5
        answers = asyncio.run(at_once(server.port, paths))
    tiles, health = answers[:20], answers[20:]
    assert {status for status, _ in health} == {200}
    counted = Counter(status for status, _ in tiles)
    assert set(counted) == {200, 503}
    assert all(headers["retry-after"] == "1" for status, headers in tiles if status == 503)
    assert all(headers["cache-control"] == "no-store" for status, headers in tiles if status == 503)


def test_who_goes_away_leaves_the_queue(folder: Path) -> None:
    settings = {"WEB_CONCURRENCY": "1", "TILERY_RENDER_SLOTS": "1", "TILERY_TILE_CACHE_BYTES": str(512 << 20)}
    paths = [tile(folder, more=f"&tilesize=1024&rescale=0,{number}") for number in range(1, 21)]
    with running(folder, **settings) as server:
        server.get(tile(folder))
        for path in paths:
            with socket.create_connection(("127.0.0.1", server.port)) as gone:
                gone.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        # Nobody stays in line for those who went: what is asked for next is soon answered, and what was not begun by
        # then was never made.
        assert server.get(tile(folder, more="&rescale=0,7"))[0] == 200
        made = [server.get(path)[1]["x-cache"] for path in paths]
        assert made.count("miss") > 10


class Clients:
    """Four clients that ask for one tile each, again and again."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.failed = Counter[int]()
        self.succeeded = Counter[int]()
        self._server = server
        self._folder = folder
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(1, 5)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                status, _, _ = self._server.get(tile(self._folder, more=f"&rescale=0,{number}"))
            except (OSError, http.client.HTTPException):  # the second where the answer ends in its middle
                self.failed[number] += 1
            else:
                self.succeeded[number] += status == 200

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def until(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def test_a_worker_that_is_killed_takes_only_its_own_requests_along(folder: Path) -> None:
    with running(folder, WEB_CONCURRENCY="2", TILERY_MEMORY=str(300 << 20)) as server:
        until(lambda: len(server.workers()) == 2)
        killed, other = server.workers()
        clients = Clients(server, folder)
        until(lambda: clients.succeeded.total() >= 20)
        os.kill(killed, signal.SIGKILL)
        reached = clients.succeeded.total()
        until(lambda: clients.succeeded.total() >= reached + 40)
        clients.stop()
        assert all(count <= 1 for count in clients.failed.values())  # at most what each had under way
        until(lambda: len(server.workers()) == 2 and killed not in server.workers())
        assert other in server.workers()


def at(z: int, lon: float, lat: float) -> tuple[int, int]:
    """Return column and row of the web mercator tile that holds a position."""
    across = (lon + 180) / 360
    down = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int(across * 2**z), int(down * 2**z)


def opened(upstream: Upstream) -> int:
    """Return how often a raster was opened, which asks for its beginning; not what may lie beside it."""
    begun = (request for request in upstream.requests if request.range is not None and request.range[0] == 0)
    return sum(request.target.endswith(".tif") for request in begun)


def test_workers_fetch_and_decode_a_block_once_for_all(folder: Path, tmp_path: Path) -> None:
    """What one worker has fetched and decoded serves the other, also when both need it at the same moment."""
    # noise, so that blocks are too large for one to be read along with its neighbours
    noise = np.random.default_rng(1).integers(0, 255, (3, 2048, 2048), "uint8")
    data = rasters.write(tmp_path / "noise.tif", noise, block=256).read_bytes()
    with Upstream(latency=0.02) as upstream:
        upstream.put("/noise.tif", data)
        url = upstream.url("/noise.tif")
        with running(folder, WEB_CONCURRENCY="2", TILERY_SOURCES=upstream.root) as server:
            # every worker opens the file with a request for its beginning
            until(lambda: asyncio.run(at_once(server.port, [f"/cog/info?url={url}"] * 8)) and opened(upstream) == 2)
            facts = json.loads(server.get(f"/cog/WebMercatorQuad/tilejson.json?url={url}")[2])
            west, south, east, north = facts["bounds"]
            z = facts["maxzoom"]
            (left, top), (right, bottom) = at(z, west, north), at(z, east, south)
            found = [(x, y) for y in range(top, bottom + 1) for x in range(left, right + 1)]
            assert len(found) > 30
            paths = [f"/cog/tiles/WebMercatorQuad/{z}/{x}/{y}.png?url={url}" for x, y in found]
            answers = asyncio.run(at_once(server.port, paths))
            assert {status for status, _ in answers} == {200}
    # without what each worker reads of the header
    fetched = sorted(asked for asked in upstream.ranges if asked and asked[1] - asked[0] > 100_000)
    assert (
        sum(last - first + 1 for first, last in fetched) >= noise.nbytes
    )  # each block of it, which nothing made smaller
    assert all(last < first for (_, last), (first, _) in pairwise(fetched))  # no byte twice


def test_a_tile_that_one_worker_made_is_kept_for_all(folder: Path) -> None:
    with running(folder, WEB_CONCURRENCY="2") as server:
        status, headers, _ = server.get(tile(folder))
        assert (status, headers["x-cache"]) == (200, "miss")

        def all_have_answered() -> bool:
            answers = asyncio.run(at_once(server.port, [tile(folder)] * 20))
            assert {(status, headers["x-cache"]) for status, headers in answers} == {(200, "hit")}
            return len(server.workers()) == 2 and all(map(has_open, server.workers()))

        def has_open(pid: int) -> bool:
            return any(link.readlink().name == "rgb.tif" for link in Path(f"/proc/{pid}/fd").iterdir())

        until(all_have_answered)


def test_workers_count_the_requests_of_a_caller_together(folder: Path) -> None:
    """Those that come after a worker that died too; and paths come as they were written."""
    url = str(folder / "gradient.tif")
    key = {"id": "k", "secret": "s" * 32}
    signature = signatures.sign(SigningKey(id="k", secret=b"s" * 32), f"source:{url}", 4102444800)
    query = f"url={quote(url)}&access_signature={signature}"
    environ = {
        "TILERY_ACCESS": json.dumps({"keys": [key]}),
        "TILERY_CLIENT_RATE": "0.0001",
        "TILERY_CLIENT_BURST": "30",
    }
    with running(folder, WEB_CONCURRENCY="2", **environ) as server:
        until(lambda: len(server.workers()) == 2)
        odd = [f"/cog/%2e%2e/layers?{query}", f"//cog/info?{query}", f"/cog/../layers/x?{query}", f"/COG/info?{query}"]
        assert {status for status, _ in asyncio.run(at_once(server.port, odd))} == {401}
        answers = asyncio.run(at_once(server.port, [f"/cog/info?{query}"] * 60))
        assert Counter(status for status, _ in answers) == {200: 26, 429: 34}
        assert all(int(headers["retry-after"]) > 1000 for status, headers in answers if status == 429)
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(server.workers()) == 2 and victim not in server.workers())
        assert server.get(f"/cog/info?{query}")[0] == 429
        assert server.get("/healthz")[0] == 200
