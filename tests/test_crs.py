"""Coordinate reference systems as callers write them: what has no meaning is told, never a failure of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import crs as crs_
from app.errors import UnsupportedRaster
from tests.support import rasters, service

MARS = "IAU_2015:49910"
NOWHERE = 'LOCAL_CS["a floor plan",UNIT["metre",1]]'


@pytest.mark.parametrize("crs", [MARS, NOWHERE])
@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/cog/preview.png", "dst_crs"),
        ("/cog/info.geojson", "crs"),
        ("/cog/bbox/8,46,9,47.png", "coord_crs"),
        ("/cog/bbox/8,46,9,47.png", "dst_crs"),
        ("/cog/point/8.5,46.5", "coord_crs"),
        ("/cog/map", "crs"),
    ],
)
def test_a_crs_that_leads_nowhere_is_the_callers_mistake(tmp_path: Path, path: str, parameter: str, crs: str) -> None:
    file = rasters.gradient(tmp_path / "raster.tif")
    answer = service.client(tmp_path).get(path, params={"url": str(file), parameter: crs})
    assert 400 <= answer.status_code < 500, answer.text


def test_a_raster_of_another_body_has_no_tile_of_this_one(tmp_path: Path) -> None:
    file = rasters.gradient(tmp_path / "raster.tif", crs="IAU_2015:49900")
    answer = service.client(tmp_path).get("/cog/tiles/WebMercatorQuad/8/133/90.png", params={"url": str(file)})
    assert 400 <= answer.status_code < 500, answer.text


def test_no_way_between_two() -> None:
    with pytest.raises(UnsupportedRaster):
        crs_.transform_points(crs_.WGS84, crs_.parse(MARS), [8.0], [46.0])
