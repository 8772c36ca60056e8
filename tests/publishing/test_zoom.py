"""Zooms against arithmetic of the tests' own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.crs import WEB_MERCATOR, WGS84
from app.errors import UnsupportedRaster
from app.publishing import zoom
from app.publishing.bounds import count_tiles, tile_range
from app.publishing.grid import LATITUDE, covering, world
from app.raster import Crs
from app.reading.profile import Profile


def profile(width: int, height: int, crs: str | None, transform: tuple[float, ...]) -> Profile:
    return Profile(
        driver="GTiff",
        width=width,
        height=height,
        count=1,
        dtypes=("uint8",),
        crs=Crs(crs) if crs else None,
        transform=transform,  # type: ignore[arg-type]
        nodata=None,
        colorinterp=("gray",),
        has_mask=False,
        scales=(1.0,),
        offsets=(0.0,),
        descriptions=(None,),
        overviews=(),
        block_shapes=((512, 512),),
        palette=None,
    )


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
