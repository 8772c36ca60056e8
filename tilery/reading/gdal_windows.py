"""Windows of open GDAL datasets, by a plain read or by a warp."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import numpy as np
from rasterio import transform as rasterio_transform
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from tilery.geo import crs as crs_
from tilery.geo.raster import Array, Grid
from tilery.reading import control_points, masks
from tilery.reading.gdal_facts import mask_options
from tilery.reading.grid.kernels import rounded
from tilery.reading.grid_reader import Pixels
from tilery.reading.profile import Profile


def is_inside(profile: Profile, grid: Grid) -> bool:
    """Return True when the grid's rows and columns run along the raster's, and none reaches beyond it."""
    if grid.crs != profile.crs or not profile.north_up or profile.gcps:
        return False
    window, _ = _window(profile, grid)
    spill = 1e-6
    return bool(
        window.col_off >= -spill
        and window.row_off >= -spill
        and window.col_off + window.width <= profile.width + spill
        and window.row_off + window.height <= profile.height + spill
    )


def _window(profile: Profile, grid: Grid) -> tuple[Window, tuple[bool, bool]]:
    """Return the part of the raster that the grid covers; and whether its columns, and its rows, run as the grid's do:
    rows of a south-up raster run upwards.
    """
    a, _, c, _, e, f = profile.transform
    left, bottom, right, top = grid.bounds
    columns, rows = ((left - c) / a, (right - c) / a), ((top - f) / e, (bottom - f) / e)
    column, row = min(columns), min(rows)
    window = Window(column, row, max(columns) - column, max(rows) - row)
    return window, (column == columns[0], row == rows[0])


def read_window(dataset: DatasetReader, profile: Profile, grid: Grid, bands: tuple[int, ...], method: str) -> Pixels:
    """Return a part of a raster of which all is valid, resampled by GDAL's reads (which choose the overview).

    Args:
        dataset: the raster, open.
        profile: its facts; its rows and columns run along the axes of its CRS.
        grid: to fill, in the CRS of the raster and within its bounds.
        bands: numbers from 1.
        method: resampling, a name of `rasterio.enums.Resampling`.

    Raises:
        RasterioError: GDAL cannot read it.
    """
    window, (rightwards, downwards) = _window(profile, grid)
    data = dataset.read(
        list(bands), out_shape=(len(bands), grid.height, grid.width), window=window, resampling=Resampling[method]
    )
    turned = data[:, :: 1 if downwards else -1, :: 1 if rightwards else -1]
    return Pixels(data=turned, mask=None, alpha=None)


def read_warped(
    dataset: DatasetReader,
    profile: Profile,
    grid: Grid,
    bands: tuple[int, ...],
    nodata: float | None,
    method: str,
    *,
    turn: float = 0.0,
    out: tuple[int, int] | None = None,
    thin: str = "nearest",
) -> Pixels:
    """Return the grid filled by one warp at its own size, from the raster moved by ``turn``, then thinned to the size
    ``out`` by a read.

    Args:
        dataset: the raster, open.
        profile: its facts.
        grid: of the warp.
        bands: numbers from 1.
        nodata: value that means missing; None: mask, alpha or nothing says it.
        method: resampling of the warp, a name of `rasterio.enums.Resampling`.
        turn: units of the raster's CRS to the east.
        out: rows and columns of the result; None: those of the grid.
        thin: resampling of the read.

    Raises:
        RasterioError: GDAL cannot read it.
    """
    kind, missing = _computed_as(profile, nodata, method, thin)
    left, bottom, right, top = grid.bounds
    options: dict[str, Any] = {
        "crs": crs_.to_rasterio(grid.crs) if grid.crs else None,
        "transform": rasterio_transform.from_bounds(left, bottom, right, top, grid.width, grid.height),
        "width": grid.width,
        "height": grid.height,
        "resampling": Resampling[method],
        "dtype": dataset.dtypes[0] if kind == profile.dtype else kind.name,
        **mask_options(dataset, nodata),
    }
    if profile.compound and profile.crs is not None:
        options["src_crs"] = crs_.to_rasterio(profile.crs)
    if turn:
        options["src_transform"] = rasterio_transform.Affine.translation(turn, 0.0) * dataset.transform
    if missing is not nodata:
        options["nodata"] = missing
    size = out or (grid.height, grid.width)
    with ExitStack() as stack:
        if profile.gcps:
            options["dtype"] = kind.name
            warped = stack.enter_context(control_points.straightened(dataset, profile, grid, bands, options))
            bands = tuple(range(1, len(bands) + 1))
        else:
            warped = stack.enter_context(WarpedVRT(dataset, **options))
        if nodata is not None:
            data = warped.read(list(bands), out_shape=(len(bands), *size), resampling=Resampling[thin])
            if missing is not nodata:
                data = _with_nodata(data, nodata, profile.dtype)
            return Pixels(data=data, mask=masks.valid(data, nodata), alpha=None)
        alpha_band = (None if profile.gcps else profile.alpha_band) or warped.count
        values = warped.read([*bands, alpha_band], out_shape=(len(bands) + 1, *size), resampling=Resampling[thin])
    data, alpha = values[:-1], values[-1]
    if profile.alpha_band is not None:
        if kind != profile.dtype:
            data, alpha = _as_integers(data, profile.dtype), _as_integers(alpha, profile.dtype)
        return Pixels(data=data, mask=masks.opaque(alpha), alpha=alpha)
    # GDAL writes the alpha of a mask as 0 to 255 whatever the data type, of everything else as the type's maximum.
    top_value = alpha.max()
    mask = alpha == (255 if top_value == 255 else float(masks.maximum(alpha.dtype)))
    return Pixels(data=data, mask=None if mask.all() else mask[None], alpha=None)


def _computed_as(profile: Profile, nodata: float | None, method: str, thin: str) -> tuple[np.dtype[Any], float | None]:
    """Return the data type of a warp and what is to be its nodata value."""
    kind = profile.dtype
    if nodata is None:
        # GDAL computes in floating point, and the most that 64 bits hold, opaque in alpha, comes back as the least.
        long = profile.alpha_band is not None and kind.kind in "iu" and kind.itemsize == 8
        return np.dtype("float64") if long else kind, None
    computed = kind.kind in "iuf" and (thin != "nearest" or (kind.kind == "f" and method != "nearest"))
    if not computed and not isinstance(nodata, int):
        return kind, nodata
    # Of what is computed some may be nodata by chance: NaN never is.
    if kind.kind != "f":
        kind = np.dtype("float32" if kind.itemsize <= 2 else "float64")
    return kind, math.nan


def _as_integers(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return floating point as integers of 64 bits, those beyond them as the most."""
    most = np.iinfo(dtype).max
    inside = values < float(most)
    return np.where(inside, np.where(inside, np.rint(values), 0).astype(dtype), dtype.type(most))


def _with_nodata(data: Array, nodata: float, dtype: np.dtype[Any]) -> Array:
    """Return computed values as the raster's type, nodata where they are not a number."""
    valid = ~np.isnan(data)
    found = rounded(np.where(valid, data, data.dtype.type(0)), dtype)
    masks.set_nodata(found, nodata, valid)
    return found
