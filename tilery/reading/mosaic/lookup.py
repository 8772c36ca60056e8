"""Which rasters of a mosaic a place may need, found as cogeo-mosaic finds them."""

from __future__ import annotations

import math

from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.reading.mosaic.document import Mosaic

_HAIR = 1e-6
"""Part of a tile by which bounds may miss its edge through rounding."""


def for_bounds(mosaic: Mosaic, bounds: Bounds, crs: Crs | None) -> list[int]:
    """Return the rasters of the tiles that bounds in any CRS touch.

    A tile of the mosaic's own set has those of the one tile that it lies in, or of all that lie in it.
    """
    matrix_set, zoom = mosaic.matrix_set, mosaic.index.zoom
    if crs != matrix_set.crs:
        return for_box(mosaic, bounds, crs or crs_.WGS84)
    matrix = matrix_set.matrix(zoom)
    wide, high = matrix.cell_size * matrix.tile_width, matrix.cell_size * matrix.tile_height
    left, bottom, right, top = bounds
    if matrix.bottom_left:
        first, last = (bottom - matrix.origin[1]) / high, (top - matrix.origin[1]) / high
    else:
        first, last = (matrix.origin[1] - top) / high, (matrix.origin[1] - bottom) / high
    columns = _inside((left - matrix.origin[0]) / wide, (right - matrix.origin[0]) / wide, matrix.width)
    rows = _inside(first, last, matrix.height)
    if columns is None or rows is None:
        return []
    across, down = columns[1] - columns[0] + 1, rows[1] - rows[0] + 1
    depth = across.bit_length() - 1
    if across == down == 1 << depth and not columns[0] % across and not rows[0] % down:
        return mosaic.index.below(columns[0] >> depth, rows[0] >> depth, depth)
    return mosaic.index.in_rectangle(columns, rows)


def for_box(mosaic: Mosaic, box: Bounds, crs: Crs) -> list[int]:
    """Return the rasters of the tiles from the one in the upper left corner of a box to that in the lower right."""
    matrix_set, zoom = mosaic.matrix_set, mosaic.index.zoom
    geographic = crs_.geodetic(matrix_set.crs)
    if crs != geographic:
        box = crs_.transform_bounds(crs, geographic, box)
    if not all(map(math.isfinite, box)):
        return []
    xs, ys = crs_.transform_points(geographic, matrix_set.crs, [box[0], box[2]], [box[3], box[1]])
    first = matrix_set.tile_at(float(xs[0]), float(ys[0]), zoom)
    last = matrix_set.tile_at(float(xs[1]), float(ys[1]), zoom)
    if first[0] > last[0] or first[1] > last[1]:
        return []
    return mosaic.index.in_rectangle((first[0], last[0]), (first[1], last[1]))


def for_position(mosaic: Mosaic, lon: float, lat: float, crs: Crs) -> list[int]:
    """Return the rasters of the tile that holds a position."""
    xs, ys = crs_.transform_points(crs, mosaic.matrix_set.crs, [lon], [lat])
    x, y = float(xs[0]), float(ys[0])
    if not (math.isfinite(x) and math.isfinite(y)):
        return []
    return mosaic.index.of_tile(*mosaic.matrix_set.tile_at(x, y, mosaic.index.zoom))


def _inside(first: float, last: float, count: int) -> tuple[int, int] | None:
    """The first and the last tile along one axis; None where there is none."""
    begin, end = max(math.floor(first + _HAIR), 0), min(math.ceil(last - _HAIR), count) - 1
    return (begin, end) if begin <= end else None
