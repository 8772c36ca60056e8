"""How much of each pixel is inside: the same however many parts are drawn at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilery.geo.crs import WEB_MERCATOR
from tilery.geo.raster import Bounds, Raster
from tilery.reading import coverage, drawing
from tilery.reading.geometry import Shape

WIDTH, HEIGHT = 7, 5
RASTER = Raster(data=np.zeros((1, HEIGHT, WIDTH), "uint8"), bounds=(0.0, 0.0, 7.0, 5.0), crs=WEB_MERCATOR)
TRIANGLE = {"type": "Polygon", "coordinates": [[[0.5, 0.2], [6.7, 0.4], [3.1, 4.9], [0.5, 0.2]]]}


@pytest.mark.parametrize("parts", [1, 16, 50, 16 * WIDTH, 16 * WIDTH * 2 + 1])
def test_no_more_is_drawn_at_a_time_than_is_allowed(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    expected = coverage.of(TRIANGLE, WEB_MERCATOR, RASTER, 4)
    assert 0.0 < expected.mean() < 1.0
    sizes: list[int] = []
    draw = drawing.touched

    def noted(shape: Shape, bounds: Bounds, height: int, width: int) -> Any:
        sizes.append(height * width)
        return draw(shape, bounds, height, width)

    monkeypatch.setattr(drawing, "touched", noted)
    monkeypatch.setattr(coverage, "STRIP_PARTS", parts)
    np.testing.assert_array_equal(coverage.of(TRIANGLE, WEB_MERCATOR, RASTER, 4), expected)
    assert max(sizes) <= max(parts, 16)
    assert sum(sizes) == WIDTH * HEIGHT * 16


def test_a_raster_without_a_crs_is_covered_in_its_own_coordinates() -> None:
    """The left half of four pixels, whatever CRS the geometry is said to have."""
    raster = Raster(data=np.zeros((1, 2, 4), "uint8"), bounds=(0.0, 0.0, 4.0, 2.0))
    half = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}
    shares = coverage.of(half, WEB_MERCATOR, raster, 10)
    np.testing.assert_allclose(shares[:, :2], 1)
    np.testing.assert_allclose(shares[:, 3], 0)
