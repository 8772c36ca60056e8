"""Coordinate reference systems as callers write them: what has no meaning is told, never a failure of the server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio.crs

from tests.support import rasters, service
from tilery.errors import InvalidParameter, UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Crs

MARS = "IAU_2015:49910"
GEOGRAPHIC = (
    'GEOGCS["x",DATUM["y",SPHEROID["z",6378137,298]{}],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]'
)
PROJECTED = (
    f'PROJCS["a",{GEOGRAPHIC.format("")},PROJECTION["Mercator_1SP"],UNIT["metre",1],EXTENSION["PROJ4","+proj=merc ?"]]'
)
NAMING_FILES = [
    "+proj=longlat +ellps=clrk66 +nadgrids={} +type=crs",
    "+proj=longlat +ellps=clrk66 +nadgrids=@null,{}",
    "+proj=longlat +datum=WGS84 +geoidgrids={} +vunits=m +type=crs",
    "+proj=utm +zone=32 +ellps=clrk66 +nadgrids = {}",
    "+proj=defmodel +model={} +type=crs",
    "+proj=tinshift +file={} +type=crs",
    "+init={}:root",
    GEOGRAPHIC.format(',EXTENSION["PROJ4_GRIDS","{}"]'),
    PROJECTED.replace("?", "+nadgrids={}"),
]
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


@pytest.mark.parametrize("text", NAMING_FILES)
def test_no_crs_makes_proj_open_a_file(text: str) -> None:
    for path in ("/etc/passwd", "/dev/zero", "../secret", "~/secret", "https://127.0.0.1/a"):
        with pytest.raises(InvalidParameter):
            crs_.parse(text.replace("{}", path))


def test_nor_does_wkt_of_2019_or_json() -> None:
    bound = pyproj.CRS.from_user_input(NAMING_FILES[0].replace("{}", "/etc/passwd"))
    for text in (bound.to_wkt(), bound.to_wkt(pretty=True), bound.to_json()):
        assert "/etc/passwd" in text
        with pytest.raises(InvalidParameter):
            crs_.parse(text)


def test_nor_does_a_raster() -> None:
    hostile = rasterio.crs.CRS.from_wkt(NAMING_FILES[-1].replace("{}", "/etc/passwd"))
    with pytest.raises(UnsupportedRaster):
        crs_.from_rasterio(hostile)


@pytest.mark.filterwarnings("ignore:'.init=<authority>")
def test_what_names_no_path_is_taken() -> None:
    web_mercator = "+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +k=1 +units=m +nadgrids=@null +no_defs"
    for text in (
        web_mercator,
        pyproj.CRS("EPSG:3857").to_wkt("WKT1_GDAL"),
        "+init=epsg:4326",
        "+init=epsg:32632 +no_defs",
    ):
        assert crs_.parse(text)
    assert crs_.parse("+proj=longlat +ellps=clrk66 +nadgrids=conus,@alaska +type=crs")


AXES = (4326, 4258, 3857, 3035, 2193, 5041, 32661, 3031, 5042, 31467, 2056, 27700, 32632, 2154, 3978, 21781, 4979, 3413)


@pytest.mark.parametrize("code", AXES)
def test_northing_first_is_what_the_definition_says(code: int) -> None:
    area = pyproj.CRS.from_epsg(code).area_of_use
    assert area is not None
    lon, lat = area.west + 0.4 * ((area.east - area.west) % 360 or 360), area.south + 0.4 * (area.north - area.south)
    orders = [pyproj.Transformer.from_crs("OGC:CRS84", f"EPSG:{code}", always_xy=fixed) for fixed in (True, False)]
    x_first, defined = (transformer.transform(lon, lat) for transformer in orders)
    assert crs_.northing_first(Crs(f"EPSG:{code}")) == (not np.allclose(x_first, defined))


def test_crs84_has_longitude_first() -> None:
    assert not crs_.northing_first(Crs("OGC:CRS84"))


@pytest.mark.parametrize("text", ["foo bar", "x" * 8000, "FOO[bar", "EPSG:foo bar", "WGS 84", "a+b", "", "é"])
def test_a_name_is_refused_without_a_search_for_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PROJ would look through all of its database, for up to a second and with the interpreter's lock held."""
    asked: list[str] = []
    monkeypatch.setattr(pyproj.CRS, "from_user_input", asked.append)
    with pytest.raises(InvalidParameter):
        crs_.parse(text)
    assert asked == []


def test_a_failure_is_remembered_too_and_no_more_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    known = pyproj.CRS.from_user_input

    def noted(text: str) -> pyproj.CRS:
        asked.append(text)
        return known(text)

    monkeypatch.setattr(pyproj.CRS, "from_user_input", noted)
    for _ in range(3):
        with pytest.raises(InvalidParameter) as refused:
            crs_.parse("EPSG:987654", "coord_crs")
        assert refused.value.parameter == "coord_crs"
    assert asked == ["EPSG:987654"]
    limit = crs_._parsed.cache_info().maxsize
    assert limit is not None
    assert limit * crs_.LONGEST < 8 << 20


@pytest.mark.parametrize(
    "text",
    [
        "3857", "epsg:3857", "[EPSG:3857]", "urn:ogc:def:crs:EPSG::3857", "http://www.opengis.net/def/crs/EPSG/0/3857",
        "EPSG:3857+5773",
    ],
)  # fmt: skip
def test_every_other_spelling_is_taken(text: str) -> None:
    assert crs_.parse(text) == "EPSG:3857"


def test_definitions_are_taken() -> None:
    mercator = pyproj.CRS("EPSG:3857")
    for text in (mercator.to_wkt(), mercator.to_wkt("WKT1_GDAL"), mercator.to_wkt("WKT1_ESRI"), mercator.to_json()):
        assert crs_.to_pyproj(crs_.parse(text)).to_epsg(min_confidence=20) == 3857
    assert crs_.to_pyproj(crs_.parse("+proj=utm +zone=33")).utm_zone == "33N"
    assert crs_.to_pyproj(crs_.parse("proj=utm zone=33")).utm_zone == "33N"


@pytest.mark.parametrize("text", ["EPSG:5773", "EPSG:4978", "http://www.opengis.net/def/crs/EPSG/0/5773"])
def test_heights_and_positions_in_space_are_no_crs_of_maps(text: str) -> None:
    with pytest.raises(InvalidParameter):
        crs_.parse(text)
