"""One window of the Web Mercator grid, warped from pixels in memory: of rasters of which nothing is missing but beyond
their edges.

GDAL's warp of arrays knows that, and has loops for it that take an eighth of the time of those behind its warped VRT,
where an alpha band tells what is valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from tilery.geo import crs as crs_
from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.publishing.grid import WebGrid
from tilery.publishing.windows import PIECE
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader
    from rasterio.windows import Window

_PROBES = 33
"""Positions along each side of a window that are looked at."""
_KERNEL = 4
"""Pixels of the coarser raster that a kernel reaches to each side, and some for what bends between two positions."""
_SEAM = 8
"""Times the usual step from one position to the next from which on there is a seam of the CRS between them."""
_MOST = 2 * PIECE
"""Bytes of the pixels that one window may need."""


def source_window(profile: Profile, grid: WebGrid, window: Window, bands: int) -> Window | None:
    """The part of a raster that a window of the grid is made of, of no columns where the window lies beyond the raster.

    None where that cannot be told: when a part of the window has no place in the raster's CRS, or needs more of it than
    fits into memory.
    """
    from rasterio.windows import Window as Part

    columns = np.linspace(window.col_off, window.col_off + window.width, _PROBES)
    rows = np.linspace(window.row_off, window.row_off + window.height, _PROBES)
    step, _, left, _, _, top = grid.transform
    xs, ys = np.meshgrid(left + columns * step, top - rows * step)
    u, v = crs_.transform_points(crs_.WEB_MERCATOR, rasters.crs_of(profile), xs.ravel(), ys.ravel())
    a, b, c, d, e, f = profile.transform
    determinant = a * e - b * d
    across = ((e * (u - c) - b * (v - f)) / determinant).reshape(xs.shape)
    down = ((a * (v - f) - d * (u - c)) / determinant).reshape(xs.shape)
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


def from_memory(
    dataset: DatasetReader,
    profile: Profile,
    grid: WebGrid,
    window: Window,
    needed: Window,
    bands: list[int],
    resampling: str,
) -> tuple[Array, Array]:
    """The pixels of a window of the grid, and which of them lie on the raster.

    Args:
        dataset: the raster.
        profile: its facts.
        grid: the grid.
        window: of the grid.
        needed: what `source_window` found for it.
        bands: of the raster.
        resampling: rasterio's name.
    """
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    shape = (int(window.height), int(window.width))
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
