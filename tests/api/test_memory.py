"""Requests that would take too much memory are refused before they take it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support import rasters, service

MIB = 1 << 20


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    rasters.gradient(tmp_path / "a.tif", dtype="uint16", count=3)
    with service.client(tmp_path, work_bytes=200 * MIB, max_decoded_bytes=512 * MIB) as found:
        yield found


BLOCKS = ";".join(["b1*1.5"] * 64)
RING = [[8, 46], [9, 46], [9, 47], [8, 47], [8, 46]]
SHAPE = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [RING]}}


@pytest.mark.parametrize(
    "query",
    [
        f"/cog/preview.npy?expression={BLOCKS}&width=2048&height=2048",
        f"/cog/preview.tif?expression={BLOCKS}&width=1024&height=1024",
        "/cog/preview.tif?width=2048&height=2048&unscale=true",
        "/cog/preview.jp2?width=2048&height=2048",
        "/cog/preview.npy?algorithm=std&width=2048&height=2048",
        f"/cog/statistics?expression={BLOCKS}&width=1024&height=1024",
        f"/cog/bbox/8,46,9,47/2048x2048.npy?expression={BLOCKS}",
        f"/cog/map?f=npy&expression={BLOCKS}&width=2048&height=2048",
        f"/cog/tiles/WebMercatorQuad/8/133/90.npy?expression={BLOCKS}&tilesize=2048",
        f"POST /cog/feature.npy?expression={BLOCKS}&width=2048&height=2048",
        f"POST /cog/statistics?expression={BLOCKS}&width=2048&height=2048",
    ],
)
def test_too_much_is_refused_before_it_is_made(client: TestClient, tmp_path: Path, query: str) -> None:
    url = f"url={tmp_path / 'a.tif'}"
    method, _, path = query.rpartition(" ")
    assert client.get(f"/cog/preview.png?max_size=64&{url}").status_code == 200
    tracemalloc.start()
    try:
        found = client.request(method or "GET", f"{path}&{url}", json=SHAPE if method else None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.status_code == 413
    assert found.json()["code"] == "too_much_work"
    assert found.json()["limit"] == 150 * MIB
    assert peak < 20 * MIB


@pytest.mark.parametrize(
    "query",
    [
        "/cog/preview.png?width=2048&height=2048&bidx=1&algorithm=hillshade",
        "/cog/preview.jpg?width=2048&height=2048&rescale=0,1000",
        "/cog/preview.png?width=1500&height=1500&dst_crs=EPSG:3857&resampling=bilinear&reproject=bilinear&bidx=1",
        "/cog/statistics?width=2048&height=2048",
    ],
)
def test_large_pictures_of_daily_use_fit_into_the_smallest_task(client: TestClient, tmp_path: Path, query: str) -> None:
    assert client.get(f"{query}&url={tmp_path / 'a.tif'}").status_code == 200
