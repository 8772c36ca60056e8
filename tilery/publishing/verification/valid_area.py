"""Is the published raster there where its source is, and nowhere else? Asked of points all over both.

A point of the published raster is looked up in the source, and one of the source in the published raster, by PROJ and
not by the warp that made it. Only points around which the source is valid, or missing, all over count: at edges either
may be right.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import BrokenRaster
from tilery.geo import crs as crs_
from tilery.geo.mercator import HALF, WIDTH
from tilery.publishing import rasters, validity
from tilery.publishing.transcode import is_random_access
from tilery.publishing.windows import in_order, pieces
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.windows import Window

_SIDE = 160
"""Points along each side."""
_ALLOWED = 0.005
"""Part of the points that may disagree: a projection's own edge is drawn by PROJ and by a warp not quite alike."""
_FARTHEST = 64
"""Pixels around a point that are looked at, at most."""
_ALL, _NONE, _MIXED = 1, 0, -1

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Points:
    """Pixels of the published raster that are valid."""

    columns: Numbers
    rows: Numbers


def need_same_area(source: Path, profile: Profile, published: Path, found: Profile) -> Points:
    """Check that what is valid in the source is valid in the published raster, and the other way round.

    Args:
        source: the raster that was to be published.
        profile: its facts, with what the publisher added to them.
        published: the finished file.
        found: its facts.

    Returns:
        Valid points of the published raster, all over it.

    Raises:
        BrokenRaster: something was lost, or comes from nowhere.
    """
    columns, rows = _spread(found.width, found.height)
    # Where between its control points a raster is, is the warp's own choice: only that it shows is asked.
    forth = _Forth.none() if profile.gcps else _forth(source, profile, found)
    all_columns = np.concatenate([columns + 0.5, forth.across])
    all_rows = np.concatenate([rows + 0.5, forth.down])
    seen = _states(published, found, all_columns, all_rows, np.zeros(len(all_rows), "int64")) == _ALL
    shown, met = seen[: columns.size], seen[columns.size :]
    points = Points(columns[shown], rows[shown])
    if profile.gcps:
        if not shown.any() and validity.may_miss(found):
            raise BrokenRaster("Nothing of the raster can be seen any more; nothing was published.")
        return points
    there = _states(source, profile, *_lookup(found, profile, columns, rows))
    must = int(np.count_nonzero(there == _ALL))
    lost = int(np.count_nonzero((there == _ALL) & ~shown)) + forth.off + int(np.count_nonzero(~met))
    invented = int(np.count_nonzero((there == _NONE) & shown))
    _judge("Valid pixels of the source are missing", lost, must + forth.off + met.size)
    _judge("Pixels are valid where the source has none", invented, int(np.count_nonzero(there == _NONE)))
    return points


@dataclass(frozen=True, slots=True)
class _Forth:
    """Places of the source that must be seen in the published raster."""

    across: Floats
    """Columns in the published raster."""
    down: Floats
    off: int
    """How many lie beyond it."""

    @classmethod
    def none(cls) -> _Forth:
        """No places."""
        return cls(np.empty(0), np.empty(0), 0)


def _judge(what: str, wrong: int, asked: int) -> None:
    """Raise when more of the places that were asked for are wrong than may be."""
    if wrong > _ALLOWED * asked + 1 or (asked and wrong == asked):
        raise BrokenRaster(
            f"{what} in the raster that was made ({wrong / asked:.1%} of {asked} places); nothing was published.",
        )


def _spread(width: int, height: int) -> tuple[Numbers, Numbers]:
    """Return pixels all over a raster."""
    columns = ((np.arange(min(_SIDE, width)) + 0.5) * width / min(_SIDE, width)).astype("int64")
    rows = ((np.arange(min(_SIDE, height)) + 0.5) * height / min(_SIDE, height)).astype("int64")
    grid = np.meshgrid(columns, rows)
    return grid[0].ravel(), grid[1].ravel()


def _forth(source: Path, profile: Profile, found: Profile) -> _Forth:
    """Return places of the source around which all is valid, in the published raster."""
    columns, rows = _spread(profile.width, profile.height)
    across, down, reach = _lookup(profile, found, columns, rows)
    # A published pixel is looked at, so that what surrounds the place in the source must be as large as that.
    around = np.ceil(1 + 2 * np.maximum(1, _scale(found, profile, across, down)))
    around = np.where((reach > 0) & (around <= _FARTHEST), around, np.minimum(reach, 0)).astype("int64")
    must = (_states(source, profile, columns, rows, around) == _ALL) & (reach >= 0)
    if found.crs == crs_.WEB_MERCATOR:
        must &= np.abs(found.transform[5] + found.transform[4] * down) < HALF
    edge = 1.5
    off = (across < -edge) | (down < -edge) | (across > found.width + edge) | (down > found.height + edge)
    inside = (across >= 0) & (down >= 0) & (across < found.width) & (down < found.height)
    chosen = must & inside
    return _Forth(across[chosen], down[chosen], int(np.count_nonzero(must & off)))


def _scale(one: Profile, other: Profile, across: Floats, down: Floats) -> Floats:
    """Return pixels of another raster to a pixel of one, at places of it."""
    ahead = [_positions(one, other, across + dx, down + dy) for dx, dy in ((0, 0), (1, 0), (0, 1))]
    with np.errstate(invalid="ignore"):
        steps = [np.hypot(step[0] - ahead[0][0], step[1] - ahead[0][1]) for step in ahead[1:]]
    found = np.maximum(*steps)
    return np.asarray(np.where(np.isfinite(found), found, _FARTHEST))


