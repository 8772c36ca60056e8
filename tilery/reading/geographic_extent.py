"""Where on the globe a raster is.

Its outline says so where all of it is on the globe. It does not for a view of the Earth from space or an interrupted
projection: there, places all over the raster do. Longitudes beyond ±180° are the same places as those a turn further.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tilery.errors import UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo.raster import Bounds, Crs
from tilery.reading.profile import Profile

Floats = NDArray[np.float64]

WIDE = 60.0
"""Degrees across from which a raster is not nearly of one scale."""
MERCATOR = 85.06
"""Degrees north and south that are shown on a Mercator map, and a little more."""
_PLACES = 65
"""Along each side of a raster whose outline does not tell where it is: transformed quickly."""
_EDGE = 21
"""Along each side of a raster, of its outline."""
_ASTRAY = 1e-3
"""Part of the raster's size by which a position may miss itself there and back."""
_BISECTIONS = 30
"""From two places, one on the globe and one off it, to its edge: to a billionth of their distance."""
_GAP = 1 / 12
"""Part of a turn without a place from which a gap is one in the raster, not one between two places."""
_OVERHANG = 0.5 + 1e-6
"""Part of a pixel by which a raster may reach over the antimeridian and not count as crossing it: rasters whose pixels
stand on whole degrees do."""
_ROUNDING = 1e-6
"""Part of a pixel by which edges may miss a whole turn."""


def globe_bounds(profile: Profile) -> Bounds:
    """Return west, south, east, north in degrees, within ±180 and ±90; west > east across the antimeridian.

    A raster without a CRS is taken to count degrees.
    """
    if profile.crs is None:
        left, bottom, right, top = profile.bounds
        west, east = within_a_turn(left, right, profile.resolution[0])
        return (west, max(-90.0, bottom), east, min(90.0, top))
    return geographic_bounds(profile)


def geographic_bounds(profile: Profile, crs: Crs = crs_.WGS84) -> Bounds:
    """Return bounds in a geographic CRS, inside of its one turn around the world: west > east across the antimeridian.
    In a projected CRS what holds the raster there.

    Raises:
        UnsupportedRaster: the raster has no CRS, or no place in that one.
    """
    own = profile.crs
    if own is None:
        raise UnsupportedRaster("The raster has no coordinate reference system.", parameter="url")
    world, around = crs_.world(own), False
    left, bottom, right, top = profile.bounds
    if world is not None:
        step = profile.resolution[0]
        around = right - left >= world[1] - world[0] - _ROUNDING * step
        left, right = within_a_turn(left, right, step, world)
    pieces = [(left, right)] if world is None or left < right else [(left, world[1]), (world[0], right)]
    found = [crs_.transform_bounds(own, crs, (west, bottom, east, top)) for west, east in pieces]
    geographic = crs_.is_geographic(crs)
    sane = all(_is_sane(box, geographic=geographic) for box in found)
    if not sane or not (own == crs or outline_is_known(profile, own, crs)):
        return _sampled(profile, own, crs)
    south, north = min(box[1] for box in found), max(box[3] for box in found)
    if not geographic:
        return (min(box[0] for box in found), south, max(box[2] for box in found), north)
    low, high = crs_.world(crs) or (-180.0, 180.0)
    south, north = max(south, low / 2), min(north, high / 2)
    return (low, south, high, north) if around else (found[0][0], south, found[-1][2], north)


def within_a_turn(
    west: float, east: float, step: float, world: tuple[float, float] = (-180.0, 180.0)
) -> tuple[float, float]:
    """Return longitudes of any turn as those within one, west > east across its seam; all of it where they go all the
    way round.

    Args:
        west: the western edge.
        east: the eastern edge, greater.
        step: width of a pixel.
        world: where the turn begins and ends.
    """
    low, high = world
    turn = high - low
    if east - west >= turn - _ROUNDING * step:
        return low, high
    count = math.floor((west - low + _OVERHANG * step) / turn)
    west, east = west - turn * count, east - turn * count
    if east <= high + _OVERHANG * step:
        return max(west, low), min(east, high)
    return max(west, low), east - turn


def _is_sane(box: Bounds, *, geographic: bool) -> bool:
    west, south, east, north = box
    return all(map(math.isfinite, box)) and south < north and (west != east if geographic else west < east)


def outline_is_known(profile: Profile, own: Crs, crs: Crs = crs_.WGS84) -> bool:
    """Return True when every edge of a raster, whose own CRS is given, has a place in another one."""
    along = np.linspace(0.0, 1.0, _EDGE)
    none, whole = np.zeros_like(along), np.ones_like(along)
    across, down = np.concatenate([along, along, none, whole]), np.concatenate([none, whole, along, along])
    return bool(_there(profile, own, crs, across, down)[2].all())


