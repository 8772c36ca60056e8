"""Pixels that geometries touch, against GDAL's own drawing of the whole at once."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.features import rasterize
from rasterio.transform import from_bounds

from tilery.errors import TooMuchWork
from tilery.reading import drawing
from tilery.reading.geometry import Shape

BOUNDS = (0.0, 0.0, 400.0, 300.0)


def by_gdal(shape: Shape, height: int, width: int) -> np.ndarray:
    drawn: np.ndarray = rasterize(
        shape.geojson(), out_shape=(height, width), transform=from_bounds(*BOUNDS, width, height), all_touched=True
    )
    return drawn


def ring(number: int, seed: int, noise: float, middle: tuple[float, float], radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, number)
    away = radius * (1 + np.random.default_rng(seed).uniform(-noise, noise, number))
    found = np.stack([middle[0] + away * np.cos(turn), middle[1] + away * np.sin(turn)], axis=1)
    found[-1] = found[0]
    return found


SHAPES = {
    "round": Shape(polygons=((ring(400, 1, 0.0, (200, 150), 140),),)),
    "jagged": Shape(polygons=((ring(900, 2, 0.6, (200, 150), 140),),)),
    "holes": Shape(polygons=((ring(300, 3, 0.1, (200, 150), 140), ring(200, 4, 0.3, (180, 140), 60)),)),
    "two, one over the other": Shape(
        polygons=((ring(300, 5, 0.2, (150, 150), 100),), (ring(300, 6, 0.2, (250, 150), 100),))
    ),
    "beyond the edges": Shape(polygons=((ring(500, 7, 0.4, (390, 290), 200),),)),
    "on the borders of pixels": Shape(
        polygons=((np.array([[40.0, 30], [40, 240], [320, 240], [320, 30], [40, 30]]),),)
    ),
    "lines": Shape(lines=(ring(500, 8, 0.7, (200, 150), 140), np.array([[-50.0, -50], [500, 400]]))),
    "points": Shape(points=(np.array([[0.5, 0.5], [399.9, 299.9], [-1, 5], [200, 150.2], [5, 301]]),)),
    "all": Shape(
        polygons=((ring(50, 9, 0.2, (100, 100), 40),),),
        lines=(ring(60, 10, 0.2, (300, 100), 40),),
        points=(np.array([[200.5, 250.5]]),),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("at_once", [1 << 21, 4000, 100])
def test_cut_into_strips_the_same_pixels_are_touched(name: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "AT_ONCE", at_once)
    expected = by_gdal(SHAPES[name], 300, 400)
    assert 0 < expected.sum() < expected.size
    found = drawing.touched(SHAPES[name], BOUNDS, 300, 400)
    assert int((found != expected).sum()) == 0


def test_a_picture_whose_rows_run_upwards() -> None:
    left, bottom, right, top = BOUNDS
    found = drawing.touched(SHAPES["holes"], (left, top, right, bottom), 300, 400)
    assert np.array_equal(found[::-1], by_gdal(SHAPES["holes"], 300, 400))


def test_a_shape_that_would_take_too_long_is_refused_and_a_simple_one_of_as_many_vertices_is_drawn() -> None:
    count = 60_000
    x = np.linspace(10, 390, count)
    comb = np.stack([x, np.where(np.arange(count) % 2, 10.0, 290.0)], axis=1)
    shape = Shape(polygons=((np.concatenate([comb, comb[:1]]),),))
    with pytest.raises(TooMuchWork) as refused:
        drawing.touched(shape, BOUNDS, 2048, 2048)
    assert refused.value.limit == drawing.MOST
    assert refused.value.parameter == "body"
    coast = Shape(polygons=((ring(count, 11, 0.001, (200, 150), 140),),))
    assert drawing.touched(coast, BOUNDS, 2048, 2048).any()
