"""Whether a GeoTIFF can be read by our own reader, and that reader."""

from __future__ import annotations

import math

import numpy as np

from tilery.errors import BrokenRaster, NotARaster, UnsupportedRaster
from tilery.reading.grid.blocks import BlockCache
from tilery.reading.grid.reader import METHODS, BlockGridReader
from tilery.reading.grid.workers import Workers
from tilery.reading.profile import Profile, whole_nodata
from tilery.reading.tiff import codecs
from tilery.reading.tiff import header as header_
from tilery.reading.tiff.image import Header, Image
from tilery.storage.bytes.protocol import ByteSource


def header_of(source: ByteSource) -> Header | None:
    """Return the header of a file, or None where it is not one that can be read here."""
    try:
        return header_.parse(source)
    except (NotARaster, UnsupportedRaster, BrokenRaster):
        return None  # GDAL may make something of it, or knows what to say of it


def supports(header: Header, profile: Profile, method: str = "nearest") -> bool:
    """Return True when the header agrees with what GDAL made of the file, and all of it can be read here."""
    main = header.levels[0].image
    overviews = [level.image for level in header.levels[1:]]
    a, b, _, d, e, _ = profile.transform
    return (
        method in METHODS
        and not profile.gcps
        and a * e - b * d != 0
        and (profile.width, profile.height, profile.count) == (main.width, main.height, main.samples)
        and all(dtype == main.dtype.name for dtype in profile.dtypes)
        and len(overviews) == len(profile.overviews)
        and all(
            abs(main.width / image.width - factor) < 1 or abs(main.height / image.height - factor) < 1
            for image, factor in zip(overviews, profile.overviews, strict=True)
        )
        and all(codecs.supports(level.image) for level in header.levels)
        and all(level.mask is None or _is_mask(level.mask) for level in header.levels)
        and _agrees_on_mask(header, profile)
    )


def _is_mask(image: Image) -> bool:
    return image.samples == 1 and image.dtype == np.uint8 and codecs.supports(image)


def _agrees_on_mask(header: Header, profile: Profile) -> bool:
    """Return False where GDAL sees a mask that is not in the file (in a file beside it), or one is missing at some
    levels.
    """
    masked = {level.mask is not None for level in header.levels}
    if len(masked) > 1:
        return False
    return profile.has_mask == (masked == {True} or profile.alpha_band is not None)


def grid_reader(
    source: ByteSource, profile: Profile, header: Header, cache: BlockCache, workers: Workers
) -> BlockGridReader:
    """Return what fills grids from a file whose header was parsed and agrees with its profile."""
    return BlockGridReader(source, profile, header.levels, sparse=sparse_value(header), cache=cache, workers=workers)


def sparse_value(header: Header) -> float:
    """Return what blocks that are not stored hold."""
    dtype = header.levels[0].image.dtype
    if header.nodata is None:
        return 0.0
    if dtype.kind in "iu" and dtype.itemsize == 8:
        return whole_nodata(header.nodata, dtype.name)
    try:
        value = float(header.nodata)
    except ValueError:
        return 0.0
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return value if math.isfinite(value) and limits.min <= value <= limits.max else 0.0
    return value
