"""What is valid, as both engines tell it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array
from tilery.reading.grid_reader import Pixels
from tilery.reading.profile import can_hold


def valid(data: Array, nodata: float) -> NDArray[np.bool_] | None:
    """Return True where values are numbers and not nodata, shape of ``data``; None when all are valid."""
    if math.isnan(nodata):
        if data.dtype.kind in "iu":
            return None
        mask = ~np.isnan(data)
    elif can_hold(data.dtype.name, nodata):
        mask = data != data.dtype.type(nodata)
        if data.dtype.kind in "fc":
            mask &= data == data  # noqa: PLR0124 - NaN is the value that is not itself
    else:
        return None
    return None if mask.all() else mask


def numbers(data: Array) -> NDArray[np.bool_] | None:
    """Return True where values are numbers, shape of ``data``; None when all are, as whole numbers always."""
    if data.dtype.kind not in "fc":
        return None
    mask = data == data  # noqa: PLR0124 - NaN is the value that is not itself
    return None if mask.all() else mask


def set_nodata(data: Array, nodata: float, valid: NDArray[np.bool_] | None) -> None:
    """Put nodata where nothing is valid, and see that no valid value comes out as nodata by chance: it is moved to the
    next one, as GDAL's warper does.
    """
    kind = data.dtype
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        if not can_hold(kind.name, nodata):
            return
        data[data == kind.type(int(nodata))] = int(nodata) + (1 if nodata == limits.min else -1)
    elif kind.kind == "f" and not math.isnan(nodata):
        value = kind.type(nodata)
        data[data == value] = np.nextafter(value, kind.type(-math.inf if value > 0 else math.inf))
    if valid is not None:
        data[~valid] = nodata


def opaque(alpha: Array) -> NDArray[np.bool_] | None:
    """Return True where an alpha band is at its type's maximum, shape (1, rows, columns); None when it is
    everywhere.
    """
    # no number is the most opaque of floating point: 1 and 255 are both written
    mask: NDArray[np.bool_] = alpha > 0 if alpha.dtype.kind == "f" else alpha == alpha.dtype.type(maximum(alpha.dtype))
    return None if mask.all() else mask[None]


def opacity(alpha: Array) -> NDArray[np.float32] | None:
    """Return what part of a pixel an alpha band shows, 0 to 1, in its shape; None when all of each.

    A float band only tells transparent (0) from opaque (anything else).
    """
    if alpha.dtype.kind == "f":
        shown = alpha != 0
        return None if shown.all() else shown.astype(np.float32)
    most = maximum(alpha.dtype)
    return None if (alpha == alpha.dtype.type(most)).all() else alpha.astype(np.float32) / np.float32(most)


def maximum(dtype: np.dtype[Any]) -> float:
    """Return the largest value of a type; exact, so an integer of integer types."""
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else float(np.finfo(dtype).max)


def without(pixels: Pixels, valid: NDArray[np.bool_]) -> Pixels:
    """Return pixels that are valid only where ``valid``, of their shape, says so too; transparent where no band is."""
    mask = valid if pixels.mask is None else valid & pixels.mask
    alpha = pixels.alpha
    if alpha is not None:
        alpha = np.where(valid.any(axis=0), alpha, alpha.dtype.type(0))
    return Pixels(data=pixels.data, mask=mask, alpha=alpha)
