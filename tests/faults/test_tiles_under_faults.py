"""What a map gets while its store fails: the right tile, or a word of why there is none. Never a blank or mixed one.

Each is tried by HTTP and by S3's protocol, with a raster that our own reader reads and one that GDAL does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.support import rasters, service
from tests.support.upstream import Fault, Upstream
from tilery.storage import stores
from tilery.storage.bytes import retrying
from tilery.storage.bytes.remote import HEAD

SIZE = 768
TILE = "/cog/tiles/WebMercatorQuad/10/536/362.npy"
"""Lies within the raster, whose pixels it shows about one to one."""
KEY = "/rasters/a.tif"


@pytest.fixture(params=["http", "s3"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["ours", "gdal"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], bytes]:
    """What makes a raster's file around a value. Noise does not compress: no tile's blocks come with the header."""

    def made(value: int) -> bytes:
        noise = np.random.default_rng(value).integers(0, 3, (4, SIZE, SIZE), "uint8") * 80 + value
        tiled = request.param == "ours"
        path = rasters.write(tmp_path / f"{value}.tif", noise, tiled=tiled, overviews=())
        found = path.read_bytes()
        assert len(found) > 4 * HEAD
        return found

    return made


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setattr(retrying, "PAUSE", 0.005)
    with Upstream() as server:
        yield server


@pytest.fixture
def client(upstream: Upstream, protocol: str) -> Iterator[TestClient]:
    entry = upstream.root if protocol == "http" else "s3://rasters/"
    with service.client(
        entry, s3_endpoint=upstream.root.rstrip("/"), s3_anonymous=True, fetch_retries=3, revalidate_seconds=60.0
    ) as found:
        yield found


@pytest.fixture
def url(upstream: Upstream, protocol: str) -> str:
    return upstream.url(KEY) if protocol == "http" else f"s3:/{KEY}"


def values(body: bytes) -> set[int]:
    """Return the values of the tile modulo what makes up its noise, all of whose pixels have to be there."""
    pixels, mask = service.array(body)
    assert mask.all()
    return {int(value) % 80 for value in np.unique(pixels)}


def test_a_connection_cut_in_the_middle_never_makes_a_tile(
    upstream: Upstream, client: TestClient, url: str, data: Callable[[int], bytes]
) -> None:
    upstream.put(KEY, data(1))
    assert client.get("/cog/info", params={"url": url}).status_code == 200
    upstream.always = Fault(drop_after=5000)
    for _ in range(2):
        failed = client.get(TILE, params={"url": url})
        assert failed.status_code in (502, 504), failed.text
        assert failed.headers["cache-control"] == "no-store"
        assert failed.json()["code"].startswith("upstream")
    upstream.always = None
    found = client.get(TILE, params={"url": url})
    assert (found.status_code, values(found.content)) == (200, {1})


def test_a_burst_of_a_busy_store_is_survived(
    upstream: Upstream, client: TestClient, url: str, data: Callable[[int], bytes]
) -> None:
    upstream.put(KEY, data(1))
    busy = [Fault(status=503), Fault(status=429), Fault(status=500)]
    upstream.play(*busy, None, *busy)
    found = client.get(TILE, params={"url": url})
    assert (found.status_code, values(found.content)) == (200, {1})


@pytest.mark.parametrize(("reads", "ignorant"), [(0, False), (0, True), (1, False)])
def test_an_object_that_is_replaced_while_a_tile_is_made_is_never_mixed(
    upstream: Upstream, client: TestClient, url: str, data: Callable[[int], bytes], reads: int, ignorant: bool
) -> None:
    """Replaced before the first of the tile's ranges is read, or between two; by servers without conditions, too."""
    new = data(2)
    upstream.put(KEY, data(1))
    assert client.get("/cog/info", params={"url": url}).status_code == 200
    if ignorant:
        upstream.always = Fault(ignore_conditions=True)
    upstream.play(*[None] * reads, Fault(ignore_conditions=ignorant, before=lambda: upstream.put(KEY, new)))
    found = client.get(TILE, params={"url": url})
    assert (found.status_code, values(found.content)) == (200, {2})


def test_what_was_missing_is_found_soon_after_it_was_put(
    upstream: Upstream, client: TestClient, url: str, data: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stores.FORGET_MISSING <= 5
    monkeypatch.setattr(stores, "FORGET_MISSING", 0.05)
    assert client.get(TILE, params={"url": url}).status_code == 404
    upstream.put(KEY, data(1))
    patience = time.monotonic() + 20
    while (found := client.get(TILE, params={"url": url})).status_code == 404:
        assert time.monotonic() < patience
    assert values(found.content) == {1}