def _lookup(one: Profile, other: Profile, columns: Numbers, rows: Numbers) -> tuple[Floats, Floats, Numbers]:
    """Return where pixels of a raster are in another, and how many pixels around to look at; -1 where it cannot be
    said.
    """
    middle, centre = columns.astype("float64") + 0.5, rows.astype("float64") + 0.5
    across, down = _positions(one, other, middle, centre)
    scale = _scale(one, other, middle, centre)
    reach = np.where(scale < _FARTHEST / 2, np.ceil(1 + 2 * np.maximum(scale, 1)), -1)
    exact = one.crs == other.crs and one.transform == other.transform
    known = np.isfinite(across) & np.isfinite(down)
    reach = np.where(known, np.where(exact, 0, reach), -1)
    return across, down, reach.astype("int64")


def _positions(one: Profile, other: Profile, columns: Any, rows: Any) -> tuple[Floats, Floats]:
    """Return columns and rows in another raster, as floats, of places in one."""
    a, b, c, d, e, f = one.transform
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    x, y = crs_.transform_points(rasters.crs_of(one), rasters.crs_of(other), x, y)
    a, b, c, d, e, f = other.transform
    world = _world(rasters.crs_of(other))
    determinant = a * e - b * d
    with np.errstate(invalid="ignore"):
        if world is not None:  # the same place is there a world further on: where the raster begins is the first
            left = min(c, c + a * other.width)
            almost = 1e-6 * abs(a)
            x = left - almost + (x - left + almost) % world
        across = (e * (x - c) - b * (y - f)) / determinant
        down = (a * (y - f) - d * (x - c)) / determinant
    return np.asarray(across), np.asarray(down)


def _world(crs: Any) -> float | None:
    """After how much the first coordinate of a CRS comes to the same place again."""
    if crs == crs_.WEB_MERCATOR:
        return WIDTH
    if not crs_.is_geographic(crs):
        return None
    unit = crs_.to_pyproj(crs).axis_info[0].unit_conversion_factor
    return 2 * math.pi / unit if unit else 360.0


def _states(path: Path, profile: Profile, across: Any, down: Any, reach: Numbers) -> NDArray[np.int8]:
    """Return whether all around each place is valid, or nothing is; places beyond the raster are missing."""
    usable = np.isfinite(across) & np.isfinite(down) & (reach >= 0)
    columns = np.floor(np.where(usable, across, -1)).clip(-(2**40), 2**40).astype("int64")
    rows = np.floor(np.where(usable, down, -1)).clip(-(2**40), 2**40).astype("int64")
    found = np.full(len(columns), _MIXED, "int8")
    beyond = usable & (
        (columns + reach < 0)
        | (rows + reach < 0)
        | (columns - reach >= profile.width)
        | (rows - reach >= profile.height)
    )
    found[beyond] = _NONE
    inside = usable & (columns >= 0) & (rows >= 0) & (columns < profile.width) & (rows < profile.height)
    if not validity.may_miss(profile):
        deep = (columns >= reach) & (rows >= reach)
        deep &= (columns + reach < profile.width) & (rows + reach < profile.height)
        found[inside & deep] = _ALL
        return found
    _read(path, profile, columns, rows, reach, inside, found)
    return found


def _read(
    path: Path,
    profile: Profile,
    columns: Numbers,
    rows: Numbers,
    reach: Numbers,
    inside: NDArray[np.bool_],
    found: NDArray[np.int8],
) -> None:
    """Fill in what the raster says of the places inside it."""
    from rasterio.windows import Window

    random = is_random_access(profile)
    handles = rasters.Handles(lambda: rasters.reading(path, driver=profile.driver))
    order = np.flatnonzero(inside)

    def work(window: Window) -> tuple[NDArray[np.intp], NDArray[np.int8]] | None:
        left, top = int(window.col_off), int(window.row_off)
        right, bottom = left + int(window.width), top + int(window.height)
        x, y = columns[order], rows[order]
        mine = order[(x >= left) & (x < right) & (y >= top) & (y < bottom)]
        if not mine.size:
            return None
        near = reach[mine]
        wide = int(near.max())
        left, top = max(0, left - wide), max(0, top - wide)
        right, bottom = min(profile.width, right + wide), min(profile.height, bottom + wide)
        with handles.borrow() as dataset:
            there = validity.present(dataset, profile, Window(left, top, right - left, bottom - top))
        if not wide:
            return mine, np.where(there[rows[mine] - top, columns[mine] - left], _ALL, _NONE).astype("int8")
        sums = np.pad(there.cumsum(0, dtype="int32").cumsum(1, dtype="int32"), ((1, 0), (1, 0)))
        first, last = np.maximum(rows[mine] - near, top), np.minimum(rows[mine] + near + 1, bottom)
        start, stop = np.maximum(columns[mine] - near, left), np.minimum(columns[mine] + near + 1, right)
        first, last, start, stop = first - top, last - top, start - left, stop - left
        count = sums[last, stop] - sums[first, stop] - sums[last, start] + sums[first, start]
        state = np.where(count == (2 * near + 1) ** 2, _ALL, np.where(count == 0, _NONE, _MIXED))
        return mine, state.astype("int8")

    with rasters.failures(path.parent), rasters.environment(), ExitStack() as stack:
        stack.callback(handles.close)
        windows = pieces(profile.width, profile.height, 2 * profile.dtype.itemsize + 16, rows_only=not random)
        for _, part in in_order(windows, work, workers=None if random else 1):
            if part is not None:
                found[part[0]] = part[1]
