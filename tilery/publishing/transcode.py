"""A raster of any format as a GeoTIFF in tiles of 512 pixels, in its own CRS: the Lambda tiler's first step.

Files that are kept in rows, and those that decode from the top only (JPEG, PNG), are read once from top to bottom; what
is made of them can then be read anywhere by all cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.publishing.antimeridian import Roll
from tilery.publishing.inexact_nodata import Gaps
from tilery.publishing.made_level import MadeLevel, make_level
from tilery.publishing.profiles import Compression
from tilery.publishing.progress import Advance
from tilery.publishing.rasters import BLOCK
from tilery.publishing.source_pixels import blocks_to_take, source_pixels
from tilery.publishing.tags import copy_tags
from tilery.publishing.tiff.blocks import Encoding
from tilery.publishing.windows import in_order, pairs, pieces
from tilery.reading.profile import Profile

_SEQUENTIAL = frozenset({"JPEG", "PNG", "GIF"})


def is_random_access(profile: Profile) -> bool:
    """Return True when any part of the raster can be read without what stands before it."""
    rows, columns = profile.block_shapes[0]
    tiled = columns < profile.width or (profile.width <= 2048 and rows * columns <= 2048 * 2048)
    return tiled and rows * columns <= 4096 * 4096 and profile.driver not in _SEQUENTIAL


def transcode(
    source: Path,
    target: Path,
    profile: Profile,
    options: dict[str, str],
    advance: Advance,
    *,
    mask_inside: bool = False,
    roll: Roll | None = None,
    gaps: Gaps | None = None,
    encoding: Encoding | None = None,
    overview: str | None = None,
) -> MadeLevel | None:
    """Write ``target``, with the place and nodata of ``profile``.

    Args:
        source: any raster that GDAL opens.
        target: a new GeoTIFF; its mask, where the source has one that is not alpha or nodata, goes inside or beside it.
        profile: facts of the source, corrected by the publisher.
        options: creation options: compression, predictor.
        advance: called with pixels.
        mask_inside: put the mask into the file.
        roll: the order in which columns are wanted, of which ``profile`` says how many there are.
        gaps: how what is missing is said, where the source says it otherwise.
        encoding: how blocks are compressed in place of ``options``, by all cores; not of a raster that can only be read
            a few rows at a time.
        overview: how overviews are resampled, of which the first is made on the way where that can be. None: none is.

    Returns:
        What is known of it afterwards; None where GDAL wrote it.

    Raises:
        BrokenRaster, StoreFull: a part cannot be read or written.
    """
    dtype = np.dtype(profile.dtypes[0])
    masked = profile.has_mask and profile.alpha_band is None and profile.nodata is None
    random = is_random_access(profile)
    size = profile.width, profile.height, profile.count * dtype.itemsize
    windows = list(pairs(*size) if random else pieces(*size, rows_only=True))
    workers = None if random else 1
    plain = not masked and gaps is None and roll is None
    rasters.discard(target)

    def read(window: Any) -> tuple[Any, Any]:
        with lend() as dataset:
            parts = roll.windows(window) if roll else [window]
            data = [dataset.read(window=part) for part in parts]
            if gaps is not None:
                said = [gaps.mask(dataset, read, part) for read, part in zip(data, parts, strict=True)]
                mask = None if said[0] is None else _joined(said)
                return gaps.filled(_joined(data)), mask
            mask = _joined([dataset.dataset_mask(window=part) for part in parts]) if masked else None
            return _joined(data), mask

    def described(written: Any) -> None:
        bands = range(1, profile.count + 1)
        describe(written, profile, bands)
        copy_tags(source, profile.driver, written, bands)

    shape: dict[str, Any] = {
        "width": profile.width,
        "height": profile.height,
        "count": profile.count,
        "dtype": dtype.name,
        "crs": rasters.rasterio_crs(rasters.crs_of(profile)),
        "transform": Affine(*profile.transform),
        "nodata": profile.nodata,
    }
    with (
        rasters.failures(target.parent),
        rasters.environment(GDAL_TIFF_INTERNAL_MASK=mask_inside),
        ExitStack() as stack,
    ):
        if plain:
            lend = source_pixels(source, profile, stack)
        else:
            handles = rasters.Handles(lambda: rasters.reading(source, driver=profile.driver))
            stack.callback(handles.close)
            lend = handles.borrow
        if encoding is not None and (windows[0].height % BLOCK == 0 or len(windows) == 1):
            said = masked or (gaps is not None and gaps.common is None)
            with lend() as dataset:
                taken = blocks_to_take(source, dataset, encoding)
            chosen: dict[str, Any] = {
                "taken": taken,
                "masked": said,
                "workers": workers,
                "overview": overview if random else None,
            }
            return make_level(target, encoding, described, windows, read, advance, **chosen, **shape)
        written = stack.enter_context(rasters.writing(target, **shape, **options))
        described(written)
        for window, (data, mask) in in_order(windows, read, workers):
            written.write(data, window=window)
            if mask is not None:
                written.write_mask(mask, window=window)
            advance(int(window.width * window.height))
    return None


def _joined(parts: list[Any]) -> Array:
    joined: Array = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    return joined


def describe(written: Any, profile: Profile, bands: Sequence[int]) -> None:
    """Give the bands meaning, palette, scale, offset and description, from those of the source."""
    from rasterio.enums import ColorInterp

    chosen = [band - 1 for band in bands]
    if written.profile.get("photometric", "").lower() != "ycbcr":
        written.colorinterp = tuple(ColorInterp[profile.colorinterp[band]] for band in chosen)
    if profile.palette:
        written.write_colormap(1, profile.palette)
    if any(profile.scales[band] != 1 or profile.offsets[band] != 0 for band in chosen):
        written.scales = tuple(profile.scales[band] for band in chosen)
        written.offsets = tuple(profile.offsets[band] for band in chosen)
    for number, band in enumerate(chosen, 1):
        if description := profile.descriptions[band]:
            written.set_band_description(number, description)


WORKING = {"COMPRESS": "ZSTD", "ZSTD_LEVEL": "1"}
"""Creation options of files that live for one publish: quick to write."""


def final(compression: Compression, dtype: str) -> dict[str, str]:
    """Return creation options of a GeoTIFF to keep, as the Lambda tiler's ``transcode`` wrote it."""
    return compression.strip_options(dtype) | {"BLOCKXSIZE": str(BLOCK), "BLOCKYSIZE": str(BLOCK)}
