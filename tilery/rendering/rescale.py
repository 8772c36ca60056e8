"""Values to the 0 to 255 of a picture: by the caller's ranges, or by a range that is found when the format needs one.

The sums are rio-tiler's ``linear_rescale`` in float64, cut to uint8. Types of 8 and 16 bits go through a table of all
their values, which gives the same bytes in a tenth of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import InvalidParameter
from tilery.geo.raster import Array, Raster
from tilery.rendering.pixels import clear

Range = tuple[float, float]
_BLOCK = 1 << 18
"""Pixels of float64 work space at a time: 2 MB stay in the processor's cache."""


def linear(raster: Raster, ranges: Sequence[Range]) -> Raster:
    """Return the raster as uint8, ``minimum`` to 0 and ``maximum`` to 255, values beyond them cut off, masked pixels 0.

    ``ranges`` holds one for each band; when their number is another the first serves all bands, as in TiTiler. A range
    whose maximum is below its minimum turns the values round; one of no width makes everything 0. The result is
    pixel-interleaved in memory. InvalidParameter for bounds that are not finite.
    """
    bands, rows, columns = raster.data.shape
    out = np.empty((rows, columns, bands), dtype=np.uint8)
    pixels = raster.data.transpose(1, 2, 0)
    each = list(ranges) if len(ranges) == bands else [ranges[0]] * bands
    for low, high in each:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InvalidParameter("rescale must be two finite numbers.", parameter="rescale")
    if all(one == each[0] for one in each) and (pixels.flags.c_contiguous or bands == 1):
        _scale(pixels.reshape(rows, columns * bands), each[0], out.reshape(rows, columns * bands))
    else:
        for band, one in enumerate(each):
            _scale(raster.data[band], one, out[..., band])
    if raster.mask is not None:
        clear(out, raster.mask)
    alpha = None if raster.alpha is None else opacity(raster.alpha, np.dtype(np.uint8))
    return replace(
        raster, data=out.transpose(2, 0, 1), alpha=alpha, scales=(), offsets=(), statistics=None, nodata=None
    )


def automatic(raster: Raster) -> Raster:
    """Return the raster as uint8, for a format that cannot hold its type when the caller gave no range.

    The range is, in this order: the statistics that the raster carries (of the dataset, of an algorithm, or carried
    through an expression); for integers the whole range of their type, for truth values 0 and 1; for floats each band's
    own minimum and maximum over its valid finite pixels. The last one differs from tile to tile, so tiles side by side
    may show a seam: whoever serves float tiles should name ``rescale``. It is taken nevertheless because a visible
    picture tells more than TiTiler's, which is transparent or of one grey.
    """
    if raster.statistics is not None and len(raster.statistics) == raster.count:
        finite = all(math.isfinite(low) and math.isfinite(high) for low, high in raster.statistics)
        if finite:
            return linear(raster, raster.statistics)
    kind = raster.data.dtype
    if kind.kind == "b":
        return linear(raster, ((0.0, 1.0),))
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return linear(raster, ((limits.min, limits.max),))
    return linear(raster, [_extent(raster, band) for band in range(raster.count)])


def opacity(alpha: Array, kind: np.dtype[Any]) -> Array:
    """Return an alpha band in another unsigned type: 0 stays 0 and the most of its own type becomes the most of
    ``kind``.

    Negative values are transparent. A float band only tells transparent (0) from opaque (anything else).
    """
    if alpha.dtype == kind:
        return alpha
    most = np.iinfo(kind).max
    if alpha.dtype.kind in "fcb":
        return np.where(alpha.astype(bool), most, 0).astype(kind)
    whole = np.maximum(alpha, 0).astype(np.float64 if alpha.dtype.itemsize == 8 else np.int64)
    scaled: Array = (whole * most // np.iinfo(alpha.dtype).max).astype(kind)
    return scaled


def _scale(values: Array, limits: Range, out: NDArray[np.uint8]) -> None:
    """Fill ``out`` with the rescaled ``values``; both are of two dimensions."""
    low, high = float(limits[0]), float(limits[1])
    if values.dtype.itemsize <= 2 and values.dtype.kind in "iu":
        table = _table(values.dtype.str, low, high)
        unsigned = values.view(f"u{values.dtype.itemsize}")
        if values.dtype.itemsize == 1:
            # bytes.translate is twice as fast as numpy's take
            looked_up = np.frombuffer(bytearray(unsigned).translate(table), dtype=np.uint8)
            out[...] = looked_up.reshape(values.shape)
        elif out.flags.c_contiguous:
            np.frombuffer(table, dtype=np.uint8).take(unsigned, out=out, mode="clip")
        else:
            out[...] = np.frombuffer(table, dtype=np.uint8).take(unsigned)
        return
    rows, columns = values.shape
    step = max(1, _BLOCK // max(columns, 1))
    for start in range(0, rows, step):
        out[start : start + step] = _formula(values[start : start + step], low, high)


@lru_cache(maxsize=128)
def _table(kind: str, low: float, high: float) -> bytes:
    """Return uint8 for each value of an 8 or 16 bit type, in the order of the same bits taken as unsigned."""
    size = np.dtype(kind).itemsize
    every = np.arange(256**size, dtype=f"u{size}").view(kind)
    return _formula(every, low, high).tobytes()


def _formula(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    if low == high:
        return np.zeros(values.shape, dtype=np.uint8)
    work = np.clip(values, min(low, high), max(low, high), dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        work -= low
        work /= high - low
        work *= 255.0
        # a NaN that no mask covers becomes 0
        scaled: NDArray[np.uint8] = work.astype(np.uint8)
    return scaled


def _extent(raster: Raster, band: int) -> Range:
    values = raster.data[band]
    usable = np.isfinite(values)
    if raster.mask is not None:
        usable &= raster.mask[band if len(raster.mask) > 1 else 0]
    if raster.cutline is not None:
        usable &= raster.cutline
    if not usable.any():
        return 0.0, 0.0
    low = np.min(values, where=usable, initial=np.inf)
    high = np.max(values, where=usable, initial=-np.inf)
    return float(low), float(high)
