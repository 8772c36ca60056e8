"""Which pixels of a raster are valid, told in one way for all that publishing does.

A pixel is missing where its band has the nodata value or is not finite, where the alpha band is 0 wherever that band
stands (GDAL looks for it as the second or fourth only), and where a mask says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.io import DatasetReader
    from rasterio.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPixels:
    """A window of a raster."""

    data: Array
    """The bands that are not alpha, shape (bands, rows, columns)."""
    alpha: Array | None
    """Shape (rows, columns)."""
    valid: NDArray[np.bool_] | None
    """Shape (bands or 1, rows, columns), alpha aside. None: all, as far as alpha does not say otherwise."""

    def weight(self) -> Array | None:
        """Return opacity where there is an alpha band, else validity; 0 where missing; None where nothing is."""
        if self.alpha is None:
            return self.valid
        return self.alpha[None] if self.valid is None else self.alpha[None] * self.valid.astype(self.alpha.dtype)

    def part(self, rows: slice, columns: slice) -> WindowPixels:
        """Return some of its rows and columns, without a copy."""

        def cut(array: Array | None) -> Any:
            return None if array is None else array[..., rows, columns]

        return WindowPixels(data=cut(self.data), alpha=cut(self.alpha), valid=cut(self.valid))

    def present(self) -> NDArray[np.bool_]:
        """Return True where valid, shape (bands or 1, rows, columns)."""
        weight = self.weight()
        return np.ones((1, *self.data.shape[1:]), "bool") if weight is None else weight != 0


def read(
    dataset: DatasetReader, profile: Profile, window: Window | None = None, *, mask: DatasetReader | None = None
) -> WindowPixels:
    """Return a window and what of it is valid.

    Args:
        dataset: open, at any level.
        profile: facts of the raster.
        window: which; None: all.
        mask: where the mask is, when it is not the dataset's own.
    """
    alpha = None
    everything = dataset.read(window=window)
    if profile.alpha_band is not None:
        alpha = everything[profile.alpha_band - 1]
        everything = everything[[band - 1 for band in profile.data_bands]]
    said = None
    if has_mask(profile):
        said = mask.read(1, window=window) if mask is not None else dataset.read_masks(1, window=window)
    return of(everything, alpha, profile, said)


def may_miss(profile: Profile) -> bool:
    """Return True where a pixel of the raster can be missing at all."""
    missing = profile.usable_nodata is not None or profile.alpha_band is not None or profile.has_mask
    return missing or profile.dtype.kind == "f"


def has_mask(profile: Profile) -> bool:
    """Return True where a mask beside the bands says what is missing."""
    return profile.has_mask and profile.alpha_band is None and profile.usable_nodata is None


def present(dataset: DatasetReader, profile: Profile, window: Window) -> NDArray[np.bool_]:
    """Return where the first band of a window is valid, shape (rows, columns); nothing is read that does not say so."""
    there = np.ones((int(window.height), int(window.width)), "bool")
    if profile.usable_nodata is not None or profile.dtype.kind == "f":
        there &= of(dataset.read(list(profile.data_bands[:1]), window=window), None, profile, None).present()[0]
    if profile.alpha_band is not None:
        there &= dataset.read(profile.alpha_band, window=window) != 0
    elif has_mask(profile):
        there &= dataset.read_masks(1, window=window) != 0
    return there


def of(data: Array, alpha: Array | None, profile: Profile, mask: Array | None) -> WindowPixels:
    """Return values with what of them is valid; ``mask`` is 0 where the raster's mask says that something
    is missing.

    Args:
        data: the bands that are not alpha, shape (bands, rows, columns).
        alpha: shape (rows, columns).
        profile: facts of the raster.
        mask: shape (rows, columns).
    """
    parts: list[Any] = []
    nodata = profile.usable_nodata
    if data.dtype.kind == "f":
        finite = np.isfinite(data)
        if not finite.all():
            parts.append(finite)
    if nodata is not None and not math.isnan(nodata):
        hit = data == data.dtype.type(nodata)
        if hit.any():
            parts.append(~hit)
    if mask is not None and not mask.all():
        parts.append(mask[None] != 0)
    valid = None
    for part in parts:
        valid = part if valid is None else valid & part
    return WindowPixels(data=data, alpha=alpha, valid=valid)


def filler(profile: Profile) -> float:
    """Return what stands where a pixel is missing."""
    nodata = profile.usable_nodata
    if nodata is not None:
        return nodata
    return float("nan") if profile.dtype.kind == "f" and not profile.has_mask and profile.alpha_band is None else 0
