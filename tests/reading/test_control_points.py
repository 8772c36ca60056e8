"""Rasters that ground control points place: where the way between these is bent, so is what is read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from tests.support import exact, rasters, service

SIDE = 300
Place = Callable[[Any, Any], tuple[Any, Any]]


def bowed(column: Any, row: Any) -> tuple[Any, Any]:
    """Return longitude and latitude by polynomials of order 2."""
    return 8 + column * 0.002 + (row / SIDE) ** 2 * 0.05, 47 - row * 0.002 + (column / SIDE) ** 2 * 0.05


def waved(column: Any, row: Any) -> tuple[Any, Any]:
    """Return the same in waves, which no polynomial of order 2 follows."""
    c, r = column / SIDE, row / SIDE
    return 8 + 0.6 * c + 0.05 * np.sin(3 * r) + 0.02 * np.sin(5 * c), 47 - 0.6 * r + 0.04 * np.sin(4 * c)


def write(path: Path, place: Place, side: int, *, crs: str | None = "EPSG:4326", **options: Any) -> Path:
    """Return bands hold the longitude and the latitude of each pixel."""
    columns, rows = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    points = [
        GroundControlPoint(row=float(row), col=float(column), x=float(x), y=float(y))
        for row in np.linspace(0, SIDE, side)
        for column in np.linspace(0, SIDE, side)
        for x, y in [place(column, row)]
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rasters.write(
            path,
            np.stack(place(columns, rows)).astype("float64"),
            gcps=(points, CRS.from_user_input(crs) if crs else CRS()),
            **options,
        )


@pytest.mark.parametrize("nodata", [-99.0, None])
@pytest.mark.parametrize("overviews", [(), (2, 4)])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "average", "gauss"])
@pytest.mark.parametrize(("place", "side", "apart"), [(bowed, 5, 1.2), (waved, 9, 1.2)])
def test_tiles_follow_the_points(
    tmp_path: Path, place: Place, side: int, apart: float, method: str, overviews: Any, nodata: float | None
) -> None:
    path = write(tmp_path / "raster.tif", place, side, nodata=nodata, overviews=overviews)
    client = service.client(tmp_path)
    for zoom in (11, 9):
        lon, lat = place(170.0, 120.0)
        tile = exact.tile_of(lon, lat, zoom)
        answer = client.get(
            "/cog/tiles/WebMercatorQuad/{}/{}/{}.npy".format(*tile),
            params={
                "url": str(path),
                "resampling": method,
                "reproject": "bilinear" if method == "bilinear" else "nearest",
            },
        )
        assert answer.status_code == 200, answer.text
        data, valid = service.array(answer.content)
        left, bottom, right, top = exact.tile_bounds(*tile)
        xs = left + (np.arange(256) + 0.5) * (right - left) / 256
        ys = top - (np.arange(256) + 0.5) * (top - bottom) / 256
        longitudes = np.degrees(xs / 6378137.0)[None, :]
        latitudes = np.degrees(2 * np.arctan(np.exp(ys / 6378137.0)) - np.pi / 2)[:, None]
        assert valid.any()
        # In pixels of the raster, and of the tile where those are larger.
        pixel = max(0.002, 360 / 2**zoom / 256) * (1.3 if method == "gauss" else 1.0)  # which gathers from farther
        if overviews:
            pixel *= 2
        assert np.abs(data[0] - longitudes)[valid].max() < apart * pixel
        assert np.abs(data[1] - latitudes)[valid].max() < apart * pixel


def test_a_box_and_a_point_follow_them_as_well(tmp_path: Path) -> None:
    path = write(tmp_path / "raster.tif", waved, 9, overviews=())
    client = service.client(tmp_path)
    lon, lat = waved(170.0, 120.0)
    values = client.get(f"/cog/point/{lon},{lat}", params={"url": str(path)}).json()["values"]
    assert values == pytest.approx([lon, lat], abs=0.004)
    box = client.get(
        f"/cog/bbox/{lon - 0.02},{lat - 0.02},{lon + 0.02},{lat + 0.02}.npy",
        params={"url": str(path), "width": 20, "height": 20},
    )
    data, valid = service.array(box.content)
    assert valid.all()
    assert np.abs(data[0] - (lon - 0.02 + (np.arange(20) + 0.5) * 0.002)[None, :]).max() < 0.004


def test_opacity_goes_with_them(tmp_path: Path) -> None:
    columns = np.meshgrid(np.arange(SIDE), np.arange(SIDE))[0]
    points = [
        GroundControlPoint(row=float(row), col=float(column), x=float(x), y=float(y))
        for row in (0, 150, 300)
        for column in (0, 100, 200, 300)
        for x, y in [bowed(column, row)]
    ]
    alpha = np.where(columns < 150, 255, 0)
    data = np.stack([np.full(columns.shape, 7), alpha]).astype("uint8")
    path = rasters.write(tmp_path / "a.tif", data, gcps=(points, CRS.from_epsg(4326)), alpha=True, overviews=())
    client = service.client(tmp_path)
    for column, expected in ((75, [7]), (225, [None])):
        lon, lat = bowed(column, 150)
        assert client.get(f"/cog/point/{lon},{lat}", params={"url": str(path)}).json()["values"] == expected


def test_points_that_are_in_no_crs_place_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "raster.tif", bowed, 4, crs=None)
    client = service.client(tmp_path)
    for route in (
        "WebMercatorQuad/tilejson.json",
        "WMTSCapabilities.xml",
        "WebMercatorQuad/map.html",
        "tiles/WebMercatorQuad/0/0/0.png",
        "tiles",
    ):
        answer = client.get(f"/cog/{route}", params={"url": str(path)})
        assert 400 <= answer.status_code < 500, answer.text
    assert client.get("/cog/preview.npy", params={"url": str(path)}).status_code < 500
