"""Heights in a coordinate reference system say nothing about where a pixel is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio.crs
from affine import Affine

from tests.support import exact, rasters, service
from tilery.errors import InvalidParameter, UnsupportedRaster
from tilery.geo import crs as crs_

COMPOUND = {
    "EPSG:9518": ("EPSG:4326", (5.0, 44.0, 5.17, 44.15)),
    "EPSG:9707": ("EPSG:4326", (5.0, 44.0, 5.17, 44.15)),
    "EPSG:5498": ("EPSG:4269", (-105.0, 40.0, -104.83, 40.15)),
    "EPSG:6349": ("EPSG:6318", (-105.0, 40.0, -104.83, 40.15)),
    "EPSG:6697": ("EPSG:6668", (139.0, 35.0, 139.17, 35.15)),
    "EPSG:4979": ("EPSG:4326", (5.0, 44.0, 5.17, 44.15)),
    "EPSG:7405": ("EPSG:27700", (400000.0, 300000.0, 417000.0, 315000.0)),
    "EPSG:3857+5773": ("EPSG:3857", (500000.0, 5000000.0, 517000.0, 5015000.0)),
    "EPSG:25832+7837": ("EPSG:25832", (500000.0, 5200000.0, 517000.0, 5215000.0)),
}
NO_PLANE = ["EPSG:5773", "EPSG:4978"]
"""Heights alone, and positions in space."""


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("crs", COMPOUND)
def test_a_raster_lies_where_the_horizontal_part_says(tmp_path: Path, crs: str, tiled: bool) -> None:
    flat, bounds = COMPOUND[crs]
    data = np.random.default_rng(1).integers(1, 30000, (1, 150, 170), dtype="int16")
    file = rasters.write(tmp_path / "raster.tif", data, crs=crs, bounds=bounds, nodata=0, tiled=tiled)
    client = service.client(tmp_path)
    left, bottom, right, top = bounds
    to = pyproj.Transformer.from_crs(flat, 4326, always_xy=True)
    lon, lat = to.transform((left + right) / 2, (bottom + top) / 2)
    tile = exact.tile_of(lon, lat, 13)
    answer = client.get("/cog/tiles/WebMercatorQuad/{}/{}/{}.npy".format(*tile), params={"url": str(file)})
    assert answer.status_code == 200, answer.text
    transform = Affine((right - left) / 170, 0, left, 0, (bottom - top) / 150, top)
    exact.assert_shows(service.array(answer.content), exact.nearest(data, transform, flat, exact.tile_bounds(*tile)))
    for path in ("preview.npy?dst_crs=EPSG:3857", "WMTSCapabilities.xml?", "WebMercatorQuad/map.html?", "stac?"):
        assert client.get(f"/cog/{path}&url={file}").status_code == 200, path
    found = client.get("/cog/WebMercatorQuad/tilejson.json", params={"url": str(file)}).json()
    assert found["bounds"] == pytest.approx(to.transform_bounds(*bounds), abs=1e-6)
    info = client.get("/cog/info", params={"url": str(file)}).json()
    assert info["crs"] == "http://www.opengis.net/def/crs/{}/0/{}".format(*flat.split(":"))


@pytest.mark.parametrize("crs", COMPOUND)
def test_so_does_an_output_in_one(crs: str) -> None:
    assert crs_.parse(crs) == COMPOUND[crs][0]


@pytest.mark.parametrize("crs", NO_PLANE)
def test_what_has_no_horizontal_part_is_no_output(crs: str) -> None:
    with pytest.raises(InvalidParameter):
        crs_.parse(crs)


@pytest.mark.parametrize("crs", NO_PLANE)
def test_nor_does_it_place_a_raster(crs: str) -> None:
    assert crs_.from_rasterio(rasterio.crs.CRS.from_user_input(crs)) is None


def test_a_projection_that_has_no_way_back_is_told(tmp_path: Path) -> None:
    file = rasters.gradient(tmp_path / "raster.tif", crs="+proj=bertin1953 +type=crs", bounds=(0, 0, 1e6, 1e6))
    answer = service.client(tmp_path).get("/cog/tiles/WebMercatorQuad/0/0/0.png", params={"url": str(file)})
    assert 400 <= answer.status_code < 500, answer.text


def test_an_error_of_proj_is_an_answer() -> None:
    with pytest.raises(UnsupportedRaster):
        crs_.transform_points(crs_.parse("+proj=bertin1953 +type=crs"), crs_.WGS84, [0.0], [0.0])
