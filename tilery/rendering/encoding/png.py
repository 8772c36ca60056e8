"""Pictures to PNG: a writer of our own, because that of GDAL takes half of a tile's time.

What makes it fast and small: no alpha channel where everything is opaque, palettes for colormapped pictures, one filter
for the whole picture and a deflate that suits the content, which a few rows of it tell. Photographic content goes
through ISA-L's deflate at level 1, a twentieth of zlib's time at a few per cent more bytes, always with the filter
`up`: which of the filters is best makes one per cent there, and finding out takes as long as a quarter of the deflate.
What compresses better gets a closer look; what compresses well goes through libdeflate, which makes less of it than
zlib does. See RFC 2083 for the format.
"""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from tilery.geo.raster import Picture
from tilery.rendering.encoding.palette import expanded
from tilery.rendering.pixels import interleaved

Bytes = NDArray[np.uint8]
Filter = Literal[0, 1, 2, 3]
"""PNG's numbers: none; sub, up and average: the pixel to the left, above, the mean of both is subtracted."""
_OTHERS: tuple[Filter, ...] = (0, 1, 3)
_FOR_ROUGH: tuple[Filter, ...] = (3,)
"""What is tried where `up` does not make it smooth: of the others only the average is ever better there."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_COLOR_TYPES = {1: _GRAY, 2: _GRAY_ALPHA, 3: _RGB, 4: _RGBA}
_STRIP = 5
"""Rows of one strip of the sample; three strips are taken."""
_FLAT = 0.12
"""Below this ratio of the sample libdeflate's better level costs no more time than its first one elsewhere."""
_SMOOTH = 0.35
"""Below this ratio ISA-L's bytes would be more than 3 % above zlib's, so libdeflate takes over."""
_RICH = 0.55
"""From this ratio on the choice of a filter and a better level of ISA-L save about 1 %."""


def encode(picture: Picture, *, fast: bool = False) -> bytes:
    """Return a PNG of the picture, 8 or 16 bits, gray, gray with alpha, RGB, RGBA or palette.

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
    sample, above = (lines, lines) if fast else _sample(lines)
    if fast or not sample.size:
        return bytes(isal_zlib.compress(_filtered(lines, step, 2), 1))
    ratio = _ratio(sample, above, step, 2)
    if ratio >= _RICH:
        return bytes(isal_zlib.compress(_filtered(lines, step, 2), 1))
    ratios: dict[Filter, float] = {2: ratio}
    for tried in _OTHERS if ratio < _SMOOTH else _FOR_ROUGH:
        ratios[tried] = _ratio(sample, above, step, tried)
    kind = min(ratios, key=ratios.__getitem__)
    filtered = _filtered(lines, step, kind)
    if ratios[kind] >= _SMOOTH:
        return bytes(isal_zlib.compress(filtered, 3))
    from imagecodecs import deflate_encode

    level = 6 if indexed else 4 if ratios[kind] < _FLAT else 1
    # any buffer will do, though its signature does not say so
    return bytes(deflate_encode(filtered, level))  # type: ignore[arg-type]


def _filtered(lines: Bytes, step: int, kind: Filter) -> Bytes:
    """Scan lines with their filter byte in front; ``step`` is the number of bytes of a pixel."""
    out = np.empty((lines.shape[0], lines.shape[1] + 1), dtype=np.uint8)
    out[:, 0] = kind
    out[0, 1:] = _less(lines[:1], np.zeros_like(lines[:1]), step, kind)[0]
    if kind == 2:
        np.subtract(lines[1:], lines[:-1], out=out[1:, 1:])
    else:
        out[1:, 1:] = _less(lines[1:], lines[:-1], step, kind)
    return out


def _less(lines: Bytes, above: Bytes, step: int, kind: Filter) -> Bytes:
    """Return lines less what a filter expects of them."""
    if kind == 0:
        return lines
    if kind == 2:
        return lines - above
    less = lines.copy()
    if kind == 1:
        less[:, step:] -= lines[:, :-step]
        return less
    less[:, :step] -= above[:, :step] >> 1
    left, up = lines[:, :-step], above[:, step:]
    less[:, step:] -= (left & up) + ((left ^ up) >> 1)  # the mean of two bytes in a byte
    return less


def _ratio(sample: Bytes, above: Bytes, step: int, kind: Filter) -> float:
    """Return compressed over plain size of a filtered sample."""
    less = _less(sample, above, step, kind)
    return len(isal_zlib.compress(np.ascontiguousarray(less), 1)) / sample.size


def _sample(lines: Bytes) -> tuple[Bytes, Bytes]:
    """Return some of the lines, and the line above each."""
    rows = len(lines)
    if rows <= 4 * _STRIP:
        return lines[1:], lines[:-1]
    starts = [max(1, rows * part // 4 - _STRIP // 2) for part in (1, 2, 3)]
    return (
        np.concatenate([lines[start : start + _STRIP] for start in starts]),
        np.concatenate([lines[start - 1 : start - 1 + _STRIP] for start in starts]),
    )
