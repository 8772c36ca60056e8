"""What is valid, as both engines tell it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.raster import Array
from app.reading.profile import can_hold


def valid(data: Array, nodata: float) -> NDArray[np.bool_] | None:
    """True where values are not nodata, shape of ``data``; None when all are valid."""
    if math.isnan(nodata):
        if data.dtype.kind in "iu":
            return None
        mask = ~np.isnan(data)
    elif can_hold(data.dtype.name, nodata):
        mask = data != data.dtype.type(nodata)
    else:
        return None
    return None if mask.all() else mask


def opaque(alpha: Array) -> NDArray[np.bool_] | None:
    """True where an alpha band is at its type's maximum, shape (1, rows, columns); None when it is everywhere."""
    mask: NDArray[np.bool_] = alpha == alpha.dtype.type(maximum(alpha.dtype))
    return None if mask.all() else mask[None]


def opacity(alpha: Array) -> NDArray[np.float32] | None:
    """What part of a pixel an alpha band shows, 0 to 1, in its shape; None when all of each.

    A float band only tells transparent (0) from opaque (anything else).
    """
    if alpha.dtype.kind == "f":
        shown = alpha != 0
        return None if shown.all() else shown.astype(np.float32)
    most = maximum(alpha.dtype)
    return None if (alpha == alpha.dtype.type(most)).all() else alpha.astype(np.float32) / np.float32(most)


def maximum(dtype: np.dtype[Any]) -> float:
    """The largest value of a type."""
    return float(np.iinfo(dtype).max if dtype.kind in "iu" else np.finfo(dtype).max)
