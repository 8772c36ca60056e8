"""A raster on the Web Mercator grid, its mask beside it where something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from tilery.geo import crs as crs_
from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.publishing.grid import WebGrid
from tilery.publishing.progress import Advance
from tilery.publishing.rectifying import straightened
from tilery.publishing.tags import copy_tags
from tilery.publishing.transcode import WORKING, describe
from tilery.publishing.windows import in_order, pieces
from tilery.reading.profile import Profile

_PROBES = 17
"""Positions along each side of a window that are looked at."""
_COLOURS = ("cubic",)
"""Methods for pictures, of which a pixel is missing when all its bands are; of measured bands each misses its own."""
_WARP_MB = 16
"""Of GDAL's memory for one warp; a piece that needs more is warped in parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """How the warped raster says what is missing: by exactly one of these, or nothing is."""

    nodata: float | None
    alpha: bool
    """The source's own alpha band is kept as a band."""
    mask: bool
    """A mask is made, and left out when everything turns out to be valid."""


def missing(profile: Profile, *, keep_alpha: bool) -> Missing:
    """The way that suits a raster. Floats without any get NaN, which costs no mask. An alpha band of floats, of which
    nobody can say which of its values is opaque, becomes a mask.
    """
    floats = profile.dtypes[0].startswith("float")
    if profile.alpha_band is not None and keep_alpha and not floats:
        return Missing(nodata=None, alpha=True, mask=False)
    if profile.nodata is not None:
        return Missing(nodata=profile.nodata, alpha=False, mask=False)
    if floats and not profile.has_mask and profile.alpha_band is None:
        return Missing(nodata=float("nan"), alpha=False, mask=False)
    return Missing(nodata=None, alpha=False, mask=True)


@contextmanager
def warped(
    source: Path, profile: Profile, grid: WebGrid, way: Missing, resampling: str, *, add_alpha: bool
) -> Iterator[Any]:
    """The source as if it were on the grid already; pixels are made when they are read."""
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    if profile.gcps:
        options: dict[str, Any] = {"nodata": way.nodata, "add_alpha": add_alpha, "memory_mb": _WARP_MB}
        options["by_band"] = way.nodata is not None and resampling not in _COLOURS
        with straightened(source, profile.driver, grid, resampling, **options) as dataset:
            yield dataset
        return
    with rasters.reading(source, driver=profile.driver) as dataset:
        options = {
            "src_crs": crs_.to_rasterio(rasters.crs_of(profile)),
            "src_transform": Affine(*profile.transform),
        }
        if way.nodata is not None:
            options["src_nodata"] = options["nodata"] = way.nodata
            if resampling not in _COLOURS:
                options["UNIFIED_SRC_NODATA"] = "NO"
        elif add_alpha:
            options["add_alpha"] = True
        vrt = WarpedVRT(
            dataset,
            crs=crs_.to_rasterio(crs_.WEB_MERCATOR),
            transform=Affine(*grid.transform),
            width=grid.width,
            height=grid.height,
            resampling=Resampling[resampling],
            warp_mem_limit=_WARP_MB,
            **options,
        )
        try:
            yield vrt
        finally:
            vrt.close()


def is_inside(profile: Profile, grid: WebGrid, window: Any) -> bool:
    """True when every pixel of a window of the grid lies on the raster.

    Most of a large raster is inside, and there GDAL's warp without an alpha band is five times as fast as with one.
    """
    a, b, c, d, e, f = profile.transform
    columns = np.linspace(window.col_off + 0.5, window.col_off + window.width - 0.5, _PROBES)
    rows = np.linspace(window.row_off + 0.5, window.row_off + window.height - 0.5, _PROBES)
    step, _, left, _, _, top = grid.transform
    xs, ys = np.meshgrid(left + columns * step, top - rows * step)
    u, v = crs_.transform_points(crs_.WEB_MERCATOR, rasters.crs_of(profile), xs.ravel(), ys.ravel())
    determinant = a * e - b * d
    across = (e * (u - c) - b * (v - f)) / determinant
    down = (a * (v - f) - d * (u - c)) / determinant
    # Edges are straight on both sides in these; elsewhere one may bend by a little between two probes.
    margin = 0 if crs_.is_geographic(rasters.crs_of(profile)) or profile.crs == crs_.WEB_MERCATOR else 2
    return bool(
        np.all(across >= margin)
        and np.all(across <= profile.width - margin)
        and np.all(down >= margin)
        and np.all(down <= profile.height - margin)
    )


def warp(
    source: Path, target: Path, profile: Profile, grid: WebGrid, way: Missing, resampling: str, advance: Advance
) -> None:
    """Write ``target``, and ``target.msk`` where a mask is needed.

    Args:
        source: a raster that can be read anywhere.
        target: a new GeoTIFF for the steps that follow.
        profile: facts of the source.
        grid: where the pixels are to be.
        way: how missing pixels are told.
        resampling: rasterio's name.
        advance: called with pixels.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    dtype = np.dtype(profile.dtypes[0])
    bands = [*profile.data_bands, *([profile.alpha_band] if way.alpha and profile.alpha_band else [])]
    alpha = way.mask and profile.alpha_band is None
    bare = alpha and not profile.has_mask and not profile.gcps
    handles = rasters.Handles(lambda: warped(source, profile, grid, way, resampling, add_alpha=alpha))
    plain = rasters.Handles(lambda: warped(source, profile, grid, way, resampling, add_alpha=False))

    def read(window: Any) -> tuple[Array, Array | None]:
        if bare and is_inside(profile, grid, window):
            with plain.borrow() as vrt:
                data = vrt.read(bands, window=window)
                return data, np.ones(data.shape[1:], "bool")
        with handles.borrow() as vrt:
            if not way.mask:
                return vrt.read(bands, window=window), None
            data = vrt.read([*bands, profile.alpha_band or vrt.count], window=window)
            return data[:-1], data[-1] > 0

    everything = True
    rasters.discard(target)
    with rasters.failures(target.parent), rasters.environment():
        try:
            with rasters.writing(
                target,
                width=grid.width,
                height=grid.height,
                count=len(bands),
                dtype=dtype.name,
                crs=crs_.to_rasterio(crs_.WEB_MERCATOR),
                transform=Affine(*grid.transform),
                nodata=way.nodata,
                **WORKING,
            ) as written:
                describe(written, profile, bands)
                copy_tags(source, profile.driver, written, bands)
                windows = pieces(grid.width, grid.height, (len(bands) + 1) * dtype.itemsize)
                for window, (data, valid) in in_order(windows, read):
                    if valid is None or valid.any():
                        written.write(data, window=window)
                    if valid is not None:
                        everything = everything and bool(valid.all())
                        written.write_mask(valid.astype("uint8") * 255, window=window)
                    advance(int(window.width * window.height))
        finally:
            handles.close()
            plain.close()
        if everything:
            target.with_name(f"{target.name}.msk").unlink(missing_ok=True)
