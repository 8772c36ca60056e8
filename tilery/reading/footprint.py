"""Where a raster lies in other coordinate reference systems, and how much of it an output needs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tilery.geo import crs as crs_
from tilery.geo import mercator
from tilery.geo.raster import Bounds, Crs, Grid
from tilery.reading.profile import Profile

_HAIR = 1e-9
"""Part of a turn around the world by which edges may miss each other through rounding."""


def turned(profile: Profile, x: float) -> float:
    """Return a coordinate moved around the world to where the raster counts it, by one turn at most."""
    world = None if profile.crs is None else crs_.world(profile.crs)
    if world is None or not math.isfinite(x):
        return x
    left, _, right, _ = profile.bounds
    turn = world[1] - world[0]
    return x + turn * max(-1, min(1, round(((left + right) / 2 - x) / turn)))


def covers(profile: Profile, bounds: Bounds, crs: Crs) -> bool:
    """Return True when bounds of some CRS touch the raster, as rio-tiler decides whether a tile exists; also a turn
    further around the world.
    """
    if profile.crs is None:
        return False
    found = crs_.transform_bounds(crs, profile.crs, bounds)
    if not all(map(math.isfinite, found)):
        return True
    left, bottom, right, top = profile.bounds
    west, east = found[0], found[2]
    if found[1] >= top or found[3] <= bottom:
        return False
    world = crs_.world(profile.crs)
    if world is None:
        west, east = min(west, east), max(west, east)
        return left < east and right > west
    turn = world[1] - world[0]
    if west > east:
        east += turn  # the bounds cross the antimeridian
    if left < east and right > west:
        return True
    return math.floor((left - east) / turn + _HAIR) + 1 < (right - west) / turn - _HAIR


def shifts(profile: Profile, grid: Grid) -> tuple[float, ...]:
    """Return how far, in units of x, a raster has to be moved to be found by all of a grid: nowhere else than where it
    is, unless one of the two goes beyond the antimeridian by more than a pixel.
    """
    world = None if profile.crs is None or profile.gcps else crs_.world(profile.crs)
    if world is None:
        return (0.0,)
    left, _, right, _ = profile.bounds
    low, high = (grid.bounds[0], grid.bounds[2]) if grid.crs == profile.crs else world
    turn, spare = world[1] - world[0], profile.resolution[0]
    ends = (min(left, low), max(right, high))
    if ends[0] >= world[0] - spare and ends[1] <= world[1] + spare:
        return (0.0,)
    first, last = math.ceil((low - right) / turn + _HAIR), math.floor((high - left) / turn - _HAIR)
    found = sorted(range(max(first, -_MOST_SHIFTS), min(last, _MOST_SHIFTS) + 1), key=abs)
    return tuple(by * turn for by in found) or (0.0,)


_MOST_SHIFTS = 2


def extent(profile: Profile, crs: Crs) -> tuple[Bounds, Bounds] | None:
    """Return (bounds that hold the raster, bounds that lie inside of it) in another CRS: with them nearly every
    question whether a tile touches is four comparisons. None where the raster's shape there is not nearly a rectangle.
    """
    if profile.crs is None:
        return None
    left, bottom, right, top = profile.bounds
    world = crs_.world(profile.crs)
    if world is not None and not (left >= world[0] and right <= world[1]):
        return None
    xs, ys = np.meshgrid(np.linspace(left, right, 21), np.linspace(top, bottom, 21))
    x, y = crs_.transform_points(profile.crs, crs, xs, ys)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    outer = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    inner = (float(x[:, 0].max()), float(y[-1].max()), float(x[:, -1].min()), float(y[0].min()))
    wide, high = outer[2] - outer[0], outer[3] - outer[1]
    if inner[2] - inner[0] < 0.7 * wide or inner[3] - inner[1] < 0.7 * high:
        return None
    return outer, inner


def surely(bounds: Bounds, extent: tuple[Bounds, Bounds]) -> bool | None:
    """Return True when bounds touch what lies inside, False when they are well away from what holds it, else None."""
    left, bottom, right, top = bounds
    outer, inner = extent
    if left < inner[2] and right > inner[0] and bottom < inner[3] and top > inner[1]:
        return True
    margin = max(right - left, top - bottom) / 4 + (outer[2] - outer[0] + outer[3] - outer[1]) / 40
    away = (
        left > outer[2] + margin or right < outer[0] - margin or bottom > outer[3] + margin or top < outer[1] - margin
    )
    return False if away else None


def scale(profile: Profile, grid: Grid) -> float:
    """Return pixels of the raster that one pixel of the grid stands for, along one side: the median over
    nine places.
    """
    return scales(profile, grid)[0]


def detail(profile: Profile, grid: Grid) -> float:
    """Return pixels of the raster to one of the grid that an overview may be thinned out by: see `finer`."""
    return finer(grid, (profile.width, profile.height), *scales(profile, grid))


def finer(grid: Grid, size: tuple[int, int], mean: float, across: float, down: float) -> float:
    """Return the scale that overviews are chosen by, from that of an area and those of both sides of a pixel of the
    grid, and from ``size``: columns and rows of the raster.

    An output in degrees is narrow towards the poles: the mean of both sides would lose what the finer one shows. On
    maps it is that of the raster's diagonal, which GDAL's warper keeps (``GDALSuggestedWarpOutput``), with the sides
    that pixels have here: a raster in degrees far from the equator has pixels that are longer than wide on a map, and
    the side of their area would have an overview read that lacks rows. One that is wider than high, as those of the
    whole world are, has a diagonal that lies along its rows.
    """
    least = min(across, down)
    if not 0 < least < math.inf:
        return mean
    if grid.crs is not None and crs_.is_geographic(grid.crs):
        return least
    columns, rows = size
    return min(mean, math.hypot(columns, rows) / math.hypot(columns / across, rows / down))


def scales(profile: Profile, grid: Grid) -> tuple[float, float, float]:
    """Return pixels of the raster to one of the grid: the side of its area, its width and its height, medians over nine
    places.
    """
    if profile.crs is None or grid.crs is None:
        mean = _window_scale(profile, grid)
        return (mean, mean, mean)
    left, bottom, right, top = grid.bounds
    dx, dy = (right - left) / grid.width, (top - bottom) / grid.height
    xs, ys = np.meshgrid(np.linspace(left, right, 5)[1:-1], np.linspace(bottom, top, 5)[1:-1])
    corners_x = np.concatenate([xs.ravel(), xs.ravel() + dx, xs.ravel()])
    corners_y = np.concatenate([ys.ravel(), ys.ravel(), ys.ravel() + dy])
    x, y = crs_.transform_points(grid.crs, profile.crs, corners_x, corners_y)
    x, y = np.where(np.isfinite(x), x, np.nan), np.where(np.isfinite(y), y, np.nan)
    a, b, _, d, e, _ = profile.transform
    determinant = a * e - b * d
    x, y = x.reshape(3, -1), y.reshape(3, -1)
    dx_, dy_ = x[1:] - x[0], y[1:] - y[0]
    columns, rows = (e * dx_ - b * dy_) / determinant, (a * dy_ - d * dx_) / determinant
    known = np.isfinite(columns).all(axis=0) & np.isfinite(rows).all(axis=0)
    if not known.any():
        return (1.0, 1.0, 1.0)
    columns, rows = columns[:, known], rows[:, known]
    area = float(np.median(np.abs(columns[0] * rows[1] - columns[1] * rows[0])))
    across, down = (float(value) for value in np.median(np.hypot(columns, rows), axis=1))
    return (math.sqrt(area), across, down)


def resolution_at(profile: Profile, crs: Crs, x: float, y: float) -> float:
    """Return side of the square pixel, in units of ``crs``, that has the area of the raster's own pixel at
    a position.
    """
    step = profile.resolution[0]
    if profile.crs is not None and crs_.is_geographic(profile.crs) != crs_.is_geographic(crs):
        step = step / mercator.DEGREE if crs_.is_geographic(crs) else step * mercator.DEGREE
    around = Grid(crs=crs, bounds=(x - 2 * step, y - 2 * step, x + 2 * step, y + 2 * step), width=4, height=4)
    return step / scale(profile, around)


def _window_scale(profile: Profile, grid: Grid) -> float:
    left, bottom, right, top = grid.bounds
    across, down = profile.resolution
    return math.sqrt(abs((right - left) / across / grid.width * (top - bottom) / down / grid.height))


def overview(profile: Profile, factor: float, method: str) -> int | None:
    """Return the index of the overview to read from, or None for the full raster.

    GDAL takes an overview that is up to 1.2 times coarser than asked for when it picks nearest neighbours
    (GDAL_OVERVIEW_OVERSAMPLING_THRESHOLD), and one not coarser than asked for otherwise, but for rounding.
    """
    limit = 1.2 * factor + 0.1 if method == "nearest" else 1.01 * factor
    chosen, best = None, 1
    for index, decimation in enumerate(profile.overviews):
        # A file may call an image an overview that is as large as the raster, or larger: GDAL's factor of it is 1 or 0.
        if best < decimation <= limit:
            chosen, best = index, decimation
    return chosen


def decoded_bytes(
    profile: Profile, grid: Grid, bands: tuple[int, ...], *, least: Callable[[float], int] = lambda _: 0
) -> int:
    """Return bytes of decoded blocks that filling the grid takes, an upper bound from the header alone.

    Args:
        profile: of the raster.
        grid: to be filled.
        bands: those asked for.
        least: bytes that reading any part takes, of the raster made smaller by a factor.
    """
    left, bottom, right, top = grid.bounds
    if profile.crs is not None and grid.crs is not None and profile.crs != grid.crs:
        left, bottom, right, top = crs_.transform_bounds(grid.crs, profile.crs, (left, bottom, right, top))
    width, height = profile.width, profile.height
    finite = all(map(math.isfinite, (left, bottom, right, top)))
    if profile.north_up and finite and left < right and shifts(profile, grid) == (0.0,):
        a, _, c, _, e, f = profile.transform
        columns = sorted(((left - c) / a, (right - c) / a))
        rows = sorted(((top - f) / e, (bottom - f) / e))
        width = math.ceil(max(0.0, min(columns[1], profile.width) - max(columns[0], 0.0)))
        height = math.ceil(max(0.0, min(rows[1], profile.height) - max(rows[0], 0.0)))
    chosen = overview(profile, detail(profile, grid), "average")
    factor = 1 if chosen is None else profile.overviews[chosen]
    block_rows, block_columns = profile.block_shapes[0]
    across = min(math.ceil(profile.width / factor), math.ceil(width / factor) + 2 * block_columns)
    down = min(math.ceil(profile.height / factor), math.ceil(height / factor) + 2 * block_rows)
    planes = len(set(bands)) if profile.bands_apart else profile.count
    return max(least(factor), across * down * planes * profile.dtype.itemsize)
