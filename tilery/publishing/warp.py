"""A raster on the Web Mercator grid, its mask beside it where something is missing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from tilery.geo import crs as crs_
from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.publishing.grid import WebGrid
from tilery.publishing.made_level import Made, MadeLevel, make_level
from tilery.publishing.overviews import mask_file
from tilery.publishing.progress import Advance
from tilery.publishing.rectifying import straightened, type_option
from tilery.publishing.source_pixels import source_pixels
from tilery.publishing.tags import copy_tags
from tilery.publishing.tiff.blocks import WORKING, Encoding
from tilery.publishing.transcode import describe
from tilery.publishing.warp_window import from_memory, source_window
from tilery.publishing.windows import pairs
from tilery.reading.profile import Profile

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
    """Return the way that suits a raster. Floats without any get NaN, which costs no mask. An alpha band of floats, of
    which nobody can say which of its values is opaque, becomes a mask.
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
            **type_option(profile.dtypes[0]),
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


def warp(
    source: Path,
    target: Path,
    profile: Profile,
    grid: WebGrid,
    way: Missing,
    resampling: str,
    advance: Advance,
    *,
    encoding: Encoding = WORKING,
    overview: str | None = None,
) -> MadeLevel:
    """Write ``target``, ``target.msk`` where a mask is needed and, where it can be made on the way, the first overview.

    Args:
        source: a raster that can be read anywhere.
        target: a new GeoTIFF for the steps that follow.
        profile: facts of the source.
        grid: where the pixels are to be.
        way: how missing pixels are told.
        resampling: rasterio's name.
        advance: called with pixels.
        encoding: how blocks are compressed.
        overview: how overviews are resampled. None: none is made here.

    Returns:
        What is known of it afterwards.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    from rasterio.errors import NotGeoreferencedWarning

    dtype = np.dtype(profile.dtypes[0])
    bands = [*profile.data_bands, *([profile.alpha_band] if way.alpha and profile.alpha_band else [])]

    def described(written: Any) -> None:
        describe(written, profile, bands)
        copy_tags(source, profile.driver, written, bands)

    rasters.discard(target)
    with rasters.failures(target.parent), rasters.environment(GDAL_NUM_THREADS="1"), ExitStack() as stack:
        # rasterio warns of arrays in memory, and what a thread does about it may be undone by another one.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        read = _reading(source, profile, grid, way, resampling, bands, stack)

        def make(window: Any) -> Made:
            data, valid = read(window)
            if valid is None:
                return data, None
            return (data, valid.astype("uint8") * np.uint8(255)) if valid.any() else (None, None)

        made = make_level(
            target,
            encoding,
            described,
            pairs(grid.width, grid.height, (len(bands) + 1) * dtype.itemsize),
            make,
            advance,
            masked=way.mask,
            overview=overview,
            width=grid.width,
            height=grid.height,
            count=len(bands),
            dtype=dtype.name,
            crs=crs_.to_rasterio(crs_.WEB_MERCATOR),
            transform=Affine(*grid.transform),
            nodata=way.nodata,
        )
    if made.whole:
        for level in (0, 1):
            mask_file(target, level).unlink(missing_ok=True)
    return made


def _reading(
    source: Path, profile: Profile, grid: WebGrid, way: Missing, resampling: str, bands: list[int], stack: ExitStack
) -> Callable[[Any], tuple[Array, Array | None]]:
    """Return a function for any thread, which makes the pixels of a window of the grid, and what of them is valid."""
    alpha = way.mask and profile.alpha_band is None
    bare = alpha and not profile.has_mask and not profile.gcps
    handles = rasters.Handles(lambda: warped(source, profile, grid, way, resampling, add_alpha=alpha))
    stack.callback(handles.close)
    lend = source_pixels(source, profile, stack)

    def read(window: Any) -> tuple[Array, Array | None]:
        if bare and (needed := source_window(profile, grid, window, len(bands))) is not None:
            with lend() as dataset:
                return from_memory(dataset, profile, grid, window, needed, bands, resampling)
        with handles.borrow() as vrt:
            if not way.mask:
                return vrt.read(bands, window=window), None
            data = vrt.read([*bands, profile.alpha_band or vrt.count], window=window)
            return data[:-1], data[-1] > 0

    return read
