"""How many requests a tile costs: the header and the blocks that it needs, nothing twice, and side by side."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import morecantile
import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy
from starlette.testclient import TestClient

from tests.support import items, rasters, service
from tests.support.upstream import Fault, Upstream
from tilery.storage.bytes.remote import HEAD

TMS = morecantile.tms.get("WebMercatorQuad")
TILE = TMS.tile(8.5, 46.5, 10)
BLOCK = 256
ACROSS = 4
"""Tiles, and blocks, of a raster along each side."""


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A COG of noise whose blocks are the tiles of zoom 10."""
    corner = TMS.xy_bounds(TILE)
    side = corner.right - corner.left
    bounds = (corner.left, corner.top - ACROSS * side, corner.left + ACROSS * side, corner.top)
    noise = np.random.default_rng(1).integers(1, 255, (1, ACROSS * BLOCK, ACROSS * BLOCK), "uint8")
    folder = tmp_path_factory.mktemp("counts")
    plain = rasters.write(folder / "plain.tif", noise, crs="EPSG:3857", bounds=bounds, overviews=())
    return cog(plain, folder / "aligned.tif")


def cog(plain: Path, path: Path) -> bytes:
    """Return the same raster, written by GDAL's driver for COGs."""
    copy(plain, path, driver="COG", blocksize=BLOCK, compress="deflate", overview_resampling="nearest")
    found = path.read_bytes()
    assert len(found) > 8 * HEAD
    return found


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A raster of noise in degrees, whose blocks are not the tiles'."""
    noise = np.random.default_rng(2).integers(1, 255, (1, 2048, 2048), "uint8")
    folder = tmp_path_factory.mktemp("counts")
    return cog(rasters.write(folder / "plain.tif", noise, overviews=()), folder / "degrees.tif")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(params=["s3", "http"])
def root(request: pytest.FixtureRequest, upstream: Upstream) -> str:
    return "s3://scenes" if request.param == "s3" else upstream.url("/scenes")


@pytest.fixture
def client(upstream: Upstream) -> Iterator[TestClient]:
    """A service that reads from the server by S3's protocol and by HTTP, and checks nothing meanwhile."""
    s3 = {"s3_endpoint": upstream.root.rstrip("/"), "s3_anonymous": True}
    with service.client("s3://scenes/", upstream.root, **s3, revalidate_seconds=600.0, read_timeout=30.0) as found:
        yield found


def tile(client: TestClient, family: str, dx: int, dy: int, **query: Any) -> None:
    place = f"{TILE.z}/{TILE.x + dx}/{TILE.y + dy}"
    answer = client.get(f"/{family}/tiles/WebMercatorQuad/{place}.png", params=query)
    assert answer.status_code == 200, answer.text


def test_the_first_tile_costs_two_requests_and_the_next_its_blocks(
    upstream: Upstream, client: TestClient, root: str, aligned: bytes
) -> None:
    upstream.put("/scenes/a.tif", aligned)
    query = {"url": f"{root}/a.tif"}
    for (dx, dy), count in (((2, 1), 2), ((2, 1), 0), ((3, 1), 1), ((2, 2), 1), ((3, 2), 1)):
        upstream.forget()
        tile(client, "cog", dx, dy, **query)
        assert len(upstream.requests) == count, (dx, dy)


def test_no_byte_is_fetched_twice(upstream: Upstream, client: TestClient, root: str, elsewhere: bytes) -> None:
    """Tiles side by side share blocks where those are not the tiles'."""
    upstream.put("/scenes/a.tif", elsewhere)
    for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1)):
        tile(client, "cog", dx, dy, url=f"{root}/a.tif")
    found = sorted(one for one in upstream.ranges if one is not None)
    assert len(found) == len(upstream.requests)
    overlaps = [(one, other) for one, other in itertools.pairwise(found) if other[0] <= one[1]]
    assert overlaps == []


