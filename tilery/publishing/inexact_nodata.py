"""Nodata values that a GeoTIFF cannot say as the source does: one for each band, or whole numbers of 64 bits.

A GeoTIFF has one nodata value for all bands. And GDAL's Python binding writes it as floating point, which holds whole
numbers up to 2⁵³ only: beyond, another number would be written. The first are made one value, the second a mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tilery.errors import UnsupportedRaster
from tilery.geo.raster import Array
from tilery.reading.profile import Profile

EXACT = 2**53
"""Below it floating point of 64 bits, in which GDAL warps, holds every whole number; what it holds as this may be one
more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """What is missing in a source, and how it is said in a copy."""

    each: tuple[float | None, ...]
    """Nodata of each band; of an alpha band None."""
    common: float | None
    """Nodata of the copy; None for a mask."""
    own: bool
    """Whether the source says it itself, so that GDAL knows its mask."""

    def filled(self, data: Array) -> Array:
        """Return the bands, shape (bands, rows, columns), with one nodata value.

        Raises:
            UnsupportedRaster: it is a valid value of another band.
        """
        if self.common is None:
            return data
        filled = data.copy()
        for number, (band, nodata) in enumerate(zip(data, self.each, strict=True)):
            if nodata == self.common or (nodata is not None and math.isnan(nodata) and math.isnan(self.common)):
                continue
            if not math.isnan(self.common) and (band == band.dtype.type(self.common)).any():
                raise UnsupportedRaster(
                    f"Band {number + 1} has values {self.common:g}, which mean missing in another band; "
                    "publish the bands apart."
                )
            if nodata is not None:
                filled[number][band == band.dtype.type(nodata)] = self.common
        return filled

    def mask(self, dataset: Any, data: Array, window: Any) -> Array | None:
        """Return the mask of a window, shape (rows, columns), 0 where every band is missing and else 255; None where a
        nodata value says it. ``data`` are its bands, as they are in the source.
        """
        if self.common is not None:
            return None
        if self.own:
            found: Array = dataset.dataset_mask(window=window)
            return found
        present = [band != nodata for band, nodata in zip(data, self.each, strict=True) if nodata is not None]
        made: Array = np.any(present, axis=0).astype("uint8") * 255
        return made


def closed(profile: Profile, *, own: bool) -> tuple[Profile, Gaps | None]:
    """Return the facts of a copy that says what is missing in one way, and how it is made; None where none is needed.

    Args:
        profile: facts of the source.
        own: whether its nodata is what it says itself.
    """
    dtype = profile.dtype
    if profile.gcps:  # always read through a warp, of which there is no copy
        return profile, None
    each = profile.band_nodata if own and profile.band_nodata else (profile.nodata,) * profile.count
    each = tuple(None if number == profile.alpha_band else nodata for number, nodata in enumerate(each, 1))
    said = [nodata for nodata in each if nodata is not None]
    if not said:
        return profile, None
    if dtype.itemsize == 8 and dtype.kind in "iu" and any(abs(nodata) >= EXACT for nodata in said):
        return replace(profile, nodata=None, has_mask=True), Gaps(each=each, common=None, own=own)
    of_data = [each[band - 1] for band in profile.data_bands]
    first = of_data[0]
    if all(nodata == first or _both_nan(nodata, first) for nodata in of_data):
        return profile, None
    common = math.nan if dtype.kind == "f" else said[0]
    return replace(profile, nodata=common), Gaps(each=each, common=common, own=own)


def _both_nan(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and math.isnan(one) and math.isnan(other)


def known(profile: Profile, dataset: Any) -> Profile:
    """Return the facts with a nodata value that GDAL's Python binding keeps to itself, because floating point makes
    more of it than the type has: one of the last of 64 bits. Which of them it is, GDAL knows.
    """
    from rasterio.enums import MaskFlags

    if profile.nodata is not None or profile.dtype.itemsize < 8 or profile.dtype.kind not in "iu":
        return profile
    if not any(MaskFlags.nodata in flags for flags in dataset.mask_flag_enums):
        return profile
    return replace(profile, nodata=int(np.iinfo(profile.dtype).max))


def need_exact(profile: Profile, sample: Array, gaps: Gaps | None) -> None:
    """Check that a warp, which counts in floating point, leaves values as they are.

    Args:
        profile: facts of the raster.
        sample: some values.
        gaps: what of them is missing, where the source does not say it.

    Raises:
        UnsupportedRaster: it would round them.
    """
    values = np.asarray(sample)
    if profile.dtype.kind not in "iu" or profile.dtype.itemsize < 8:
        return
    for nodata in gaps.each if gaps is not None else ():
        values = values[values != nodata] if nodata is not None else values
    if not values.size:
        return
    if int(values.max()) > EXACT or int(values.min()) < -EXACT:
        raise UnsupportedRaster(
            "The raster has whole numbers beyond 2^53, which a warp would round; publish it with --grid native."
        )