def position(profile: Profile, across: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Return coordinates, in the raster's CRS, of places that are counted from 0 to 1 along both sides of the raster:
    from its first column to behind its last one, and from its first row likewise. All arrays are of one shape.
    """
    a, b, c, d, e, f = profile.transform
    columns, rows = across * profile.width, down * profile.height
    return a * columns + b * rows + c, d * columns + e * rows + f


def _there(
    profile: Profile, own: Crs, crs: Crs, across: Floats, down: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return where places of the raster, counted from 0 to 1, are in a CRS, and whether they are there.

    One off the globe may be given a place on it that is another's: it is not found again from there.
    """
    x, y = position(profile, across, down)
    found_x, found_y = crs_.transform_points(own, crs, x, y)
    known = np.isfinite(found_x) & np.isfinite(found_y)
    back_x, back_y = crs_.transform_points(crs, own, np.where(known, found_x, 0.0), np.where(known, found_y, 0.0))
    known &= np.isfinite(back_x) & np.isfinite(back_y)
    world = crs_.world(own)
    away_x, away_y = np.where(known, back_x, x) - x, np.where(known, back_y, y) - y
    if world is not None:
        turn = world[1] - world[0]
        away_x = away_x - turn * np.round(away_x / turn)
    left, bottom, right, top = profile.bounds
    known &= np.hypot(away_x, away_y) <= _ASTRAY * max(right - left, top - bottom)
    return found_x, found_y, known


def _sampled(profile: Profile, own: Crs, crs: Crs) -> Bounds:
    """Return bounds from places all over the raster, for one that reaches off the globe.

    Raises:
        UnsupportedRaster: nothing of it has a place.
    """
    side = np.linspace(0.0, 1.0, _PLACES)
    places = np.stack(np.meshgrid(side, side))
    x, y, flat = _there(profile, own, crs, *places.reshape(2, -1))
    known = flat.reshape(_PLACES, _PLACES)
    if not known.any():
        raise UnsupportedRaster("The raster has no place on the globe.", parameter="url")
    edge_x, edge_y, on = _there(profile, own, crs, *_edge(profile, own, crs, places, known))
    x, y = np.concatenate([x[flat], edge_x[on]]), np.concatenate([y[flat], edge_y[on]])
    if not crs_.is_geographic(crs):
        return (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    low, high = crs_.world(crs) or (-180.0, 180.0)
    west, east = _around(x, low, high)
    south = low / 2 if _holds(profile, own, crs, low / 2) else float(y.min())
    north = high / 2 if _holds(profile, own, crs, high / 2) else float(y.max())
    return (west, south, east, north)


def _edge(profile: Profile, own: Crs, crs: Crs, places: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return places on the edge of the globe, between those that are known and neighbours that are not: shape (2,
    places).
    """
    inside, outside = [], []
    for axis in (0, 1):
        for step in (1, -1):
            beside = np.roll(known, -step, axis)
            cut = known & ~beside
            border = -1 if step == 1 else 0
            cut[(border, slice(None)) if axis == 0 else (slice(None), border)] = False
            inside.append(places[:, cut])
            outside.append(np.roll(places, -step, axis + 1)[:, cut])
    inner, outer = np.concatenate(inside, axis=1), np.concatenate(outside, axis=1)
    for _ in range(_BISECTIONS if inner.size else 0):
        middle = (inner + outer) / 2
        on = _there(profile, own, crs, *middle)[2]
        inner, outer = np.where(on, middle, inner), np.where(on, outer, middle)
    return inner


def _holds(profile: Profile, own: Crs, crs: Crs, latitude: float) -> bool:
    """Return True when a pole lies on the raster."""
    x, y = crs_.transform_points(crs, own, [0.0], [latitude])
    left, bottom, right, top = profile.bounds
    spare = max(profile.resolution) / 2
    return bool(left - spare <= x[0] <= right + spare and bottom - spare <= y[0] <= top + spare)


def _around(longitudes: Floats, low: float, high: float) -> tuple[float, float]:
    """Return west and east of places: what lies between them is their widest gap, or nothing where they go
    all around.
    """
    turn = high - low
    found = np.sort((longitudes - low) % turn + low)
    gaps = np.diff(found, append=found[0] + turn)
    widest = int(np.argmax(gaps))
    if gaps[widest] < _GAP * turn:
        return low, high
    west, east = float(found[(widest + 1) % found.size]), float(found[widest])
    return west, high if east - low < turn * _ROUNDING else east


def is_wide(bounds: Bounds) -> bool:
    """Return True when a raster of these geographic bounds is not nearly of one scale on a map: it goes far around the
    world, across the antimeridian or near a pole, and what GDAL suggests for all of it tells of no place on it.
    """
    west, south, east, north = bounds
    return west > east or east - west > WIDE or south < -MERCATOR or north > MERCATOR


def middle(profile: Profile, bounds: Bounds) -> tuple[float, float]:
    """Return longitude and latitude of the middle of geographic bounds; of the middle of the raster where they cross
    the antimeridian.
    """
    west, south, east, north = bounds
    if west <= east:
        return ((west + east) / 2, (south + north) / 2)
    if profile.crs is not None:
        half = np.array([0.5])
        x, y, known = _there(profile, profile.crs, crs_.geodetic(profile.crs), half, half)
        if known.all():
            return (float((x[0] + 180.0) % 360.0 - 180.0), float(y[0]))
    return (((west + east + 360.0) / 2 + 180.0) % 360.0 - 180.0, (south + north) / 2)


def beyond_seam(crs: Crs, bounds: Bounds) -> Bounds | None:
    """Return geographic bounds (EPSG:4326) in a CRS whose seam they cross, in one piece that goes on beyond it; None
    where they do not, or it has none.
    """
    world = crs_.world(crs)
    west, south, east, north = bounds
    if world is None:
        return None
    most = 90.0 if crs_.is_geographic(crs) else MERCATOR
    south, north = max(south, -most), min(north, most)
    x, y = crs_.transform_points(crs_.WGS84, crs, [west, east], [south, north])
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or x[0] <= x[1]:
        return None
    return (float(x[0]), float(y[0]), float(x[1]) + world[1] - world[0], float(y[1]))
