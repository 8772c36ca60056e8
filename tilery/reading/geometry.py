"""Geometries of GeoJSON, checked before a library sees them.

GDAL and rasterio trust what they are given: coordinates of a wrong shape end the process, not the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidGeometry, OverLimit
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs

Positions = NDArray[np.float64]
"""Shape (vertices, 2), x first."""

TYPES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
"""The geometries of RFC 7946."""

_SHOWN = 40
_FARTHEST = 1e12
"""Beyond any coordinate of any CRS."""
MOST_VERTICES = 100_000
"""Vertices of a geometry where nothing else is said."""
_DEEPEST = 8
"""Collections in collections; RFC 7946 advises against any."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """What a geometry is made of, whatever its type."""

    polygons: tuple[tuple[Positions, ...], ...] = ()
    """Each a tuple of rings, the first its outline."""
    lines: tuple[Positions, ...] = ()
    points: tuple[Positions, ...] = ()

    @property
    def is_areal(self) -> bool:
        """True when it is made of polygons alone."""
        return not (self.lines or self.points)

    @property
    def bounds(self) -> Bounds:
        """Bounds of all positions; without an area where it is a point, or a line along an axis."""
        parts = [*(polygon[0] for polygon in self.polygons), *self.lines, *self.points]
        low = np.min([part.min(axis=0) for part in parts], axis=0)
        high = np.max([part.max(axis=0) for part in parts], axis=0)
        return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    @property
    def vertices(self) -> int:
        """Number of positions."""
        return sum(map(len, self._parts()))

    def _parts(self) -> Iterator[Positions]:
        for polygon in self.polygons:
            yield from polygon
        yield from self.lines
        yield from self.points

    def geojson(self) -> list[dict[str, Any]]:
        """Return the shape as GeoJSON geometries, one for each kind that it has something of."""
        kinds: dict[str, list[Any]] = {
            "MultiPolygon": [[ring.tolist() for ring in rings] for rings in self.polygons],
            "MultiLineString": [line.tolist() for line in self.lines],
            "MultiPoint": [position for part in self.points for position in part.tolist()],
        }
        return [{"type": kind, "coordinates": found} for kind, found in kinds.items() if found]

    def placed(self, source: Crs, target: Crs) -> Shape:
        """Return the shape in another CRS.

        Raises:
            InvalidGeometry: a vertex has no place there.
        """
        if source == target:
            return self

        parts = list(self._parts())
        every = np.concatenate(parts)
        moved = np.stack(crs_.transform_points(source, target, every[:, 0], every[:, 1]), axis=1)
        if not np.isfinite(moved).all():
            raise InvalidGeometry("The geometry has no place in the output's coordinate reference system.")
        place = iter(np.split(moved, np.cumsum([len(part) for part in parts])[:-1]))
        return Shape(
            polygons=tuple(tuple(next(place) for _ in polygon) for polygon in self.polygons),
            lines=tuple(next(place) for _ in self.lines),
            points=tuple(next(place) for _ in self.points),
        )


def parse(geometry: Any, *, most: int = MOST_VERTICES) -> Shape:
    """Return the shape of a GeoJSON geometry or Feature of any type; a shape is left as it is.

    Args:
        geometry: as `json` gives it.
        most: vertices that it may have.

    Raises:
        InvalidGeometry: it is none, or has no positions, or one that is not numbers, or a ring that is not closed.
        OverLimit: it has too many vertices.
    """
    if isinstance(geometry, Shape):
        return geometry
    if isinstance(geometry, Mapping) and geometry.get("type") == "Feature":
        geometry = geometry.get("geometry")
    parser = _Parser(most)
    parser.add(geometry, _DEEPEST)
    return Shape(polygons=tuple(parser.polygons), lines=tuple(parser.lines), points=tuple(parser.points))


class _Parser:
    """Collects the parts of a geometry."""

    def __init__(self, most: int) -> None:
        self.polygons: list[tuple[Positions, ...]] = []
        self.lines: list[Positions] = []
        self.points: list[Positions] = []
        self._most = most
        self._left = most

    def add(self, geometry: Any, depth: int) -> None:
        if not isinstance(geometry, Mapping):
            raise _wrong("The geometry is missing: a GeoJSON geometry is needed.")
        kind = geometry.get("type")
        if kind == "GeometryCollection":
            if not depth:
                raise _wrong("The collections of the geometry lie too deep in one another.")
            for found in _list(geometry.get("geometries")):
                self.add(found, depth - 1)
            return
        take = _Parser._TAKE.get(kind) if isinstance(kind, str) else None
        if take is None:
            raise _wrong(f"A geometry is one of {', '.join(TYPES)}, not '{str(kind)[:_SHOWN]}'.")
        take(self, geometry.get("coordinates"))

    def _point(self, found: Any) -> None:
        self.points.append(self._positions([found]))

    def _multi_point(self, found: Any) -> None:
        self.points.append(self._positions(found))

    def _line(self, found: Any) -> None:
        line = self._positions(found)
        if len(line) < 2:
            raise _wrong("A line has at least two positions.")
        if (line == line[0]).all():
            self.points.append(line[:1])  # where it stays, no library would draw it
        else:
            self.lines.append(line)

    def _multi_line(self, found: Any) -> None:
        for line in _list(found):
            self._line(line)

    def _polygon(self, found: Any) -> None:
        self.polygons.append(tuple(map(self._ring, _list(found))))

    def _multi_polygon(self, found: Any) -> None:
        for polygon in _list(found):
            self._polygon(polygon)

    # of the class: one of each object would hold the object, which then only the collector of circles finds
    _TAKE: ClassVar[dict[str, Callable[[_Parser, Any], None]]] = {
        "Point": _point,
        "MultiPoint": _multi_point,
        "LineString": _line,
        "MultiLineString": _multi_line,
        "Polygon": _polygon,
        "MultiPolygon": _multi_polygon,
    }

    def _ring(self, found: Any) -> Positions:
        if isinstance(found, list | tuple) and len(found) < 4:
            raise _wrong("A ring has at least four positions.")
        ring = self._positions(found)
        if not (ring[0] == ring[-1]).all():
            raise _wrong("A ring ends where it begins.")
        return ring

    def _positions(self, found: Any) -> Positions:
        positions = _list(found)
        self._left -= len(positions)
        if self._left < 0:
            raise OverLimit(f"The geometries have more than {self._most} vertices.", parameter="body", limit=self._most)
        if not all(map(_is_position, positions)):
            raise _wrong("A position is a list of two or three finite numbers.")
        return np.array([position[:2] for position in positions], dtype="float64")


def _list(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise _wrong("The geometry has no coordinates, or some of another depth than its type says.")
    return value


def _is_position(position: Any) -> bool:
    return (
        isinstance(position, list | tuple)
        and 2 <= len(position) <= 4
        and all(type(number) in (int, float) and abs(number) < _FARTHEST for number in position)
    )


def _wrong(message: str) -> InvalidGeometry:
    return InvalidGeometry(message, parameter="body")
