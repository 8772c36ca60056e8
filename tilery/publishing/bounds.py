"""Where a raster is in degrees, and how many tiles that makes."""

from __future__ import annotations

import math

from tilery.geo import crs as crs_
from tilery.geo import mercator
from tilery.geo.raster import Bounds
from tilery.reading.geographic_extent import globe_bounds
from tilery.reading.profile import Profile

_WIDE = 120.0
"""Degrees of longitude from which a raster across the antimeridian is given all of the map."""


def bounds_of(profile: Profile) -> Bounds:
    """Return west, south, east, north of the raster in degrees, cut where a map's world ends; west > east across the
    antimeridian.
    """
    return globe_bounds(profile)


def map_bounds(profile: Profile) -> Bounds:
    """Return bounds that a Web Mercator grid is to cover: the raster's, or all of the map where it crosses the
    antimeridian and little is left. Not in degrees, where a warp finds nothing beyond ±180.
    """
    west, south, east, north = bounds_of(profile)
    in_degrees = profile.crs is not None and crs_.is_geographic(profile.crs)
    if west > east and not in_degrees and east + 360 - west >= _WIDE:
        west, east = -180.0, 180.0
    return (west, south, east, north)


def size_at(bounds: Bounds, zoom: int) -> tuple[int, int]:
    """Return about how many pixels of a zoom lie within bounds, across and down."""
    west, south, east, north = bounds
    side = 256 * 2**zoom
    wide = east - west if west <= east else east + 360 - west
    high = mercator.part_north_of(south) - mercator.part_north_of(north)
    return max(1, round(wide / 360 * side)), max(1, round(high * side))


def tile_range(bounds: Bounds, zoom: int) -> tuple[int, int, int, int]:
    """Return first column, first row, last column and last row of the tiles of Web Mercator that touch bounds which do
    not cross the antimeridian.
    """
    west, south, east, north = bounds
    side = 2**zoom
    first = min(side - 1, max(0, math.floor((west + 180) / 360 * side)))
    last = max(first, min(side - 1, math.ceil((east + 180) / 360 * side) - 1))
    top = min(side - 1, max(0, math.floor(mercator.part_north_of(north) * side)))
    bottom = max(top, min(side - 1, math.ceil(mercator.part_north_of(south) * side) - 1))
    return first, top, last, bottom


def parts(bounds: Bounds) -> tuple[Bounds, ...]:
    """Return the bounds in pieces that do not cross the antimeridian."""
    west, south, east, north = bounds
    return (bounds,) if west <= east else ((west, south, 180.0, north), (-180.0, south, east, north))


def count_tiles(bounds: Bounds, minzoom: int, maxzoom: int) -> int:
    """Return tiles that touch bounds, over a range of zooms."""
    total = 0
    for zoom in range(minzoom, maxzoom + 1):
        for part in parts(bounds):
            first, top, last, bottom = tile_range(part, zoom)
            total += (last - first + 1) * (bottom - top + 1)
    return total
