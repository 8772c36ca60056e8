"""The short way to know whether a tile touches agrees with the long one; shapes that are no rectangles have none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.profiles import profile
from tilery.geo import tms
from tilery.geo.crs import WEB_MERCATOR, WGS84
from tilery.reading import footprint
from tilery.reading.profile import Profile


def square(crs: str, left: float, top: float, cell: float, size: int = 1000) -> Profile:
    return profile(size, size, crs, (cell, 0.0, left, 0.0, -cell, top))


UTM = square("EPSG:32632", 640_000, 5_240_000, 10)


@given(z=st.integers(8, 18), across=st.floats(-1, 2), down=st.floats(-1, 2))
def test_the_short_way_agrees_with_the_long_one(z: int, across: float, down: float) -> None:
    found = footprint.extent(UTM, WEB_MERCATOR)
    assert found is not None
    left, bottom, right, top = found[0]
    matrix_set = tms.get("WebMercatorQuad")
    x, y = matrix_set.tile_at(left + across * (right - left), bottom + down * (top - bottom), z)
    bounds = matrix_set.tile_bounds(z, x, y)
    answer = footprint.surely(bounds, found)
    if answer is not None:
        assert answer == footprint.covers(UTM, bounds, WEB_MERCATOR)


def test_the_middle_and_far_away_are_decided() -> None:
    found = footprint.extent(UTM, WEB_MERCATOR)
    assert found is not None
    (left, bottom, right, top), _ = found
    middle = ((left + right) / 2, (bottom + top) / 2)
    assert footprint.surely((*middle, middle[0] + 100, middle[1] + 100), found) is True
    assert footprint.surely((right + 50_000, bottom, right + 50_100, bottom + 100), found) is False
    assert footprint.surely((right, bottom, right + 100, bottom + 100), found) is None


def test_no_rectangle_no_extent() -> None:
    assert footprint.extent(square("EPSG:32660", 600_000, 100_000, 1000), WGS84) is None, "over the antimeridian"
    assert footprint.extent(square("EPSG:4326", 175, 5, 0.01), WEB_MERCATOR) is None, "beyond 180 degrees"
    assert footprint.extent(square("EPSG:3995", -2e6, 2e6, 4000), WEB_MERCATOR) is None, "around the pole"
