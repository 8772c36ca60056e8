"""Pictures to PNG: a writer of our own, because that of GDAL takes half of a tile's time.

What makes it fast and small: no alpha channel where everything is opaque, palettes for colormapped pictures, one filter
for the whole picture, chosen on a sample, and a deflate that suits the content. Photographic content goes through
ISA-L's deflate at level 1, a twentieth of zlib's time at a few per cent more bytes; content that compresses well goes
through libdeflate, which makes less of it than zlib does. See RFC 2083 for the format.
"""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from app.raster import Picture
from app.rendering.encoding.palette import expanded
from app.rendering.pixels import interleaved

Bytes = NDArray[np.uint8]
Filter = Literal[0, 1, 2]
"""PNG's numbers: none, sub (the pixel to the left is subtracted), up (the pixel above)."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_COLOR_TYPES = {1: _GRAY, 2: _GRAY_ALPHA, 3: _RGB, 4: _RGBA}
_STRIP = 5
"""Rows of one strip of the sample; three strips are taken."""
_FLAT = 0.12
"""Below this ratio of the sample libdeflate's better level costs no more time than its first one elsewhere."""
_SMOOTH = 0.35
"""Below this ratio ISA-L's bytes would be more than 3 % above zlib's, so libdeflate takes over."""


def encode(picture: Picture, *, fast: bool = False) -> bytes:
    """PNG of the picture, 8 or 16 bits, gray, gray with alpha, RGB, RGBA or palette.

    ``fast`` leaves out every search for fewer bytes.
    """
    palette = picture.palette
    if palette is not None:
        indexes, palette = _with_transparent(picture, palette)
        if indexes is None:
            # all 256 entries are in use and pixels are masked besides
            return encode(expanded(picture), fast=fast)
        pixels, color = indexes[..., np.newaxis], _PALETTE
    else:
        pixels = interleaved(picture.data, picture.mask)
        color = _COLOR_TYPES[pixels.shape[2]]
    rows, columns, channels = pixels.shape
    if pixels.dtype.itemsize == 2:
        pixels = pixels.astype(">u2")
    lines = np.ascontiguousarray(pixels).view(np.uint8).reshape(rows, -1)
    step = channels * pixels.dtype.itemsize
    chunks = [
        _SIGNATURE,
        _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, pixels.dtype.itemsize * 8, color, 0, 0, 0)),
    ]
    if palette is not None:
        # entries beyond the last one in use are not written
        used = palette[: int(lines.max()) + 1]
        chunks.append(_chunk(b"PLTE", used[:, :3].tobytes()))
        transparent = np.flatnonzero(used[:, 3] != 255)
        if transparent.size:
            chunks.append(_chunk(b"tRNS", used[: transparent[-1] + 1, 3].tobytes()))
    chunks.append(_chunk(b"IDAT", _deflate(lines, step, indexed=palette is not None, fast=fast)))
    chunks.append(_chunk(b"IEND", b""))
    return b"".join(chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    crc = isal_zlib.crc32(body, isal_zlib.crc32(name))
    return b"".join((struct.pack(">I", len(body)), name, body, struct.pack(">I", crc)))


def _with_transparent(picture: Picture, palette: Bytes) -> tuple[Bytes | None, Bytes]:
    """(indexes, palette) where masked pixels have an index of their own, or None for indexes when none is free."""
    indexes: Bytes = picture.data[..., 0]
    if picture.mask is None:
        return indexes, palette
    visible = picture.mask != 0
    if np.min(indexes, where=visible, initial=255) > 0:
        own = 0
    elif np.max(indexes, where=visible, initial=0) < 255:
        # all move up by one: the transparent entry is best the first, where it costs one byte
        return (indexes + np.uint8(1)) * visible, np.concatenate([np.zeros((1, 4), dtype=np.uint8), palette[:255]])
    else:
        free = np.flatnonzero(np.bincount(indexes[visible], minlength=256) == 0)
        if not free.size:
            return None, palette
        own = int(free[0])
    palette = palette.copy()
    palette[own] = 0
    return np.where(visible, indexes, np.uint8(own)), palette


def _deflate(lines: Bytes, step: int, *, indexed: bool, fast: bool) -> bytes:
    if fast:
        return bytes(isal_zlib.compress(_filtered(lines, step, 2), 1))
    kind, ratio = _try_filters(lines, step)
    filtered = _filtered(lines, step, kind)
    if ratio < _SMOOTH:
        from imagecodecs import deflate_encode

        level = 6 if indexed else 4 if ratio < _FLAT else 1
        # any buffer will do, though its signature does not say so
        return bytes(deflate_encode(filtered, level))  # type: ignore[arg-type]
    return bytes(isal_zlib.compress(filtered, 1))


def _filtered(lines: Bytes, step: int, kind: Filter) -> Bytes:
    """Scan lines with their filter byte in front; ``step`` is the number of bytes of a pixel."""
    out = np.empty((lines.shape[0], lines.shape[1] + 1), dtype=np.uint8)
    out[:, 0] = kind
    if kind == 0:
        out[:, 1:] = lines
    elif kind == 1:
        out[:, 1 : step + 1] = lines[:, :step]
        np.subtract(lines[:, step:], lines[:, :-step], out=out[:, step + 1 :])
    else:
        out[0, 1:] = lines[0]
        np.subtract(lines[1:], lines[:-1], out=out[1:, 1:])
    return out


def _try_filters(lines: Bytes, step: int) -> tuple[Filter, float]:
    """(the filter that makes the least of a sample, compressed over plain size)."""
    rows = len(lines)
    if rows <= 4 * _STRIP:
        sample, above = lines[1:], lines[:-1]
        if not sample.size:
            return 0, 1.0
    else:
        starts = [max(1, rows * part // 4 - _STRIP // 2) for part in (1, 2, 3)]
        sample = np.concatenate([lines[start : start + _STRIP] for start in starts])
        above = np.concatenate([lines[start - 1 : start - 1 + _STRIP] for start in starts])
    left = sample.copy()
    left[:, step:] -= sample[:, :-step]
    sizes = [len(isal_zlib.compress(tried, 1)) for tried in (np.ascontiguousarray(sample), left, sample - above)]
    best = int(np.argmin(sizes))
    return (0, 1, 2)[best], sizes[best] / sample.size
