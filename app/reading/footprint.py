"""Where a raster lies in other coordinate reference systems, and how much of it an output needs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from app import crs as crs_
from app.errors import UnsupportedRaster
from app.raster import Bounds, Crs, Grid
from app.reading.profile import Profile

WORLD: Bounds = (-180.0, -90.0, 180.0, 90.0)


def geographic_bounds(profile: Profile, crs: Crs = crs_.WGS84) -> Bounds:
    """Bounds in a geographic CRS; west > east across the antimeridian; the whole world where they cannot be known."""
    left, bottom, right, top = profile.bounds
    if profile.crs is None or profile.crs == crs:
        return (left, min(bottom, top), right, max(bottom, top))
    try:
        found = crs_.transform_bounds(profile.crs, crs, (left, min(bottom, top), right, max(bottom, top)))
    except UnsupportedRaster:
        if crs != crs_.WGS84:
            raise
        return WORLD
    return found if all(map(math.isfinite, found)) else WORLD


def covers(profile: Profile, bounds: Bounds, crs: Crs) -> bool:
    """True when bounds of some CRS touch the raster, as rio-tiler decides whether a tile exists."""
    if profile.crs is None:
        return False
    found = crs_.transform_bounds(crs, profile.crs, bounds)
    if not all(map(math.isfinite, found)):
        return True
    left, bottom, right, top = profile.bounds
    bottom, top = min(bottom, top), max(bottom, top)
    west, east = found[0], found[2]
    if found[1] >= top or found[3] <= bottom:
        return False
    if west > east and crs_.is_geographic(profile.crs):
        # The bounds cross the antimeridian: they are two pieces, one at each end of the world.
        return (left < 180.0 and right > west) or left < east or right > west + 360.0
    west, east = min(west, east), max(west, east)
    if left < east and right > west:
        return True
    # A raster beyond 180° is also found a turn further west or east.
    return crs_.is_geographic(profile.crs) and (
        (right > 180.0 and left < east + 360.0 and right > west + 360.0)
        or (left < -180.0 and left < east - 360.0 and right > west - 360.0)
    )


def extent(profile: Profile, crs: Crs) -> tuple[Bounds, Bounds] | None:
    """(bounds that hold the raster, bounds that lie inside of it) in another CRS: with them nearly every question
    whether a tile touches is four comparisons. None where the raster's shape there is not nearly a rectangle.
    """
    if profile.crs is None:
        return None
    left, bottom, right, top = profile.bounds
    bottom, top = min(bottom, top), max(bottom, top)
    if crs_.is_geographic(profile.crs) and not (left >= WORLD[0] and right <= WORLD[2]):
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
    """True when bounds touch what lies inside, False when they are well away from what holds it, else None."""
    left, bottom, right, top = bounds
    outer, inner = extent
    if left < inner[2] and right > inner[0] and bottom < inner[3] and top > inner[1]:
        return True
    room = max(right - left, top - bottom) / 4 + (outer[2] - outer[0] + outer[3] - outer[1]) / 40
    away = left > outer[2] + room or right < outer[0] - room or bottom > outer[3] + room or top < outer[1] - room
    return False if away else None


def scale(profile: Profile, grid: Grid) -> float:
    """Pixels of the raster that one pixel of the grid stands for, along one side: the median over nine places."""
    if profile.crs is None or grid.crs is None:
        return _window_scale(profile, grid)
    left, bottom, right, top = grid.bounds
    dx, dy = (right - left) / grid.width, (top - bottom) / grid.height
    xs, ys = np.meshgrid(np.linspace(left, right, 5)[1:-1], np.linspace(bottom, top, 5)[1:-1])
    corners_x = np.concatenate([xs.ravel(), xs.ravel() + dx, xs.ravel()])
    corners_y = np.concatenate([ys.ravel(), ys.ravel(), ys.ravel() + dy])
    u, v = crs_.transform_points(grid.crs, profile.crs, corners_x, corners_y)
    u, v = u.reshape(3, -1), v.reshape(3, -1)
    area = np.abs((u[1] - u[0]) * (v[2] - v[0]) - (u[2] - u[0]) * (v[1] - v[0]))
    area = area[np.isfinite(area)]
    if not area.size:
        return 1.0
    across, down = profile.resolution
    return float(np.sqrt(np.median(area) / (across * down)))


def resolution_at(profile: Profile, crs: Crs, x: float, y: float) -> float:
    """Side of the square pixel, in units of ``crs``, that has the area of the raster's own pixel at a position."""
    step = profile.resolution[0]
    if profile.crs is not None and crs_.is_geographic(profile.crs) != crs_.is_geographic(crs):
        step = step / 111_320.0 if crs_.is_geographic(crs) else step * 111_320.0
    around = Grid(crs=crs, bounds=(x - 2 * step, y - 2 * step, x + 2 * step, y + 2 * step), width=4, height=4)
    return step / scale(profile, around)


def _window_scale(profile: Profile, grid: Grid) -> float:
    left, bottom, right, top = grid.bounds
    across, down = profile.resolution
    return math.sqrt(abs((right - left) / across / grid.width * (top - bottom) / down / grid.height))


def overview(profile: Profile, factor: float, method: str) -> int | None:
    """Index of the overview to read from, or None for the full raster.

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
    """Bytes of decoded blocks that filling the grid takes, an upper bound from the header alone.

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
    if profile.north_up and all(map(math.isfinite, (left, bottom, right, top))) and left < right:
        a, _, c, _, e, f = profile.transform
        columns = sorted(((left - c) / a, (right - c) / a))
        rows = sorted(((top - f) / e, (bottom - f) / e))
        width = math.ceil(max(0.0, min(columns[1], profile.width) - max(columns[0], 0.0)))
        height = math.ceil(max(0.0, min(rows[1], profile.height) - max(rows[0], 0.0)))
    chosen = overview(profile, scale(profile, grid), "average")
    factor = 1 if chosen is None else profile.overviews[chosen]
    block_rows, block_columns = profile.block_shapes[0]
    across = min(math.ceil(profile.width / factor), math.ceil(width / factor) + 2 * block_columns)
    down = min(math.ceil(profile.height / factor), math.ceil(height / factor) + 2 * block_rows)
    planes = len(set(bands)) if profile.bands_apart else profile.count
    return max(least(factor), across * down * planes * profile.dtype.itemsize)
