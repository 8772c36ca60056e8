"""Zooms against arithmetic of the tests' own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.profiles import profile
from tilery.errors import UnsupportedRaster
from tilery.geo.crs import WEB_MERCATOR, WGS84, parse
from tilery.geo.mercator import LATITUDE
from tilery.geo.raster import Crs
from tilery.publishing import zoom
from tilery.publishing.bounds import bounds_of, count_tiles, tile_range
from tilery.publishing.grid import covering, world
from tilery.reading.profile import Profile


def mercator(resolution: float) -> Profile:
    return profile(1000, 800, WEB_MERCATOR, (resolution, 0, 10_000.0, 0, -resolution, 20_000.0))


WIDTH = 40_075_016.685578488
"""Metres around the equator (WGS 84)."""


@pytest.mark.parametrize("level", range(23))
def test_a_raster_on_the_grid_has_the_zoom_of_the_grid(level: int) -> None:
    found = mercator(WIDTH / 256 / 2**level)
    assert zoom.maximum(found, "upper") == level
    assert zoom.maximum(found, "nearest") == level
    assert zoom.maximum(found, "lambda") == level


@pytest.mark.parametrize(
    ("resolution", "upper", "nearest"), [(100, 11, 11), (130, 11, 10), (10, 14, 14), (0.3, 19, 19)]
)
def test_between_two_zooms(resolution: float, upper: int, nearest: int) -> None:
    assert upper == math.ceil(math.log2(WIDTH / 256 / resolution) - 0.05)
    assert zoom.maximum(mercator(resolution), "upper") == upper
    assert zoom.maximum(mercator(resolution), "nearest") == nearest


def test_no_zoom_is_deeper_than_22() -> None:
    for rule in zoom.RULES:
        assert zoom.maximum(mercator(0.001), rule) == 22


def test_what_the_lambda_tiler_computes_for_degrees() -> None:
    """Its rule: metres of a great circle through the middle, the coarser of both, rounded up to a zoom."""
    found = profile(3600, 1800, WGS84, (0.1, 0, -180.0, 0, -0.1, 90.0))
    down = math.pi * 6371008.8 / 1800
    assert zoom.maximum(found, "lambda") == math.ceil(math.log2(WIDTH / (256 * down)))
    alps = profile(3600, 3600, WGS84, (1 / 3600, 0, 8.0, 0, -1 / 3600, 47.0))
    down = math.radians(1) * 6371008.8 / 3600
    assert zoom.maximum(alps, "lambda") == math.ceil(math.log2(WIDTH / (256 * down)))


def test_upper_keeps_the_columns_of_a_raster_in_degrees() -> None:
    found = profile(5400, 2700, WGS84, (1 / 15, 0, -180.0, 0, -1 / 15, 90.0))
    level = zoom.maximum(found, "upper")
    assert 256 * 2**level >= 5400 > 256 * 2 ** (level - 1)


def test_utm_is_measured_on_the_map_not_on_the_ground() -> None:
    """At 46.5° north a metre of ground is 1.45 metres of the map."""
    found = profile(1000, 1000, "EPSG:32632", (10, 0, 500_000.0, 0, -10, 5_150_000.0))
    on_map = 10 / math.cos(math.radians(46.5))
    assert zoom.mercator_resolution(found) == pytest.approx(on_map, rel=0.02)
    assert zoom.maximum(found, "upper") == math.ceil(math.log2(WIDTH / 256 / on_map) - 0.05) == 14
    assert zoom.maximum(found, "nearest") == 13
    assert zoom.maximum(found, "lambda") == 14


@pytest.mark.parametrize(
    ("crs", "half_width", "half_height"),
    [
        ("ESRI:54009", 18_040_000, 9_020_000),
        ("EPSG:8857", 17_243_959, 8_392_928),
        ("ESRI:54030", 17_005_833, 8_625_155),
        ("+proj=sinu +R=6371007.181 +units=m", 20_015_109, 10_007_555),
        ("+proj=igh +datum=WGS84 +units=m", 20_037_508, 8_683_259),
        ("+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84 +units=m", 5_567_248, 5_567_248),
        ("+proj=geos +h=35785831 +lon_0=140.7 +ellps=WGS84 +units=m", 5_567_248, 5_567_248),
        ("+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84", 6_378_137, 6_356_752),
        ("EPSG:6933", 17_367_530, 7_314_540),
        ("EPSG:4087", 20_037_508, 10_018_754),
    ],
)
@pytest.mark.parametrize("width", [1800, 3600, 9000])
def test_the_world_in_any_projection_keeps_the_detail_of_its_middle(
    crs: str, half_width: float, half_height: float, width: int
) -> None:
    """The zooms' pixels are as fine as those at the middle, whose sides are measured here, and not finer than needed.
    Many of these have corners off the globe, where nothing can be measured."""
    step = 2 * half_width / width
    height = round(2 * half_height / step)
    found = profile(width, height, parse(crs), (step, 0, -half_width, 0, -step, half_height))
    to = pyproj.Transformer.from_crs(crs, 3857, always_xy=True)
    (ax, ay), (bx, by), (cx, cy) = to.transform(0, 0), to.transform(step, 0), to.transform(0, step)
    finer = min(math.hypot(bx - ax, by - ay), math.hypot(cx - ax, cy - ay))
    level = zoom.maximum(found, "upper")
    assert WIDTH / 256 / 2**level <= finer * 2**0.06
    assert WIDTH / 256 / 2 ** (level - 1) > finer * 2**0.03
    nearest = zoom.maximum(found, "nearest")
    assert finer / 2.9 < WIDTH / 256 / 2**nearest < finer * 2.9


@pytest.mark.parametrize("rule", ["upper", "nearest"])
def test_the_antimeridian_makes_no_pixel_coarser(rule: Any) -> None:
    """UTM zone 60 reaches over 180°: a raster there has the zoom of the same one in zone 32."""
    there = profile(3000, 3000, "EPSG:32660", (100, 0, 600_000.0, 0, -100, 6_200_000.0))
    here = replace(there, crs=Crs("EPSG:32632"))
    assert zoom.maximum(there, rule) == zoom.maximum(here, rule)


@pytest.mark.parametrize("left", [170.0, 200.0, -190.0])
def test_a_turn_of_longitude_makes_no_pixel_coarser(left: float) -> None:
    beyond = profile(1000, 1000, WGS84, (0.01, 0, left, 0, -0.01, 10.0))
    for rule in zoom.RULES:
        assert zoom.maximum(beyond, rule) == zoom.maximum(
            replace(beyond, transform=(0.01, 0, 20.0, 0, -0.01, 10.0)), rule
        )


def test_bounds_of_what_is_seen_of_the_globe() -> None:
    """A satellite over 0°, 42,164 km from the middle of the Earth, sees 81.3° in each direction."""
    half = 5_567_248.0
    crs = parse("+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84 +units=m")
    west, south, east, north = bounds_of(profile(1000, 1000, crs, (half / 500, 0, -half, 0, -half / 500, half)))
    rim = math.degrees(math.acos(6378137.0 / 42_164_000.0))
    assert -rim - 6 < west < -rim + 0.2
    assert rim - 0.2 < east < rim + 6
    assert -90 <= south < -rim + 0.6
    assert rim - 0.6 < north <= 90
    goode = profile(
        3600, 1560, parse("+proj=igh +datum=WGS84 +units=m"), (11132, 0, -20_037_508.0, 0, -11132, 8_683_259.0)
    )
    assert bounds_of(goode) == pytest.approx((-180, -90, 180, 90), abs=1)


def test_no_crs_no_zoom() -> None:
    for rule in zoom.RULES:
        with pytest.raises(UnsupportedRaster):
            zoom.maximum(replace(mercator(1), crs=None), rule)


@pytest.mark.parametrize(
    ("width", "height", "deepest", "shallowest"), [(256, 256, 9, 9), (512, 1, 9, 8), (257, 3, 9, 8)]
)
def test_the_shallowest_zoom_shows_the_raster_in_one_tile(
    width: int, height: int, deepest: int, shallowest: int
) -> None:
    assert zoom.minimum(width, height, deepest) == shallowest


def test_the_shallowest_zoom_is_not_below_nothing() -> None:
    assert zoom.minimum(100_000, 100_000, 3) == 0


longitudes = st.floats(-180, 180)
latitudes = st.floats(-85, 85)


@given(longitudes, longitudes, latitudes, latitudes, st.integers(0, 22))
def test_a_grid_covers_its_bounds_in_whole_blocks(a: float, b: float, c: float, d: float, level: int) -> None:
    west, east, south, north = min(a, b), max(a, b), min(c, d), max(c, d)
    if east - west < 1e-6 or north - south < 1e-6:
        return
    found = covering((west, south, east, north), level)
    block = min(512, 256 * 2**level)
    for number in (found.left, found.top, found.width, found.height):
        assert number % block == 0
    side = 256 * 2**level
    assert found.left + found.width <= side
    assert found.top + found.height <= side
    step, _, left, _, _, top = found.transform
    assert left <= math.radians(west) * 6378137 + step * 1e-5
    assert left + found.width * step >= math.radians(east) * 6378137 - step * 1e-5
    assert top >= math.asinh(math.tan(math.radians(north))) * 6378137 - step * 1e-5
    assert top - found.height * step <= math.asinh(math.tan(math.radians(south))) * 6378137 + step * 1e-5
    assert found.width <= (east - west) / 360 * side + 2 * block
    assert found.height <= 2 * block + (north - south) / 360 * side / math.cos(
        math.radians(max(abs(north), abs(south)))
    )


def test_the_world_is_the_world() -> None:
    for level in (0, 1, 5):
        assert covering((-180, -90, 180, 90), level) == world(level)
        assert covering((-180, -LATITUDE, 180, LATITUDE), level) == world(level)


@pytest.mark.parametrize("bounds", [(170.0, -10.0, -170.0, 10.0), (0.0, 86.0, 10.0, 89.0), (0.0, -90.0, 10.0, -86.0)])
def test_what_a_web_map_cannot_show(bounds: Any) -> None:
    with pytest.raises(UnsupportedRaster, match="native"):
        covering(bounds, 5)


def test_tiles_are_counted() -> None:
    world_bounds = (-180.0, -85.0511, 180.0, 85.0511)
    assert count_tiles(world_bounds, 0, 0) == 1
    assert count_tiles(world_bounds, 0, 3) == 1 + 4 + 16 + 64
    assert count_tiles((1.0, 1.0, 2.0, 2.0), 0, 2) == 3
    assert count_tiles((170.0, 1.0, -170.0, 2.0), 2, 2) == 2
    # a tile's own bounds touch that tile alone
    assert tile_range((0.0, 0.0, 45.0, 40.97989806962013), 3) == (4, 3, 4, 3)
