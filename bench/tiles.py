"""Lists of tiles as people ask for them, the same for both servers: from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from pathlib import Path

import rasterio
from rasterio.warp import transform_bounds

from tilery.geo.mercator import HALF, WIDTH

Tile = tuple[int, int, int]
VIEW = 24
"""Tiles of a map of six by four."""
REQUESTS_A_TILE = 5
"""How often each of them is asked for at least, on average."""
NATIVE = 17
"""The zoom whose pixels are about as large as the rasters' own: the deepest that TileJSON offers to maps."""


def bounds(path: Path) -> tuple[float, float, float, float]:
    """Return bounds in web mercator, drawn in by a little: no tile of a list is empty."""
    with rasterio.open(path) as source:
        left, bottom, right, top = transform_bounds(source.crs, "EPSG:3857", *source.bounds)
    across, down = 0.04 * (right - left), 0.04 * (top - bottom)
    return left + across, bottom + down, right - across, top - down


def _tries(count: int, found: Sized) -> Iterator[None]:
    """As often as it takes until enough is found.

    Raises:
        ValueError: the raster has not got so many tiles.
    """
    for _ in range(100 * count):
        if len(found) >= count:
            return
        yield
    raise ValueError(f"{count} different tiles are too many for this raster")


def at(x: float, y: float, zoom: int) -> Tile:
    """Return the tile that holds a position."""
    side = WIDTH / 2**zoom
    return zoom, int((x + HALF) / side), int((HALF - y) / side)


def scattered(path: Path, count: int, seed: int = 1) -> list[Tile]:
    """Return tiles anywhere on the raster, of its own zoom and four above, few of one below: few blocks are
    read twice.
    """
    rng = random.Random(seed)  # noqa: S311
    left, bottom, right, top = bounds(path)
    found: dict[Tile, None] = {}
    for _ in _tries(count, found):
        zoom = rng.choices((NATIVE - 4, NATIVE - 3, NATIVE - 2, NATIVE - 1, NATIVE, NATIVE + 1), (1, 2, 4, 8, 16, 1))[0]
        found[at(rng.uniform(left, right), rng.uniform(bottom, top), zoom)] = None
    return list(found)


def pan(path: Path, count: int, seed: int = 2) -> list[Tile]:
    """Return what a map of 6 by 4 tiles asks for while it is moved and zoomed: only tiles that it has not shown yet."""
    rng = random.Random(seed)  # noqa: S311
    left, bottom, right, top = bounds(path)
    found: dict[Tile, None] = {}
    for _ in _tries(count, found):
        x, y = rng.uniform(left, right), rng.uniform(bottom, top)
        zoom = rng.choice((NATIVE - 2, NATIVE - 1, NATIVE))
        for _ in range(12):
            side = WIDTH / 2**zoom
            x = min(max(x + rng.uniform(-2, 2) * side, left), right)
            y = min(max(y + rng.uniform(-2, 2) * side, bottom), top)
            if rng.random() < 0.2:
                zoom = min(max(zoom + rng.choice((-1, 1)), NATIVE - 3), NATIVE)
            _, column, row = at(x, y, zoom)
            low, high = at(left, top, zoom), at(right, bottom, zoom)
            for line in range(row - 2, row + 2):
                for place in range(column - 3, column + 3):
                    if low[1] <= place <= high[1] and low[2] <= line <= high[2]:
                        found[(zoom, place, line)] = None
    return list(found)[:count]


def views(path: Path, count: int, seed: int = 4) -> list[Tile]:
    """Return what many people ask for who look at the same place: the tiles of one map, or of a part of it where the
    list is short, each some times. No other list has a tile twice.
    """
    rng = random.Random(seed)  # noqa: S311
    shown = pan(path, max(1, min(VIEW, count // REQUESTS_A_TILE)), seed)
    return [rng.choice(shown) for _ in range(count)]


def outside(path: Path, count: int, seed: int = 3) -> list[Tile]:
    """Return tiles beside the raster, as a map asks for them that does not know its bounds."""
    rng = random.Random(seed)  # noqa: S311
    left, bottom, right, top = bounds(path)
    width, height = right - left, top - bottom
    found: list[Tile] = []
    while len(found) < count:
        x, y = left + rng.uniform(-6, 6) * width, bottom + rng.uniform(-6, 6) * height
        if not (left - width / 2 < x < right + width / 2 or bottom - height / 2 < y < top + height / 2):
            found.append(at(x, y, rng.choice((NATIVE - 2, NATIVE - 1, NATIVE))))
    return found


LISTS = {"pan": pan, "scattered": scattered, "views": views, "outside": outside}
