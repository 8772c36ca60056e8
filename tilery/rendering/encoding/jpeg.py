"""Pictures to JPEG: libjpeg-turbo at GDAL's settings (quality 85 as TiTiler's, colour at half resolution).

GDAL always works out the best Huffman tables for a picture, which takes a second pass and as much time again. The
tables of the standard were made from photographs: for coloured pictures with much in them they cost 2 to 3 % more
bytes, for all others up to 20 %. So the second pass is left out for the first kind only; the bytes that a few rows take
tell which it is.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tilery.geo.raster import Picture
from tilery.rendering.pixels import interleaved

QUALITY = 85
_RICH = 0.35
"""Bytes a pixel beyond which the standard's tables cost about 3 % at most."""
_SAMPLE = 32
"""Rows of the sample."""
_HEADER = 620
"""Bytes of a JPEG's own tables, which a sample has too."""


def encode(picture: Picture) -> bytes:
    """Return a baseline JPEG of one (gray), three (RGB) or four (CMYK) channels of uint8. Opacity is left out."""
    pixels = interleaved(picture.data)
    channels = pixels.shape[2]
    if channels == 1:
        pixels = pixels[..., 0]
    return _jpeg(pixels, cmyk=channels == 4, optimize=channels != 3 or not _is_rich(pixels))


def _is_rich(pixels: NDArray[Any]) -> bool:
    rows, columns = pixels.shape[:2]
    start = max(0, (rows - _SAMPLE) // 2) // 16 * 16
    sample = pixels[start : start + _SAMPLE]
    size = len(_jpeg(sample, cmyk=False, optimize=False)) - _HEADER
    return bool(size > _RICH * len(sample) * columns)


def _jpeg(pixels: NDArray[Any], *, cmyk: bool, optimize: bool) -> bytes:
    from imagecodecs import jpeg8_encode

    space = "CMYK" if cmyk else None
    return bytes(
        jpeg8_encode(
            pixels,
            level=QUALITY,
            subsampling="420" if pixels.ndim == 3 and not cmyk else None,
            optimize=optimize,
            colorspace=space,
            outcolorspace=space,
        )
    )
