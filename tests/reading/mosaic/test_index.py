"""Which rasters a tile or a box may need: held against a plain search through the document."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from tests.support import exact, mosaics
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds
from tilery.geo.tms import get as matrix_set_of
from tilery.reading.mosaic import lookup
from tilery.reading.mosaic.document import Mosaic, parse

ZOOM = 7


@pytest.fixture(scope="module")
def tiles() -> dict[tuple[int, int], list[str]]:
    """Names by column and row: some of a square of tiles, in no order."""
    rng = random.Random(5)
    places = [(x, y) for x in range(60, 76) for y in range(40, 56) if rng.random() < 0.7]
    rng.shuffle(places)
    return {place: [f"{rng.randrange(40)}.tif" for _ in range(rng.randrange(1, 5))] for place in places}


@pytest.fixture(scope="module")
def mosaic(tiles: dict[tuple[int, int], list[str]]) -> Mosaic:
    keys = {mosaics.quadkey(x, y, ZOOM): names for (x, y), names in tiles.items()}
    return parse(json.dumps({"mosaicjson": "0.0.2", "quadkey_zoom": ZOOM, "tiles": keys}).encode())


def for_bounds(mosaic: Mosaic, bounds: Bounds, crs: str) -> Sequence[int]:
    return lookup.in_cells(mosaic, lookup.cells_of_bounds(mosaic, bounds, crs))


def names(mosaic: Mosaic, numbers: Sequence[int]) -> list[str]:
    return [mosaic.asset(number) for number in numbers]


def below(tiles: dict[tuple[int, int], list[str]], z: int, x: int, y: int) -> list[str]:
    """Children first to last, each with all of its own first: top left, top right, bottom left, bottom right."""
    if z == ZOOM:
        return tiles.get((x, y), [])
    return [
        name
        for place in ((2 * x, 2 * y), (2 * x + 1, 2 * y), (2 * x, 2 * y + 1), (2 * x + 1, 2 * y + 1))
        for name in below(tiles, z + 1, *place)
    ]


@pytest.mark.parametrize("zoom", range(2, 11))
def test_a_tile_has_the_rasters_of_its_parent_or_of_its_children(
    mosaic: Mosaic, tiles: dict[tuple[int, int], list[str]], zoom: int
) -> None:
    matrix_set = matrix_set_of("WebMercatorQuad")
    rng = random.Random(zoom)
    for _ in range(30):
        x, y = (rng.randrange(first, last) for first, last in ((58, 78), (38, 58)))
        x, y = (x >> ZOOM - zoom, y >> ZOOM - zoom) if zoom <= ZOOM else (x << zoom - ZOOM, y << zoom - ZOOM)
        bounds = matrix_set.tile_bounds(zoom, x, y)
        found = names(mosaic, for_bounds(mosaic, bounds, matrix_set.crs))
        wanted = tiles.get((x >> zoom - ZOOM, y >> zoom - ZOOM), []) if zoom > ZOOM else below(tiles, zoom, x, y)
        assert found == list(dict.fromkeys(wanted))


@pytest.mark.parametrize("size", [1, 3, 9, 30])
def test_a_box_has_those_of_the_tiles_that_it_touches_column_by_column(
    mosaic: Mosaic, tiles: dict[tuple[int, int], list[str]], size: int
) -> None:
    rng = random.Random(size)
    for _ in range(20):
        x, y = rng.randrange(50, 76), rng.randrange(35, 56)
        left, _, _, top = exact.tile_bounds(ZOOM, x, y)
        _, bottom, right, _ = exact.tile_bounds(ZOOM, x + size - 1, y + size - 1)
        box = crs_.transform_bounds(
            crs_.WEB_MERCATOR, crs_.WGS84, (left + 1000, bottom + 1000, right - 1000, top - 1000)
        )
        wanted = [
            name for column in range(x, x + size) for row in range(y, y + size) for name in tiles.get((column, row), [])
        ]
        assert names(mosaic, lookup.for_box(mosaic, box, crs_.WGS84)) == list(dict.fromkeys(wanted))


def test_a_position_has_those_of_its_tile(mosaic: Mosaic, tiles: dict[tuple[int, int], list[str]]) -> None:
    for (x, y), wanted in list(tiles.items())[:20]:
        left, bottom, right, top = exact.tile_bounds(ZOOM, x, y)
        found = lookup.for_position(mosaic, (left + right) / 2, (bottom + top) / 2, crs_.WEB_MERCATOR)
        assert names(mosaic, found) == list(dict.fromkeys(wanted))
    assert not lookup.for_position(mosaic, 0, 95, crs_.WGS84)


def test_no_bounds_are_too_wide_or_too_odd(mosaic: Mosaic) -> None:
    world = (-1e9, -1e9, 1e9, 1e9)
    assert len(for_bounds(mosaic, world, crs_.WEB_MERCATOR)) == len(mosaic.index.names)
    assert not for_bounds(mosaic, (3e7, 0, 4e7, 1e6), crs_.WEB_MERCATOR)
    assert not lookup.for_box(mosaic, (5, 5, 1, 1), crs_.WGS84)
    assert not lookup.for_box(mosaic, (0, 100, 1, 200), crs_.WGS84)
