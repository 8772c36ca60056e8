"""Pixels to the bytes of a TIFF's block, without loss.

GDAL's own compression takes eight times as long. Differences of neighbours in a photograph hold hardly a string twice,
so that codes by how often each byte occurs are all there is to gain (`tilery.kernels.deflate`); what has strings is for
isal and libdeflate. Predictors: TIFF 6.0, section 14, and Adobe's TIFF technical note 3 for floating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from isal import isal_zlib

from tilery import kernels
from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.publishing.profiles import Compression
from tilery.publishing.rasters import BLOCK

_FAST = 1
"""isal's level: what is noisy becomes as small by it as by zlib's sixth."""
_ORDERLY = 0.5
"""Part of its size that a block shrinks to by the fast codec from which on it is worth while to look for more."""
_LOOKED_AT = (4, 4, 4, 4)
"""Rows that are looked at, at equal distances."""
_AS_SMALL = 1.01
"""Times the size that a block may have without a search for strings."""
_BARE = 0.05
"""Part of its size below which a block is nearly empty: a search takes little time, and finds rows that are alike."""
_HEAD = b"\x78\x01"
"""Of a zlib stream (RFC 1950): a window of 32 kB, the fastest way."""


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


def encode(data: Array, chosen: Encoding) -> bytes:
    """Return one block, compressed.

    Args:
        data: shape (bands, rows, columns), `BLOCK` rows and columns at most; beyond them its outermost pixels again.
        chosen: how.
    """
    raw: Any = folded(data, chosen.predictor)
    if chosen.compress == "ZSTD":
        import imagecodecs  # large, and not needed before

        return bytes(imagecodecs.zstd_encode(raw, level=chosen.level))
    return _deflated(raw, chosen.level)


def need_same(block: bytes, data: Array, chosen: Encoding) -> None:
    """Check that a block becomes again what it was compressed from.

    Raises:
        BrokenRaster: it does not.
    """
    import imagecodecs

    raw = folded(data, chosen.predictor)
    decode: Any = imagecodecs.zstd_decode if chosen.compress == "ZSTD" else imagecodecs.deflate_decode
    try:
        same = bytes(decode(block, out=np.empty(raw.nbytes, "uint8"))) == raw.tobytes()
    except RuntimeError:  # what all of imagecodecs' own errors are
        same = False
    if not same:
        raise BrokenRaster("A block is not what it was compressed from; nothing was published.")


def folded(data: Array, predictor: int) -> Array:
    """Return one block as it is before it is compressed, of `encode`'s data: its rows, one after the other."""
    if data.dtype.kind in "iub" and data.itemsize <= 2:
        block = np.empty((BLOCK, BLOCK, len(data)), data.dtype)
        kernels.fold(data, block, differences=predictor == 2)
        return block.reshape(BLOCK, -1)
    pixels = _filled(data)
    if predictor == 2:
        return _differences(pixels)
    return _float_differences(pixels) if predictor == 3 else pixels.reshape(BLOCK, -1)


def is_orderly(packed: bytes, size: int) -> bool:
    """Return whether a block became so small that it may become smaller still, from so many bytes."""
    return len(packed) <= _ORDERLY * size


def check_sum(data: bytes) -> int:
    """Return a number that is another one for other bytes."""
    return int(isal_zlib.crc32(data))


def _deflated(raw: Any, level: int) -> bytes:
    import imagecodecs

    some: Any = _some_of(raw)
    with_strings = isal_zlib.compress(some, _FAST)
    orderly = is_orderly(with_strings, some.nbytes)
    if orderly:
        with_strings = min(with_strings, bytes(imagecodecs.deflate_encode(some, level=level)), key=len)
    with_runs = len(kernels.deflate(some)) if kernels.COMPILED else some.nbytes
    if _BARE * some.nbytes < with_runs <= _AS_SMALL * len(with_strings):
        return b"".join((_HEAD, kernels.deflate(raw), isal_zlib.adler32(raw).to_bytes(4, "big")))
    found = isal_zlib.compress(raw, _FAST)
    if not orderly and not is_orderly(found, raw.nbytes):
        return found
    return min(found, bytes(imagecodecs.deflate_encode(raw, level=level)), key=len)


def _some_of(raw: Array) -> Array:
    """Return a few rows of a block, by which is judged whether a search for strings makes it smaller."""
    step = len(raw) // len(_LOOKED_AT)
    parts: Array = np.concatenate([raw[step * number : step * number + rows] for number, rows in enumerate(_LOOKED_AT)])
    return parts


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


def _filled(data: Array) -> Array:
    """Return bands pixel by pixel, as many as a block has."""
    rows, columns = data.shape[1:]
    found = np.empty((BLOCK, BLOCK, len(data)), data.dtype)
    for number, band in enumerate(data):  # band by band is twice as fast as NumPy's own way
        found[:rows, :columns, number] = band
    found[:rows, columns:] = found[:rows, columns - 1 : columns]
    found[rows:] = found[rows - 1]
    return found
