"""MosaicJSON documents made by the tests themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support import exact
from tests.support.rasters import ALPS, Bounds


def quadkey(x: int, y: int, zoom: int) -> str:
    """Return a tile's quadkey, as the specification has it."""
    digits = ""
    for bit in range(zoom, 0, -1):
        mask = 1 << (bit - 1)
        digits += str((1 if x & mask else 0) + (2 if y & mask else 0))
    return digits


def tiles(bounds: Bounds, zoom: int, names: list[str]) -> dict[str, list[str]]:
    """Return the same names for each tile of a zoom that bounds in degrees touch."""
    west, south, east, north = bounds
    _, left, top = exact.tile_of(west, north, zoom)
    _, right, bottom = exact.tile_of(east - 1e-9, south + 1e-9, zoom)
    return {quadkey(x, y, zoom): names for x in range(left, right + 1) for y in range(top, bottom + 1)}


def document(*names: str, zoom: int = 8, bounds: Bounds = ALPS, **more: Any) -> dict[str, Any]:
    """Return a mosaic in the Alps, of rasters of these names in every tile."""
    return {
        "mosaicjson": "0.0.2",
        "minzoom": 7,
        "maxzoom": 12,
        "quadkey_zoom": zoom,
        "bounds": list(bounds),
        "tiles": tiles(bounds, zoom, list(names)),
        **more,
    }


def encoded(*names: str, **more: Any) -> bytes:
    """Return the same as JSON."""
    return json.dumps(document(*names, **more)).encode()


def write(path: Path, *names: str, **more: Any) -> Path:
    """Return the path of a file with the same."""
    path.write_bytes(encoded(*names, **more))
    return path
