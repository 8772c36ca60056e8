"""Polygons of GeoJSON, checked before a library sees them.

GDAL and rasterio trust what they are given: coordinates of a wrong shape end the process, not the request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import crs as crs_
from app import settings
from app.errors import InvalidGeometry, OverLimit
from app.raster import Bounds, Crs

_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One or more polygons: each a tuple of rings, the first its outline; rings of shape (vertices, 2), x first."""

    polygons: tuple[tuple[NDArray[np.float64], ...], ...]

    @property
    def bounds(self) -> Bounds:
        """Bounds of all outlines."""
        low = np.min([polygon[0].min(axis=0) for polygon in self.polygons], axis=0)
        high = np.max([polygon[0].max(axis=0) for polygon in self.polygons], axis=0)
        return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    @property
    def vertices(self) -> int:
        """Number of vertices."""
        return sum(len(ring) for polygon in self.polygons for ring in polygon)

    def geojson(self) -> dict[str, Any]:
        """The shape as a GeoJSON MultiPolygon."""
        return {"type": "MultiPolygon", "coordinates": [[ring.tolist() for ring in rings] for rings in self.polygons]}

    def placed(self, source: Crs, target: Crs) -> Shape:
        """The shape in another CRS.

        Raises:
            InvalidGeometry: a vertex has no place there.
        """
        if source == target:
            return self
        polygons = []
        for polygon in self.polygons:
            rings = []
            for ring in polygon:
                xs, ys = crs_.transform_points(source, target, ring[:, 0], ring[:, 1])
                moved = np.stack([xs, ys], axis=1)
                if not np.isfinite(moved).all():
                    raise InvalidGeometry("The geometry has no place in the output's coordinate reference system.")
                rings.append(moved)
            polygons.append(tuple(rings))
        return Shape(polygons=tuple(polygons))


def parse(geometry: Any) -> Shape:
    """The polygons of a GeoJSON geometry (or Feature) of type Polygon or MultiPolygon.

    Raises:
        InvalidGeometry: it is anything else, or has a ring of fewer than four positions, or one that is not numbers.
        OverLimit: it has more vertices than `settings.max_vertices`.
    """
    if isinstance(geometry, Mapping) and geometry.get("type") == "Feature":
        geometry = geometry.get("geometry")
    if not isinstance(geometry, Mapping):
        raise InvalidGeometry("The geometry is missing: a GeoJSON Polygon or MultiPolygon is needed.")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon":
        coordinates = [coordinates]
    elif kind != "MultiPolygon":
        raise InvalidGeometry(f"The geometry must be a Polygon or a MultiPolygon, not '{str(kind)[:_SHOWN]}'.")
    limit = settings.get().max_vertices
    left = limit
    polygons = []
    for rings in _list(coordinates, "A MultiPolygon's coordinates are a list of polygons."):
        shaped = []
        for positions in _list(rings, "A polygon's coordinates are a list of rings."):
            ring = _list(positions, "A ring is a list of positions.")
            left -= len(ring)
            if left < 0:
                raise OverLimit(f"A geometry may have at most {limit} vertices.", parameter="geometry", limit=limit)
            shaped.append(_ring(ring))
        polygons.append(tuple(shaped))
    return Shape(polygons=tuple(polygons))


def _list(value: Any, message: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise InvalidGeometry(message)
    return value


def _ring(positions: list[Any] | tuple[Any, ...]) -> NDArray[np.float64]:
    if len(positions) < 4:
        raise InvalidGeometry("A ring has at least four positions, the last equal to the first.")
    for position in positions:
        if not isinstance(position, list | tuple) or not 2 <= len(position) <= 4:
            raise InvalidGeometry("A position is a list of two or three numbers.")
        for value in position[:2]:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InvalidGeometry("A position is made of finite numbers.")
    return np.array([position[:2] for position in positions], dtype="float64")