def test_assets_of_an_item_cost_two_requests_each_side_by_side(
    upstream: Upstream, client: TestClient, root: str, aligned: bytes
) -> None:
    names = ("red", "green", "blue")
    item = items.item(*names)
    upstream.put("/scenes/item.json", json.dumps(item).encode())
    for name in names:
        upstream.put(f"/scenes/{name}.tif", aligned)
    query: dict[str, Any] = {"url": f"{root}/item.json", "assets": names}
    upstream.latency = 0.1
    tile(client, "stac", 2, 1, **query)
    upstream.latency = 0.0
    targets = [request.target for request in upstream.requests]
    assert sorted(targets) == sorted(["/scenes/item.json", *(f"/scenes/{name}.tif" for name in names for _ in "12")])
    assert targets[0] == "/scenes/item.json"
    assert upstream.busiest == len(names)
    upstream.forget()
    tile(client, "stac", 3, 1, **query)
    assert len(upstream.requests) == len(names)


def test_a_long_header_that_an_item_tells_of_is_fetched_at_once(
    upstream: Upstream, client: TestClient, root: str, tmp_path: Path
) -> None:
    """Of 16,384 small blocks: where each of them lies takes more than what opening fetches otherwise."""
    noise = np.random.default_rng(4).integers(1, 255, (1, 2048, 2048), "uint8")
    path = rasters.write(tmp_path / "small.tif", noise, block=16, overviews=())
    upstream.put("/scenes/small.tif", path.read_bytes())
    with rasterio.open(path) as opened:
        header = min(int(opened.get_tag_item(f"BLOCK_OFFSET_{x}_0", "TIFF", bidx=1)) for x in range(128))
    counts = []
    for said in ({}, {"file:header_size": header}):
        assets = {"a": {"href": "./small.tif", "type": items.COG, **said}}
        upstream.put("/scenes/item.json", json.dumps(items.item(assets=assets)).encode())
        with service.client(
            "s3://scenes/", upstream.root, s3_endpoint=upstream.root.rstrip("/"), s3_anonymous=True
        ) as new:
            upstream.forget()
            tile(new, "stac", 0, 0, url=f"{root}/item.json", assets="a")
        ranges = [request.range for request in upstream.requests if request.target == "/scenes/small.tif"]
        counts.append(sum(one is not None and one[0] < header for one in ranges))
    assert header > HEAD
    assert counts[0] > 1 == counts[1]


def test_a_redirect_costs_one_request_for_all_tiles(upstream: Upstream, client: TestClient, aligned: bytes) -> None:
    upstream.put("/stored/a.tif", aligned)
    upstream.play(Fault(location="/stored/a.tif"))
    for dx, dy in ((2, 1), (3, 1), (2, 2)):
        tile(client, "cog", dx, dy, url=upstream.url("/releases/a.tif"))
    targets = [request.target for request in upstream.requests]
    assert targets == ["/releases/a.tif", *["/stored/a.tif"] * 4]


def test_what_one_signature_has_fetched_answers_for_no_other(
    client: TestClient, upstream: Upstream, aligned: bytes
) -> None:
    """Caches answer whoever has the same address; another query is another address, and is asked for by itself."""
    for signature in ("sig=one", "sig=two"):
        upstream.put(f"/scenes/a.tif?{signature}", aligned)
    path = f"/cog/tiles/WebMercatorQuad/{TILE.z}/{TILE.x}/{TILE.y}.png"

    def ask(query: str) -> tuple[int, set[str]]:
        del upstream.requests[:]
        answer = client.get(path, params={"url": upstream.url("/scenes/a.tif") + query})
        return answer.status_code, {request.target for request in upstream.requests}

    first = ask("?sig=one")
    assert first == (200, {"/scenes/a.tif?sig=one"})
    assert ask("?sig=one") == (200, set())
    assert ask("?sig=three") == (404, {"/scenes/a.tif?sig=three"})
    assert ask("") == (404, {"/scenes/a.tif"})
    assert ask("?sig=two") == (200, {"/scenes/a.tif?sig=two"})
