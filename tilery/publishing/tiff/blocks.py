"""Pixels to the bytes of a TIFF's block, without loss.

GDAL's own compression takes four times as long: isal deflates at several hundred megabytes a second, and what rows are
differenced with (predictors: TIFF 6.0, section 14, and Adobe's TIFF technical note 3 for floating point) is one
subtraction in NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from isal import isal_zlib

from tilery.geo.raster import Array
from tilery.publishing.profiles import Compression
from tilery.publishing.rasters import BLOCK

_FAST = 1
"""isal's level: what is noisy becomes as small by it as by zlib's sixth."""
_ORDERLY = 0.5
"""Part of its size that a block shrinks to by the fast codec from which on it is worth while to look for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the blocks of a file are compressed."""

    compress: Literal["DEFLATE", "ZSTD"]
    level: int
    predictor: int = 1
    """1: none. 2: differences of neighbours. 3: the same of the bytes of floating point, sorted by their weight."""

    def options(self) -> dict[str, str]:
        """Return the same as creation options of GDAL's GTiff driver."""
        return {"COMPRESS": self.compress, "PREDICTOR": str(self.predictor)}


WORKING = Encoding(compress="ZSTD", level=1)
"""Of files that live for one publish and are compressed again: quick to write."""


def encoding(compression: Compression, dtype: str) -> Encoding | None:
    """Return how blocks are encoded here for a compression; None where only GDAL does it."""
    predictor = 3 if np.dtype(dtype).kind == "f" else 2
    if compression.compress == "DEFLATE":
        return Encoding(compress="DEFLATE", level=compression.level or 6, predictor=predictor)
    if compression.compress == "ZSTD":
        return Encoding(compress="ZSTD", level=compression.level or 9, predictor=predictor)
    return None


def encode(pixels: Array, chosen: Encoding) -> bytes:
    """Return one block, compressed.

    Args:
        pixels: shape (rows, columns, bands), contiguous.
        chosen: how.
    """
    import imagecodecs  # large, and not needed before

    raw: Any = pixels
    if chosen.predictor == 2:
        raw = _differences(pixels)
    elif chosen.predictor == 3:
        raw = _float_differences(pixels)
    if chosen.compress == "ZSTD":
        return bytes(imagecodecs.zstd_encode(raw, level=chosen.level))
    return _deflated(raw, chosen.level)


def check_sum(data: bytes) -> int:
    """Return a number that is another one for other bytes."""
    return int(isal_zlib.crc32(data))


def _deflated(raw: Any, level: int) -> bytes:
    import imagecodecs

    found = isal_zlib.compress(raw, _FAST)
    if len(found) > _ORDERLY * raw.nbytes:
        return found
    smaller = bytes(imagecodecs.deflate_encode(raw, level=level))
    return min(found, smaller, key=len)


def _differences(pixels: Array) -> Array:
    """Return each sample less the one before it in its row, as whole numbers of their own width, whatever they stand
    for.
    """
    rows, _, bands = pixels.shape
    whole: Any = pixels.view(f"u{pixels.dtype.itemsize}").reshape(rows, -1)
    found = np.empty_like(whole)
    found[:, :bands] = whole[:, :bands]
    np.subtract(whole[:, bands:], whole[:, :-bands], out=found[:, bands:])
    return np.asarray(found)


def _float_differences(pixels: Array) -> Array:
    """Return the bytes of each row, all the first ones before all the second ones, and the differences of
    neighbours.
    """
    rows, columns, bands = pixels.shape
    size = pixels.dtype.itemsize
    octets = pixels.view("u1").reshape(rows, columns * bands, size)
    apart = np.empty((rows, size, columns * bands), "u1")
    little = pixels.dtype.newbyteorder("=").str[0] != ">"
    for place in range(size):  # the most significant byte comes first
        apart[:, place] = octets[:, :, size - 1 - place if little else place]
    return _differences(apart.reshape(rows, -1, bands))


def block_at(data: Array, top: int, left: int) -> Array:
    """Return a block of a window; beyond the window's edges its outermost pixels again.

    Args:
        data: shape (bands, rows, columns).
        top: first row of the block in it.
        left: first column.

    Returns:
        Shape (`BLOCK`, `BLOCK`, bands), contiguous.
    """
    part = data[:, top : top + BLOCK, left : left + BLOCK]
    rows, columns = part.shape[1:]
    found = np.empty((BLOCK, BLOCK, len(data)), data.dtype)
    for number, band in enumerate(part):  # band by band is twice as fast as NumPy's own way
        found[:rows, :columns, number] = band
    found[:rows, columns:] = found[:rows, columns - 1 : columns]
    found[rows:] = found[rows - 1]
    return found
