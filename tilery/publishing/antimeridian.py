"""Rasters in degrees beyond ±180, brought to where a map of the world has them.

A raster of 0 to 360° begins in the middle of the map and goes round its end: its columns are put into the map's order.
One of 200 to 330° is moved as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from tilery.errors import UnsupportedRaster
from tilery.geo import crs as crs_
from tilery.reading.geographic_extent import within_a_turn
from tilery.reading.profile import Profile

_INEXACT = 0.05
"""Part of a pixel by which whole columns may miss the way around the world."""

_ROUNDING = 1e-6
"""Part of a pixel by which edges may miss ±180° through rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """Columns of a raster that goes around the world, in another order."""

    start: int
    """The column that comes first."""
    turn: int
    """Columns after which they come again."""

    def windows(self, window: Any) -> list[Any]:
        """Return windows of the raster as it is, that side by side are a window of the rolled one."""
        from rasterio.windows import Window

        found = []
        column, end = int(window.col_off), int(window.col_off + window.width)
        while column < end:
            source = (self.start + column) % self.turn
            width = min(end - column, self.turn - source)
            found.append(Window(source, window.row_off, width, window.height))
            column += width
        return found


def on_the_map(profile: Profile) -> tuple[Profile, Roll | None]:
    """Return the facts of the raster as a map of the world wants it, and how its columns are to be ordered for it.

    Returns:
        The same facts where all of it lies within ±180° already, or crosses 180° on the way from west to east.
    """
    if profile.gcps or profile.crs is None or not crs_.is_geographic(profile.crs) or not profile.north_up:
        return profile, None
    a, b, c, d, e, f = profile.transform
    west, east = c, c + a * profile.width
    if a <= 0 or (-180.0 - _ROUNDING * a <= west and east <= 180.0 + _ROUNDING * a) or _holds_the_map(west, east, a):
        return profile, None
    if (roll := _roll(profile)) is not None:
        left = c + roll.start * a
        left -= 360.0 * round((left + 180.0) / 360.0)
        exact = abs(left + 180.0) <= _ROUNDING * a
        width = roll.turn if exact else roll.turn + 1  # the column over the antimeridian is at both ends of the map
        return replace(profile, width=width, transform=(a, b, -180.0 if exact else left, d, e, f)), roll
    if east - west >= 360.0:
        return profile, None
    left = west - 360.0 * math.floor((west + 180.0 + a / 2) / 360.0)
    return replace(profile, transform=(a, b, left, d, e, f)), None


def _holds_the_map(west: float, east: float, step: float) -> bool:
    """True for all of the map and less than a pixel more on each side."""
    tolerance = _ROUNDING * step
    return -180.0 - step < west <= -180.0 + tolerance and 180.0 - tolerance <= east < 180.0 + step


def _roll(profile: Profile) -> Roll | None:
    """Return how a raster that goes around the world is rolled; None for one that does not, or not in whole columns."""
    step, left = profile.transform[0], profile.transform[2]
    turn = round(360.0 / step)
    if profile.width < turn or abs(turn * step - 360.0) > _INEXACT * step:
        return None
    # The first column that begins at the map's left edge, or over it.
    start = math.floor(((-180.0 - left) % 360.0) / step + _ROUNDING)
    return Roll(start=start % turn, turn=turn)


def crosses(profile: Profile) -> bool:
    """Return True when a raster in degrees, already on the map, reaches over its right edge by more than
    half a pixel.
    """
    if profile.crs is None or not crs_.is_geographic(profile.crs) or not profile.north_up:
        return False
    left, _, right, _ = profile.bounds
    west, east, step = min(left, right), max(left, right), profile.resolution[0]
    if east - west >= 360.0:
        return not _holds_the_map(west, east, step)
    west, east = within_a_turn(west, east, step)
    return west > east


def need_within(profile: Profile) -> None:
    """Check that a warp to the map finds all of a raster in degrees.

    Raises:
        UnsupportedRaster: a part of it is beyond ±180°.
    """
    if profile.gcps or profile.crs is None or not crs_.is_geographic(profile.crs):
        return
    left, _, right, _ = profile.bounds
    step = profile.resolution[0]
    if min(left, right) < -180.0 - step or max(left, right) > 180.0 + step:
        raise UnsupportedRaster(
            "The raster reaches beyond 180° of longitude, where such a VRT ends; publish it with --layout cog."
        )
