"""Web Mercator's formulas against PROJ."""

from __future__ import annotations

import pytest
from pyproj import Transformer

from tilery.geo import mercator


@pytest.mark.parametrize("latitude", [-mercator.LATITUDE, -60.0, 0.0, 1e-9, 46.5, 85.0, mercator.LATITUDE])
@pytest.mark.parametrize("longitude", [-180.0, -7.25, 0.0, 179.999])
def test_positions_are_those_of_proj(longitude: float, latitude: float) -> None:
    x, y = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True).transform(longitude, latitude)
    assert mercator.x_of(longitude) == pytest.approx(x, abs=1e-6)
    assert mercator.y_of(latitude) == pytest.approx(y, abs=1e-6)
    assert mercator.part_north_of(latitude) == pytest.approx((mercator.HALF - y) / mercator.WIDTH, abs=1e-12)


def test_beyond_the_map_is_its_edge() -> None:
    assert mercator.part_north_of(90.0) == pytest.approx(0.0, abs=1e-15)
    assert mercator.part_north_of(-90.0) == pytest.approx(1.0)


def test_resolutions_halve() -> None:
    assert mercator.resolution_at(0) == pytest.approx(156543.03392804097)
    assert mercator.resolution_at(3) == mercator.resolution_at(0) / 8
