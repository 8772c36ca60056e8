"""Geometries drawn on pixels: which of them are touched.

GDAL draws a polygon by asking each of its edges for each row, and holds the interpreter's lock meanwhile: 60,000
vertices on 2048 rows stop everything else in the process for seconds. So the rows are cut into strips, and in each only
those vertices are left that have a say in it; a line is cut into pieces. The pixels are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import TooMuchWork
from tilery.geo.raster import Bounds
from tilery.limits import deadline
from tilery.reading.geometry import Positions, Shape

AT_ONCE = 1 << 17
"""Vertices times rows that are drawn in one call: 3 ms, and on a busy machine seldom more than 10."""
MOST = 1 << 25
"""Vertices times rows of one drawing: a second or two."""
_PER_VERTEX = 64
"""What it takes to hand over a vertex, in rows."""


def touched(shape: Shape, bounds: Bounds, height: int, width: int) -> NDArray[np.uint8]:
    """Return 1 for each pixel that a shape touches, else 0; shape (height, width).

    Args:
        shape: in the CRS of the pixels.
        bounds: left, bottom, right and top of the pixels; top may be below bottom.
        height: rows.
        width: columns.

    Raises:
        TooMuchWork: it has too many vertices for so many rows.
    """
    left, bottom, right, top = bounds
    size = ((right - left) / width, (bottom - top) / height)
    out = np.zeros((height, width), np.uint8)
    drawing = _Drawing(out)
    if rings := [ring for polygon in shape.polygons for ring in polygon]:
        polygons = [number for number, polygon in enumerate(shape.polygons) for _ in polygon]
        owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
        drawing.fill(_Rings((np.concatenate(rings) - (left, top)) / size, owners, polygons), 0, height)
    for line in shape.lines:
        drawing.trace((line - (left, top)) / size)
    for points in shape.points:
        drawing.dot((points - (left, top)) / size)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Rings:
    """Rings of polygons, one behind the other, in pixels from the first row and column."""

    positions: Positions
    owners: NDArray[np.intp]
    """The number of the ring that each position is of."""
    polygons: list[int]
    """The polygon that each ring is of."""

    def within(self, first: float, last: float) -> _Rings:
        """Return what of the rings has a say between two rows. Edges that lie above or below them are left out, the
        others cut off there: what then connects their ends lies above or below as well.
        """
        y = self.positions[:, 1]
        side = (y > last).astype(np.int8) - (y < first)
        crosses = (self.owners[1:] == self.owners[:-1]) & ((side[1:] != side[:-1]) | (side[1:] == 0))
        start, stop = self.positions[:-1][crosses], self.positions[1:][crosses]
        start_side, stop_side, owners = side[:-1][crosses], side[1:][crosses], self.owners[1:][crosses]
        anew = start_side != 0
        anew[:1] = True
        anew[1:] |= owners[1:] != owners[:-1]
        place = np.cumsum(1 + anew) - 1
        positions = np.empty((len(start) + int(anew.sum()), 2))
        positions[place] = _cut(stop, start, stop_side, first, last)
        positions[place[anew] - 1] = _cut(start, stop, start_side, first, last)[anew]
        return _Rings(positions, np.repeat(owners, 1 + anew), self.polygons)

    def geojson(self, row: int) -> dict[str, Any]:
        """Return the rings as one GeoJSON geometry, ``row`` being the first."""
        cuts = [0, *(np.flatnonzero(np.diff(self.owners)) + 1).tolist(), len(self.owners)]
        every = (self.positions - (0, row)).tolist()
        found: dict[int, list[Any]] = {}
        for owner, (start, stop) in zip(self.owners[cuts[:-1]].tolist(), pairwise(cuts), strict=True):
            ring = every[start:stop]
            while len(ring) < 4 or ring[0] != ring[-1]:
                ring.append(ring[0])
            found.setdefault(self.polygons[owner], []).append(ring)
        return {"type": "MultiPolygon", "coordinates": list(found.values())}


def _cut(ends: Positions, others: Positions, side: NDArray[np.int8], first: float, last: float) -> Positions:
    """The ends of edges, those that lie above or below two rows drawn in to them."""
    limit = np.where(side > 0, last, first)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = (limit - ends[:, 1]) / (others[:, 1] - ends[:, 1])
        x = ends[:, 0] + part * (others[:, 0] - ends[:, 0])
    return np.where((side != 0)[:, np.newaxis], np.stack([x, limit], axis=1), ends)


class _Drawing:
    """What is drawn on, and how much work that was."""

    def __init__(self, out: NDArray[np.uint8]) -> None:
        self._out = out
        self._done = 0.0

    def fill(self, rings: _Rings, first: int, last: int) -> None:
        """Draw what polygons touch in the rows from ``first`` to ``last``."""
        work = len(rings.positions) * (last - first)
        if not work:
            return
        if work > AT_ONCE and last - first > 1:
            middle = (first + last) // 2
            for start, stop in ((first, middle), (middle, last)):
                self.fill(rings.within(start - 1, stop + 1), start, stop)
            return
        self._count(work + _PER_VERTEX * len(rings.positions))
        _draw(rings.geojson(first), self._out[first:last])

    def trace(self, line: Positions) -> None:
        """Draw the pixels that a line touches."""
        height, width = self._out.shape
        steps = np.abs(np.diff(np.clip(line, -1, (width + 1, height + 1)), axis=0)).sum(axis=1) + _PER_VERTEX
        pieces = np.cumsum(steps) // AT_ONCE
        cuts = [0, *(np.flatnonzero(np.diff(pieces)) + 1).tolist(), len(line) - 1]
        for start, stop in pairwise(cuts):
            self._count(float(steps[start:stop].sum()))
            _draw({"type": "LineString", "coordinates": line[start : stop + 1].tolist()}, self._out)

    def dot(self, points: Positions) -> None:
        """Draw the pixels that points are in."""
        height, width = self._out.shape
        columns, rows = np.floor(points).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        self._out[rows[inside].astype(np.intp), columns[inside].astype(np.intp)] = 1

    def _count(self, work: float) -> None:
        """Raise what `touched` does when it is too much in all."""
        deadline.check()
        self._done += work
        if self._done > MOST:
            raise TooMuchWork(
                "The geometry has too many vertices for a picture of this size. Give a simpler one, or a smaller "
                "max_size or cover_scale.",
                parameter="body",
                limit=MOST,
            )


def _draw(geometry: dict[str, Any], out: NDArray[np.uint8]) -> None:
    from rasterio.features import rasterize

    rasterize([(geometry, 1)], out=out, all_touched=True)
