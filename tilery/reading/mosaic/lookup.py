"""Which rasters of a mosaic a place may need, found as cogeo-mosaic finds them."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.reading.mosaic.document import Mosaic
from tilery.reading.mosaic.index import Range

_HAIR = 1e-6
"""Part of a tile by which bounds may miss its edge through rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Tiles of a mosaic from the first to the last column and row."""

    columns: Range
    rows: Range
    in_quadkey_order: bool = False
    """They are all that lie in one tile of a shallower zoom: they count in the order of their quadkeys."""

    def within(self, side: int) -> bool:
        """Return whether they are no more than so many along a side."""
        return max(self.columns[1] - self.columns[0], self.rows[1] - self.rows[0]) < side


def cells_of_bounds(mosaic: Mosaic, bounds: Bounds, crs: Crs | None) -> Cells | None:
    """Return the tiles that bounds in any CRS touch; None where there are none.

    A tile of the mosaic's own set has the one tile that it lies in, or all that lie in it.
    """
    matrix_set, zoom = mosaic.matrix_set, mosaic.index.zoom
    if crs != matrix_set.crs:
        return cells_of_box(mosaic, bounds, crs or crs_.WGS84)
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
        return None
    across, down = columns[1] - columns[0] + 1, rows[1] - rows[0] + 1
    is_tile = across == down == 1 << across.bit_length() - 1 and not columns[0] % across and not rows[0] % down
    return Cells(columns=columns, rows=rows, in_quadkey_order=is_tile)


def cells_of_box(mosaic: Mosaic, box: Bounds, crs: Crs) -> Cells | None:
    """Return the tiles from the one in the upper left corner of a box to that in the lower right; None where that
    lies before.
    """
    matrix_set, zoom = mosaic.matrix_set, mosaic.index.zoom
    geographic = crs_.geodetic(matrix_set.crs)
    if crs != geographic:
        box = crs_.transform_bounds(crs, geographic, box)
    if not all(map(math.isfinite, box)):
        return None
    xs, ys = crs_.transform_points(geographic, matrix_set.crs, [box[0], box[2]], [box[3], box[1]])
    first = matrix_set.tile_at(float(xs[0]), float(ys[0]), zoom)
    last = matrix_set.tile_at(float(xs[1]), float(ys[1]), zoom)
    if first[0] > last[0] or first[1] > last[1]:
        return None
    return Cells(columns=(first[0], last[0]), rows=(first[1], last[1]))


def in_cells(mosaic: Mosaic, cells: Cells | None) -> array[int]:
    """Return the rasters of tiles, each once, in the order of the document."""
    if cells is None:
        return array("i")
    if not cells.in_quadkey_order:
        return mosaic.index.in_rectangle(cells.columns, cells.rows)
    depth = (cells.columns[1] - cells.columns[0] + 1).bit_length() - 1
    return mosaic.index.below(cells.columns[0] >> depth, cells.rows[0] >> depth, depth)


def for_box(mosaic: Mosaic, box: Bounds, crs: Crs) -> array[int]:
    """Return the rasters of the tiles from the one in the upper left corner of a box to that in the lower right."""
    return in_cells(mosaic, cells_of_box(mosaic, box, crs))


def for_position(mosaic: Mosaic, lon: float, lat: float, crs: Crs) -> array[int]:
    """Return the rasters of the tile that holds a position."""
    xs, ys = crs_.transform_points(crs, mosaic.matrix_set.crs, [lon], [lat])
    x, y = float(xs[0]), float(ys[0])
    if not (math.isfinite(x) and math.isfinite(y)):
        return array("i")
    return mosaic.index.of_tile(*mosaic.matrix_set.tile_at(x, y, mosaic.index.zoom))


def _inside(first: float, last: float, count: int) -> tuple[int, int] | None:
    """Return the first and the last tile along one axis; None where there is none."""
    begin, end = max(math.floor(first + _HAIR), 0), min(math.ceil(last - _HAIR), count) - 1
    return (begin, end) if begin <= end else None
