"""Which rasters a tile or a box may need: held against a plain search through the document."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from tests.support import exact, mosaics
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.geo.tms import get as matrix_set_of
from tilery.reading.mosaic import lookup
from tilery.reading.mosaic import lookup_cache as looked_up_
from tilery.reading.mosaic.document import Mosaic, parse
from tilery.reading.mosaic.lookup_cache import LookedUp

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


def for_bounds(mosaic: Mosaic, bounds: Bounds, crs: Crs) -> Sequence[int]:
    return lookup.in_cells(mosaic, lookup.cells_of_bounds(mosaic, bounds, crs))


def names(mosaic: Mosaic, numbers: Sequence[int]) -> list[str]:
    return [mosaic.asset(number) for number in numbers]


def below(tiles: dict[tuple[int, int], list[str]], z: int, x: int, y: int) -> list[str]:
    """Return children first to last, each with all of its own first: top left, top right, bottom left, bottom right."""
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


def test_how_many_there_are_at_most_is_never_less_than_there_are(
    mosaic: Mosaic, tiles: dict[tuple[int, int], list[str]]
) -> None:
    rng = random.Random(11)
    for _ in range(200):
        x, y = rng.randrange(55, 76), rng.randrange(36, 56)
        right, bottom = x + rng.randrange(12), y + rng.randrange(12)
        count = sum(len(names) for (a, b), names in tiles.items() if x <= a <= right and y <= b <= bottom)
        most = mosaic.index.most_in((x, right), (y, bottom))
        assert most >= count
        if (right - x + 1) * (bottom - y + 1) <= 64:
            assert most == count


def test_grids_that_touch_the_same_tiles_share_one_list(mosaic: Mosaic) -> None:
    matrix_set = matrix_set_of("WebMercatorQuad")
    looked_up = LookedUp(mosaic)
    lists = {
        id(looked_up.numbers(matrix_set.crs, matrix_set.tile_bounds(ZOOM + 4, (66 << 4) + x, (48 << 4) + y)))
        for x in range(16)
        for y in range(16)
    }
    assert len(lists) == 1
    box = crs_.transform_bounds(crs_.WEB_MERCATOR, crs_.WGS84, matrix_set.tile_bounds(ZOOM + 4, 66 << 4, 48 << 4))
    assert looked_up.at_once(crs_.WGS84, box) is None, "PROJ is not asked on the event loop"
    found = looked_up.numbers(crs_.WGS84, box)
    assert looked_up.at_once(crs_.WGS84, box) is found


def test_lists_are_kept_up_to_a_number_of_bytes(mosaic: Mosaic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looked_up_, "_MOST_BYTES", 5000)
    matrix_set = matrix_set_of("WebMercatorQuad")
    looked_up = LookedUp(mosaic)
    for x in range(60, 76):
        for y in range(40, 56):
            bounds = matrix_set.tile_bounds(ZOOM, x, y)
            wanted = lookup.in_cells(mosaic, lookup.cells_of_bounds(mosaic, bounds, matrix_set.crs))
            assert looked_up.numbers(matrix_set.crs, bounds) == wanted
            assert 0 < looked_up.held <= 5000


def test_long_lists_are_not_looked_up_on_the_event_loop() -> None:
    many = [f"{number:x}" for number in range(5000)]
    tiles = {"0": ["a"], "1": many}
    mosaic = parse(json.dumps({"mosaicjson": "0.0.2", "quadkey_zoom": 1, "tiles": tiles}).encode())
    matrix_set = matrix_set_of("WebMercatorQuad")
    looked_up = LookedUp(mosaic)
    few, long, none = (matrix_set.tile_bounds(1, *place) for place in ((0, 0), (1, 0), (1, 1)))
    assert looked_up.at_once(matrix_set.crs, long) is None
    assert list(looked_up.at_once(matrix_set.crs, few) or ()) == [0]
    assert looked_up.at_once(matrix_set.crs, none) is not None
    assert names(mosaic, looked_up.numbers(matrix_set.crs, long)) == many
    assert len(looked_up.at_once(matrix_set.crs, long) or ()) == len(many), "it is known by now"
