"""One window of the Web Mercator grid, warped from pixels in memory: of rasters of which nothing is missing but beyond
their edges.

A kernel of our own does it where the grid's pixels are not larger than the raster's, in a sixth of the time that GDAL
takes. Else GDAL's warp of arrays does, which takes an eighth of what its warped VRT takes, where an alpha band tells
what is valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from tilery import kernels
from tilery.geo import crs as crs_
from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.publishing.grid import WebGrid
from tilery.publishing.windows import PIECE
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader
    from rasterio.windows import Window

Floats = NDArray[np.float64]

_PROBES = 33
"""Positions along each side of a window that are looked at."""
_KERNEL = 4
"""Pixels of the coarser raster that a kernel reaches to each side, and some for what bends between two positions."""
_SEAM = 8
"""Times the usual step from one position to the next from which on there is a seam of the CRS between them."""
_MOST = 2 * PIECE
"""Bytes of the pixels that one window may need."""
_STEP = 32
"""Pixels of the grid from one place that PROJ is asked for to the next; those between lie on straight lines."""
_BENT = 0.02
"""Pixels of the raster by which these may miss."""
_LARGER = 1 / 0.95
"""Pixels of the raster to one of the grid, along a side, from which on GDAL widens its kernels, so as to see all."""


def source_window(profile: Profile, grid: WebGrid, window: Window, bands: int) -> Window | None:
    """Return the part of a raster that a window of the grid is made of, of no columns where the window lies beyond the
    raster.

    None where that cannot be told: when a part of the window has no place in the raster's CRS, or needs more of it than
    fits into memory.
    """
    from rasterio.windows import Window as Part

    columns = np.linspace(window.col_off, window.col_off + window.width, _PROBES)
    rows = np.linspace(window.row_off, window.row_off + window.height, _PROBES)
    across, down = _places(profile, grid, columns, rows)
    if not (np.isfinite(across).all() and np.isfinite(down).all()):
        return None
    steps = [np.abs(np.diff(found, axis=axis)) for found in (across, down) for axis in (0, 1)]
    if any(step.max() > _SEAM * np.median(step) + 1 for step in steps):
        return None
    # Between two probes a place may lie as far off as they are apart.
    widest = max(float(step.max()) for step in steps)
    margin = widest / 2 + _KERNEL * max(1.0, widest * (_PROBES - 1) / min(window.width, window.height))
    first, last = max(0, int(down.min() - margin)), min(profile.height, int(down.max() + margin) + 1)
    start, stop = max(0, int(across.min() - margin)), min(profile.width, int(across.max() + margin) + 1)
    if first >= last or start >= stop:
        return Part(0, 0, 0, 0)
    if (last - first) * (stop - start) * bands * profile.dtype.itemsize > _MOST:
        return None
    return Part(start, first, stop - start, last - first)


def _places(profile: Profile, grid: WebGrid, columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Return columns and rows of a raster at the crossings of columns and rows of the grid, corners counted."""
    step, _, left, _, _, top = grid.transform
    xs, ys = np.meshgrid(left + columns * step, top - rows * step)
    u, v = crs_.transform_points(crs_.WEB_MERCATOR, rasters.crs_of(profile), xs.ravel(), ys.ravel())
    a, b, c, d, e, f = profile.transform
    determinant = a * e - b * d
    with np.errstate(invalid="ignore"):
        across = ((e * (u - c) - b * (v - f)) / determinant).reshape(xs.shape)
        down = ((a * (v - f) - d * (u - c)) / determinant).reshape(xs.shape)
    return across, down


def from_memory(
    dataset: DatasetReader,
    profile: Profile,
    grid: WebGrid,
    window: Window,
    needed: Window,
    bands: list[int],
    resampling: str,
) -> tuple[Array, Array]:
    """Return the pixels of a window of the grid, and which of them lie on the raster.

    Args:
        dataset: the raster.
        profile: its facts.
        grid: the grid.
        window: of the grid.
        needed: what `source_window` found for it.
        bands: of the raster.
        resampling: rasterio's name.

    Returns:
        Pixels, shape (bands, rows, columns), of the raster's type; and which lie on it, shape (rows, columns), 0 for
        those that do not.
    """
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    shape = (int(window.height), int(window.width))
    if needed.width and (places := _nodes(profile, grid, window, needed, resampling)) is not None:
        return kernels.warp(dataset.read(bands, window=needed), *places, _STEP, resampling, shape)
    made = np.zeros((len(bands) + 1, *shape), profile.dtype)
    if not needed.width:
        return made[:-1], np.zeros(shape, "bool")
    place: Any = Affine(*profile.transform) * Affine.translation(needed.col_off, needed.row_off)
    reproject(
        dataset.read(bands, window=needed),
        made,
        src_transform=place,
        src_crs=crs_.to_rasterio(rasters.crs_of(profile)),
        dst_transform=Affine(*grid.transform) * Affine.translation(window.col_off, window.row_off),
        dst_crs=crs_.to_rasterio(crs_.WEB_MERCATOR),
        dst_alpha=len(bands) + 1,
        resampling=Resampling[resampling],
        num_threads=1,
        warp_mem_limit=64,
    )
    return made[:-1], made[-1] > 0


def _nodes(
    profile: Profile, grid: WebGrid, window: Window, needed: Window, resampling: str
) -> tuple[Floats, Floats] | None:
    """Return where the nodes lie in the part of the raster that is needed; None where GDAL has to do it."""
    if not kernels.COMPILED or resampling not in kernels.METHODS or profile.dtype.name not in kernels.WARPED:
        return None
    across = np.arange(0, window.width + _STEP, _STEP) + window.col_off + 0.5
    down = np.arange(0, window.height + _STEP, _STEP) + window.row_off + 0.5
    xs, ys = _places(profile, grid, across, down)
    for axis in (0, 1):
        steps = np.hypot(np.diff(xs, axis=axis), np.diff(ys, axis=axis)) / _STEP
        if resampling != "nearest" and not steps.max() <= _LARGER:
            return None
        for of_axis in (xs, ys):
            # what a straight line misses of a bend is an eighth of its second difference, both ways together twice that
            if not np.abs(np.diff(of_axis, 2, axis=axis)).max() <= 4 * _BENT:
                return None
    return xs - needed.col_off, ys - needed.row_off
