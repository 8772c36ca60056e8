"""Lines, points and collections cut out of a raster: the pixels that they touch, whatever size the box around has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reading.test_reader import reader_of
from tests.support import rasters
from tilery.geo import crs as crs_
from tilery.geo.raster import Array, Crs
from tilery.reading.options import ReadOptions

SIZE = 40
LEFT, TOP, SIDE = 8.0, 47.0, 0.025
"""Of the raster in degrees: 40 × 40 pixels from 8° to 9° and from 46° to 47°."""

TRIANGLE = [[8.61, 46.61], [8.69, 46.61], [8.69, 46.69], [8.61, 46.61]]
FEATURES: dict[str, tuple[dict[str, Any], list[list[list[float]]]]] = {
    "point": ({"type": "Point", "coordinates": [8.51, 46.51]}, [[[8.51, 46.51]]]),
    "point with a height": ({"type": "Point", "coordinates": [8.51, 46.51, 400]}, [[[8.51, 46.51]]]),
    "points": (
        {"type": "MultiPoint", "coordinates": [[8.01, 46.01], [8.51, 46.51], [8.99, 46.99]]},
        [[[8.01, 46.01]], [[8.51, 46.51]], [[8.99, 46.99]]],
    ),
    "line": (
        {"type": "LineString", "coordinates": [[8.11, 46.23], [8.41, 46.62], [8.77, 46.643]]},
        [[[8.11, 46.23], [8.41, 46.62], [8.77, 46.643]]],
    ),
    "line along a row": (
        {"type": "LineString", "coordinates": [[8.11, 46.51], [8.41, 46.51]]},
        [[[8.11, 46.51], [8.41, 46.51]]],
    ),
    "line down a column": (
        {"type": "LineString", "coordinates": [[8.11, 46.51], [8.11, 46.31]]},
        [[[8.11, 46.51], [8.11, 46.31]]],
    ),
    "line that stays": ({"type": "LineString", "coordinates": [[8.11, 46.51], [8.11, 46.51]]}, [[[8.11, 46.51]]]),
    "line within a pixel": (
        {"type": "LineString", "coordinates": [[8.511, 46.511], [8.512, 46.513]]},
        [[[8.511, 46.511], [8.512, 46.513]]],
    ),
    "lines": (
        {"type": "MultiLineString", "coordinates": [[[8.11, 46.23], [8.41, 46.62]], [[8.9, 46.91], [8.97, 46.93]]]},
        [[[8.11, 46.23], [8.41, 46.62]], [[8.9, 46.91], [8.97, 46.93]]],
    ),
    "collection": (
        {
            "type": "GeometryCollection",
            "geometries": [
                {"type": "Point", "coordinates": [8.01, 46.01]},
                {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [8.81, 46.01]}]},
                {"type": "LineString", "coordinates": [[8.11, 46.23], [8.41, 46.62]]},
            ],
        },
        [[[8.01, 46.01]], [[8.81, 46.01]], [[8.11, 46.23], [8.41, 46.62]]],
    ),
}


def touched(
    parts: Iterable[list[list[float]]], source: Crs, target: Crs, origin: tuple[float, float, float]
) -> set[int]:
    """Return numbers of the pixels on which the parts lie, by looking closely along each."""
    left, top, side = origin
    found: set[int] = set()
    for part in parts:
        xs, ys = crs_.transform_points(source, target, [x for x, _ in part], [y for _, y in part])
        place = np.linspace(0, len(part) - 1, 1 if len(part) == 1 else 200_001)
        columns = np.floor((np.interp(place, range(len(part)), xs) - left) / side).astype(int)
        rows = np.floor((top - np.interp(place, range(len(part)), ys)) / side).astype(int)
        inside = (columns >= 0) & (columns < SIZE) & (rows >= 0) & (rows < SIZE)
        found.update((rows * SIZE + columns)[inside].tolist())
    return found


def numbered(path: Path, crs: str, bounds: tuple[float, float, float, float]) -> Path:
    data = np.arange(SIZE * SIZE, dtype="uint16").reshape(1, SIZE, SIZE)
    return rasters.write(path, data, crs=crs, bounds=bounds, overviews=())


def shown(raster: Any) -> set[int]:
    data: Array = raster.data[0]
    return set(data[np.broadcast_to(raster.mask, raster.data.shape)[0]].tolist())


@pytest.mark.parametrize("name", FEATURES)
def test_every_pixel_that_is_touched_and_no_other(tmp_path: Path, name: str) -> None:
    geometry, parts = FEATURES[name]
    with reader_of(numbered(tmp_path / "numbered.tif", "EPSG:4326", (8.0, 46.0, 9.0, 47.0))) as reader:
        raster = reader.feature(geometry, shape_crs=crs_.WGS84, options=ReadOptions())
    assert shown(raster) == touched(parts, crs_.WGS84, crs_.WGS84, (LEFT, TOP, SIDE))


@pytest.mark.parametrize("name", FEATURES)
def test_in_the_rasters_own_crs(tmp_path: Path, name: str) -> None:
    geometry, parts = FEATURES[name]
    left, bottom = 420_000.0, 5_090_000.0
    utm = Crs("EPSG:32632")
    path = numbered(tmp_path / "numbered.tif", utm, (left, bottom, left + 120_000, bottom + 120_000))
    with reader_of(path) as reader:
        raster = reader.feature(geometry, shape_crs=crs_.WGS84, dst_crs=utm, options=ReadOptions())
    assert shown(raster) == touched(parts, crs_.WGS84, utm, (left, bottom + 120_000, 3000.0))
    assert shown(raster)


@pytest.mark.parametrize("geometry", [{"type": "Point", "coordinates": [8.5, 46.5]}, {
    "type": "LineString", "coordinates": [[8.51, 46.5], [8.59, 46.5]]
}])  # fmt: skip
def test_on_the_border_of_pixels(tmp_path: Path, geometry: dict[str, Any]) -> None:
    with reader_of(numbered(tmp_path / "numbered.tif", "EPSG:4326", (8.0, 46.0, 9.0, 47.0))) as reader:
        raster = reader.feature(geometry, shape_crs=crs_.WGS84, options=ReadOptions())
    row, columns = 20, {20} if geometry["type"] == "Point" else {20, 21, 22, 23}
    assert {number % SIZE for number in shown(raster)} == columns
    assert {number // SIZE for number in shown(raster)} <= {row - 1, row}


def test_outside_of_the_raster_nothing_is_shown(tmp_path: Path) -> None:
    with reader_of(numbered(tmp_path / "numbered.tif", "EPSG:4326", (8.0, 46.0, 9.0, 47.0))) as reader:
        raster = reader.feature(
            {"type": "Point", "coordinates": [7.5, 46.5]}, shape_crs=crs_.WGS84, options=ReadOptions()
        )
    assert raster.mask is not None
    assert not raster.mask.any()


def test_a_polygon_and_a_line_are_drawn_together(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[8.11, 46.23], [8.41, 46.62]]}
    both = {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": [TRIANGLE]}, line]}
    with reader_of(numbered(tmp_path / "numbered.tif", "EPSG:4326", (8.0, 46.0, 9.0, 47.0))) as reader:
        found = shown(reader.feature(both, shape_crs=crs_.WGS84, options=ReadOptions()))
        alone = shown(reader.feature(line, shape_crs=crs_.WGS84, options=ReadOptions()))
    inside = touched([TRIANGLE, [[8.66, 46.62], [8.67, 46.64]]], crs_.WGS84, crs_.WGS84, (LEFT, TOP, SIDE))
    assert alone | inside == found
