"""What a request held goes with it: nothing waits for the interpreter to look for garbage in circles.

Circles would hold bodies, blocks and pictures of requests that are long over, and the look for them stops all others.
"""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest

from app.api.app import Application, create_app
from app.config.settings import Settings
from tests.support import rasters

TIMES = 5
MOST = 40
"""Objects in circles after a request. FastAPI's routes leave some 20; a failure that is not let go of leaves 280."""
BOX = {"type": "Polygon", "coordinates": [[[8.2, 45.2], [9.5, 45.3], [9.4, 46.5], [8.2, 45.2]]]}
FEATURE = json.dumps({"type": "Feature", "properties": {}, "geometry": BOX}).encode()
DEEP = b"[" * 5000

REQUESTS = {
    "tile": ("GET", "/cog/tiles/WebMercatorQuad/12/21{row}/1457.png?rescale=0,256&bidx=1", b"", 200),
    "preview": ("GET", "/cog/preview.jpg?rescale=0,256&bidx=1", b"", 200),
    "info": ("GET", "/cog/info", b"", 200),
    "statistics": ("GET", "/cog/statistics", b"", 200),
    "picture of a polygon": ("POST", "/cog/feature/60x60.png?rescale=0,256&bidx=1", FEATURE, 200),
    "statistics of a polygon": ("POST", "/cog/statistics", FEATURE, 200),
    "outside": ("GET", "/cog/tiles/WebMercatorQuad/9/10/10.png", b"", 404),
    "no such band": ("GET", "/cog/preview.png?bidx=99", b"", 400),
    "no expression": ("GET", "/cog/preview.png?expression=b1*)", b"", 400),
    "broken raster": ("GET", "/cog/info?url={broken}", b"", 422),
    "refused source": ("GET", "/cog/info?url=/etc/passwd", b"", 403),
    "bad body": ("POST", "/cog/feature", DEEP, 422),
    "no such path": ("GET", "/nothing/here", b"", 404),
}


async def ask(app: Application, method: str, target: str, body: bytes) -> int:
    """Return the status of the answer, without a client that would leave circles of its own."""
    path, _, query = target.partition("?")
    statuses: list[int] = []
    bodies = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not bodies:
            await asyncio.Event().wait()
        return bodies.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-length", b"%d" % len(body))],
        "client": ("127.0.0.1", 5555),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await app(scope, receive, send)
    return statuses[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a raster lies, and half of one."""
    found = tmp_path_factory.mktemp("garbage")
    whole = rasters.position(found / "whole.tif", bounds=(8.0, 45.0, 10.0, 47.0), size=256)
    (found / "broken.tif").write_bytes(whole.read_bytes()[:1000])
    return found


@pytest.fixture(scope="module")
def app(folder: Path) -> Application:
    """The service of these."""
    return create_app(Settings(sources=f"{folder}/"))


@pytest.mark.parametrize("name", REQUESTS)
def test_nothing_is_left_in_circles(app: Application, folder: Path, name: str) -> None:
    method, path, body, status = REQUESTS[name]

    async def left_by_each() -> float:
        queries = [path.format(broken=folder / "broken.tif", row=50 + n) for n in range(2 * TIMES)]
        targets = [q if "url=" in q else f"{q}{'&' if '?' in q else '?'}url={folder}/whole.tif" for q in queries]
        for target in targets[:TIMES]:  # what is loaded and made once
            assert await ask(app, method, target, body) == status
        gc.collect()
        gc.disable()
        try:
            for target in targets[TIMES:]:
                await ask(app, method, target, body)
            await asyncio.sleep(0)
            return gc.collect() / TIMES
        finally:
            gc.enable()

    assert asyncio.run(left_by_each()) < MOST
