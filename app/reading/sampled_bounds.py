"""Where on the globe a raster is, from positions all over it instead of its outline.

The outline says it where all of it is on the globe. It does not for a view of the Earth from space or an interrupted
projection, and longitudes beyond ±180° are the same places as those a turn further.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app import crs as crs_
from app.raster import Bounds
from app.reading.footprint import WORLD, geographic_bounds
from app.reading.profile import Profile

_POSITIONS = 64
"""In each direction: 4096 in all are transformed quickly."""
_ASTRAY = 1e-3
"""Part of the raster's width by which a position may miss itself there and back."""
_RIM = 0.05
"""Part of what is seen by which the raster may reach further."""
_OVERHANG = 0.5 + 1e-6
"""Part of a pixel by which a raster may reach over the antimeridian and not count as crossing it: rasters whose pixels
stand on whole degrees do."""


def globe_bounds(profile: Profile) -> Bounds:
    """West, south, east, north in degrees, within ±180 and ±90; west > east across the antimeridian.

    Where its outline does not say it, up to a twentieth larger than the raster on each side.
    """
    if profile.crs is None or profile.crs in (crs_.WGS84, "OGC:CRS84"):
        left, bottom, right, top = profile.bounds
        outline = (min(left, right), min(bottom, top), max(left, right), max(bottom, top))
        return _on_the_globe(outline, profile.resolution[0])
    outline, seen = geographic_bounds(profile), _seen(profile)
    if seen is None or (_holds(outline, seen) and outline != WORLD):
        return _on_the_globe(outline, profile.resolution[0] if crs_.is_geographic(profile.crs) else 0.0)
    return _widened(seen)


def _on_the_globe(bounds: Bounds, step: float) -> Bounds:
    west, south, east, north = bounds
    if west < east:
        west, east = within_a_turn(west, east, step)
    return (west, max(-90.0, south), east, min(90.0, north))


def within_a_turn(west: float, east: float, step: float) -> tuple[float, float]:
    """Longitudes of any turn as those within ±180; the world where they go all the way round.

    Args:
        west: the western edge.
        east: the eastern edge, greater.
        step: width of a pixel.
    """
    if east - west >= 360.0 - 1e-6 * step:
        return -180.0, 180.0
    turns = math.floor((west + 180.0 + _OVERHANG * step) / 360.0)
    west, east = west - 360.0 * turns, east - 360.0 * turns
    if east <= 180.0 + _OVERHANG * step:
        return max(west, -180.0), min(east, 180.0)
    return max(west, -180.0), east - 360.0


def _seen(profile: Profile) -> Bounds | None:
    """Bounds of the positions that are on the globe; None where there are none."""
    a, b, c, d, e, f = profile.transform
    columns, rows = np.meshgrid(np.linspace(0, profile.width, _POSITIONS), np.linspace(0, profile.height, _POSITIONS))
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    crs = profile.crs or crs_.WGS84
    longitudes, latitudes = crs_.transform_points(crs, crs_.WGS84, x, y)
    there = np.isfinite(longitudes) & np.isfinite(latitudes)
    # A position off the globe may be given a place on it that is another's.
    back_x, back_y = crs_.transform_points(
        crs_.WGS84, crs, np.where(there, longitudes, 0.0), np.where(there, latitudes, 0.0)
    )
    left, bottom, right, top = profile.bounds
    room = _ASTRAY * max(abs(right - left), abs(top - bottom))
    there &= np.hypot(back_x - x, back_y - y) <= room
    if not there.any():
        return None
    west, east = _around(np.sort((longitudes[there] + 180.0) % 360.0 - 180.0))
    return (west, float(latitudes[there].min()), east, float(latitudes[there].max()))


def _around(longitudes: NDArray[np.float64]) -> tuple[float, float]:
    """West and east of sorted longitudes: the widest gap between neighbours is where the raster is not."""
    gaps = np.diff(np.append(longitudes, longitudes[0] + 360.0))
    widest = int(np.argmax(gaps))
    if gaps[widest] <= 3 * (360.0 - gaps[widest]) / _POSITIONS:
        return -180.0, 180.0
    return float(longitudes[(widest + 1) % longitudes.size]), float(longitudes[widest])


def _holds(outline: Bounds, seen: Bounds) -> bool:
    """True when the positions are inside the outline, but for rounding."""
    west, south, east, north = outline
    wide, room = (east - west) % 360.0 or 360.0, _ASTRAY * (north - south)
    if not (south - room <= seen[1] and seen[3] <= north + room):
        return False
    slack = _ASTRAY * wide
    return all((longitude - west + slack) % 360.0 <= wide + 2 * slack for longitude in (seen[0], seen[2]))


def _widened(seen: Bounds) -> Bounds:
    """Bounds with room for what lies between two positions: far apart at the rim of a globe that is seen from space."""
    west, south, east, north = seen
    wide = (east - west) % 360.0 or 360.0
    room = _RIM * (north - south)
    south, north = max(-90.0, south - room), min(90.0, north + room)
    if wide * (1 + 2 * _RIM) >= 360.0:
        return (-180.0, south, 180.0, north)
    west, east = within_a_turn(west - wide * _RIM, west + wide * (1 + _RIM), 0.0)
    return (west, south, east, north)
