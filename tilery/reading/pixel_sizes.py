"""How large a raster's pixels are in other coordinate reference systems, measured all over the raster.

A warp that is suggested over all of a raster says little of its pixels where corners lie off the globe (Mollweide,
Robinson, a geostationary view) or where the antimeridian is crossed, which makes it the width of the world. So pixels
are looked at one by one, in a pattern all over the raster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.geo import mercator
from tilery.geo.raster import Bounds, Crs
from tilery.reading.geographic_extent import position
from tilery.reading.profile import Profile

"""Metres around the equator in Web Mercator."""
_ACROSS = 63
"""Pixels that are looked at in each direction; more than the 4096 points of a quick transformation are not needed."""

_FEW = 9
"""The same where the middle one is wanted first of all."""


def pixel_sides(profile: Profile, crs: Crs) -> NDArray[np.float64]:
    """Return width, height and square root of the area of pixels all over the raster, in units of ``crs``.

    Of Web Mercator only what its square map shows is taken, where the raster has any of it.

    Returns:
        Shape (pixels, 3); no rows where none of the pixels has a place in ``crs``.
    """
    if profile.crs is None:
        return np.zeros((0, 3))
    u, v = (middles.ravel() for middles in np.meshgrid(_centres(profile.width), _centres(profile.height)))
    columns = np.concatenate([u - 0.5, u + 0.5, u, u])
    rows = np.concatenate([v, v, v - 0.5, v + 0.5])
    a, b, c, d, e, f = profile.transform
    places = (a * columns + b * rows + c, d * columns + e * rows + f)
    xs, ys = crs_.transform_points(profile.crs, crs, *places)
    x, y = xs.reshape(4, -1), ys.reshape(4, -1)
    turn = mercator.WIDTH if crs == crs_.WEB_MERCATOR else 360.0 if crs_.is_geographic(crs) else math.inf
    with np.errstate(invalid="ignore"):  # what is off the globe is infinite
        across = (_shortest(x[1] - x[0], turn), y[1] - y[0])
        down = (_shortest(x[3] - x[2], turn), y[3] - y[2])
        area = np.sqrt(np.abs(across[0] * down[1] - across[1] * down[0]))
        found = np.stack([np.hypot(*across), np.hypot(*down), area], axis=1)
    usable = np.isfinite(found).all(axis=1) & (found > 0).all(axis=1)
    if crs == crs_.WEB_MERCATOR:
        shown = usable & (np.abs(y) <= mercator.WIDTH / 2).all(axis=0)
        usable = shown if shown.any() else usable
    sides: NDArray[np.float64] = found[usable]
    return sides


def finest(profile: Profile, crs: Crs) -> float:
    """Return the shorter side of the raster's finest pixels; a twentieth of them may be finer, as those are that a
    projection folds up at its rim.

    Raises:
        UnsupportedRaster: no pixel has a place in ``crs``.
    """
    return float(np.quantile(_need(pixel_sides(profile, crs))[:, :2].min(axis=1), 0.05))


def typical(profile: Profile, crs: Crs) -> float:
    """Return side of the square that is as large as the middle one of the raster's pixels by size.

    Raises:
        UnsupportedRaster: no pixel has a place in ``crs``.
    """
    return float(np.median(_need(pixel_sides(profile, crs))[:, 2]))


def in_middle(profile: Profile, crs: Crs, whole: Bounds) -> float | None:
    """Return side of the square pixel, in units of ``crs``, that has the area of the raster's own pixel: the one in its
    middle, or the median over places of the raster inside of ``whole`` where its middle is not. None where none is.
    """
    if profile.crs is None:
        return None
    side = (np.arange(_FEW) + 0.5) / _FEW
    across, down = (part.ravel() for part in np.meshgrid(side, side))
    one_column, one_row = 1.0 / profile.width, 1.0 / profile.height
    places = position(
        profile,
        np.concatenate([across, across + one_column, across]),
        np.concatenate([down, down, down + one_row]),
    )
    x, y = (part.reshape(3, -1) for part in crs_.transform_points(profile.crs, crs, *places))
    x, y = np.where(np.isfinite(x), x, np.nan), np.where(np.isfinite(y), y, np.nan)
    dx = x[1:] - x[0]
    world = crs_.world(crs)
    if world is not None:
        turn = world[1] - world[0]
        dx = dx - turn * np.round(dx / turn)
    sides = np.sqrt(np.abs(dx[0] * (y[2] - y[0]) - dx[1] * (y[1] - y[0])))
    inside = (x[0] >= whole[0]) & (x[0] <= whole[2]) & (y[0] >= whole[1]) & (y[0] <= whole[3]) & (sides > 0)
    if not inside.any():
        return None
    at = sides.size // 2
    return float(sides[at] if inside[at] else np.median(sides[inside]))


def _centres(size: int) -> NDArray[np.float64]:
    """Return middles of pixels spread over a side, the first and the last among them."""
    return np.unique(np.linspace(0, size - 1, min(size, _ACROSS)).round()) + 0.5


def _shortest(distance: Any, turn: float) -> Any:
    """Return a distance along x, not around the world."""
    return distance if math.isinf(turn) else (distance + turn / 2) % turn - turn / 2


def _need(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    if not sides.size:
        raise UnsupportedRaster("The raster cannot be placed in that coordinate reference system.")
    return sides
