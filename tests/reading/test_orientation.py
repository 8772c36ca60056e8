"""Rasters whose rows or columns run the other way, or are turned: every picture has north up, and nothing squashed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine

from tests.support import exact, rasters, service

LEFT, BOTTOM, RIGHT, TOP = 500000.0, 5000000.0, 502560.0, 5003840.0
DATA = (np.arange(384, dtype="int32")[:, None] * 1000 + np.arange(256, dtype="int32")[None, :])[None]
"""Every pixel another value, as the raster is north-up."""
NORTH = Affine(10, 0, LEFT, 0, -10, TOP)
TURNED = {
    "south": (DATA[:, ::-1], Affine(10, 0, LEFT, 0, 10, BOTTOM)),
    "west": (DATA[:, :, ::-1], Affine(-10, 0, RIGHT, 0, -10, TOP)),
    "both": (DATA[:, ::-1, ::-1], Affine(-10, 0, RIGHT, 0, 10, BOTTOM)),
    "transposed": (DATA.transpose(0, 2, 1), Affine(0, 10, LEFT, -10, 0, TOP)),
}


def write(folder: Path, kind: str, *, tiled: bool) -> Path:
    data, transform = TURNED[kind]
    return rasters.write(
        folder / "raster.tif",
        np.ascontiguousarray(data),
        crs="EPSG:32631",
        transform=transform,
        nodata=-1,
        tiled=tiled,
        overviews=(),
    )


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("kind", TURNED)
def test_it_is_answered_as_the_same_raster_north_up(tmp_path: Path, kind: str, tiled: bool) -> None:
    client = service.client(tmp_path)
    url = {"url": str(write(tmp_path, kind, tiled=tiled))}
    info = client.get("/cog/info", params=url).json()
    assert info["bounds"] == [LEFT, BOTTOM, RIGHT, TOP]
    whole, valid = service.array(client.get("/cog/preview.npy", params=url).content)
    assert valid.all()
    assert np.array_equal(whole, DATA)
    own = {**url, "coord_crs": "EPSG:32631", "dst_crs": "EPSG:32631"}
    part = client.get(f"/cog/bbox/{LEFT},{BOTTOM},{LEFT + 640},{TOP - 1280}.npy", params=own)
    assert np.array_equal(service.array(part.content)[0], DATA[:, 128:, :64])
    lon, lat = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(LEFT + 1005, TOP - 2005)
    assert client.get(f"/cog/point/{lon},{lat}", params=url).json()["values"] == [200100]
    tile = exact.tile_of(lon, lat, 15)
    answer = client.get("/cog/tiles/WebMercatorQuad/{}/{}/{}.npy".format(*tile), params=url)
    assert answer.status_code == 200, answer.text
    values, ok, sure = exact.nearest(DATA, NORTH, "EPSG:32631", exact.tile_bounds(*tile))
    found, found_ok = service.array(answer.content)
    # GDAL's warper misses positions by up to an eighth of a pixel.
    most = 0 if tiled else 0.06
    assert ((found_ok != ok) & sure).mean() <= most
    assert ((found[0] != values[0]) & ok & sure).mean() <= most


@pytest.mark.parametrize("kind", TURNED)
def test_its_preview_says_where_it_is(tmp_path: Path, kind: str) -> None:
    url = {"url": str(write(tmp_path, kind, tiled=True))}
    answer = service.client(tmp_path).get("/cog/preview.tif", params=url)
    with rasterio.MemoryFile(answer.content) as memory, memory.open() as picture:
        assert tuple(picture.transform)[:6] == tuple(NORTH)[:6]
        assert np.array_equal(picture.read()[:1], DATA)


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326"])
@pytest.mark.parametrize(
    "transform",
    [
        Affine(2.974, -1.717, 500000, -1.717, -2.974, 5000000),
        Affine(0, 3, 500000, 3, 0, 5000000),
        Affine(3, 1.2, 500000, 0, -3, 5000000),
        Affine(3, 0, 500000, 0.7, -3, 5000000),
        Affine(3, 1e-7, 500000, -2e-7, -3, 5000000),
    ],
)
def test_a_turned_raster_keeps_its_proportions(tmp_path: Path, transform: Affine, crs: str) -> None:
    data = np.random.default_rng(1).integers(1, 60000, (1, 200, 300), dtype="uint16")
    file = rasters.write(tmp_path / "raster.tif", data, crs="EPSG:32631", transform=transform, nodata=0, overviews=())
    client = service.client(tmp_path)
    params = {"url": str(file), "dst_crs": crs}
    answer = client.get("/cog/preview.tif", params=params)
    with rasterio.MemoryFile(answer.content) as memory, memory.open() as picture:
        bounds, size, values = picture.bounds, picture.shape, picture.read()[:1]
    expected, valid, sure = exact.nearest(data, transform, "EPSG:32631", tuple(bounds), dst_crs=crs, size=size)
    assert np.array_equal(values[:, valid & sure], expected[:, valid & sure])
    # Its pixels are squares of the raster's own size: nothing is squashed.
    across, down = (bounds.right - bounds.left) / size[1], (bounds.top - bounds.bottom) / size[0]
    assert across == pytest.approx(down, rel=0.02)
    if crs == "EPSG:32631":
        assert across == pytest.approx(abs(transform.determinant) ** 0.5, rel=0.1)
    small = service.array(client.get("/cog/preview.npy", params={**params, "max_size": 64}).content)[0]
    assert max(small.shape[1:]) == 64
    assert small.shape[1] / small.shape[2] == pytest.approx(size[0] / size[1], rel=0.05)


def test_a_polygon_on_a_raster_that_runs_west(tmp_path: Path) -> None:
    url = {"url": str(write(tmp_path, "west", tiled=True)), "coord_crs": "EPSG:32631", "dst_crs": "EPSG:32631"}
    ring = [[LEFT, BOTTOM], [LEFT + 500, BOTTOM], [LEFT + 500, BOTTOM + 500], [LEFT, BOTTOM + 500], [LEFT, BOTTOM]]
    body = json.dumps({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    answer = service.client(tmp_path).post(
        "/cog/feature.npy", params=url, content=body, headers={"content-type": "application/json"}
    )
    assert np.array_equal(service.array(answer.content)[0], DATA[:, 334:, :50])


@pytest.mark.parametrize("kind", ["nodata", "mask", "alpha"])
def test_a_picture_that_is_placed_nowhere_has_its_first_row_on_top(tmp_path: Path, kind: str) -> None:
    values = np.repeat(np.arange(1, 65, dtype="uint8")[:, None], 32, axis=1)
    missing = np.zeros(values.shape, bool)
    missing[:16, :8] = True
    data = np.where(missing, 0, values)[None].astype("uint8")
    more: dict[str, Any] = {"nodata": 0}
    if kind == "mask":
        more = {"mask": ~missing}
    elif kind == "alpha":
        data, more = np.stack([values, np.where(missing, 0, 255).astype("uint8")]), {"alpha": True}
    path = rasters.write(tmp_path / "photo.tif", data, crs=None, bounds=None, overviews=(), **more)
    with service.client(tmp_path) as client:
        found = client.get("/cog/preview.npy", params={"url": str(path)})
        at = client.get("/cog/point/10.5,2.5", params={"url": str(path)}).json()["values"]
        (tmp_path / "copy.tif").write_bytes(client.get("/cog/preview.tif", params={"url": str(path)}).content)
    shown, valid = service.array(found.content)
    assert (valid == ~missing).all()
    assert (shown[0] == values)[valid].all()
    assert at == [3]
    with rasterio.open(tmp_path / "copy.tif") as copy:
        assert (copy.read(1) == values)[~missing].all()
        assert copy.transform.e == 1
