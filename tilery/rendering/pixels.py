"""Moving pixels between band order and pixel order, at the speed of memory.

numpy copies a transposed picture element by element, with an inner loop as long as the number of bands; a band at a
time is four times as fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.geo.raster import Array


def interleaved(pixels: Array, extra: Array | None = None) -> Array:
    """Return pixels (rows, columns, channels) contiguous in memory, with ``extra`` (rows, columns) as a further
    channel.

    They are not copied when they are contiguous and nothing is to be added.
    """
    rows, columns, channels = pixels.shape
    size = pixels.itemsize
    # asked of the strides themselves: numpy calls a single row or column contiguous whatever they are, codecs do not
    if extra is None and pixels.strides == (columns * channels * size, channels * size, size):
        return pixels
    out = np.empty((rows, columns, channels + (extra is not None)), dtype=pixels.dtype)
    for channel in range(channels):
        out[..., channel] = pixels[..., channel]
    if extra is not None:
        out[..., channels] = extra
    return out


def planar(pixels: Array, extra: Array | None = None) -> Array:
    """Return bands (channels, rows, columns) contiguous in memory, with ``extra`` (rows, columns) as a further band."""
    rows, columns, channels = pixels.shape
    if extra is None and pixels.transpose(2, 0, 1).flags.c_contiguous:
        return pixels.transpose(2, 0, 1)
    out = np.empty((channels + (extra is not None), rows, columns), dtype=pixels.dtype)
    for channel in range(channels):
        out[channel] = pixels[..., channel]
    if extra is not None:
        out[channels] = extra
    return out


def clear(pixels: Array, valid: NDArray[np.bool_]) -> None:
    """Set what is not valid to 0, in place. ``valid`` has the bands first: one for each channel, or one for all."""
    outside: Any = None
    for channel in range(pixels.shape[2]):
        if outside is None or len(valid) > 1:
            outside = ~valid[channel if len(valid) > 1 else 0]
        np.copyto(pixels[..., channel], 0, where=outside)
