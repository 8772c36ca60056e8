"""Pictures to JPEG: libjpeg-turbo at GDAL's settings (quality 85 as TiTiler's, colour at half resolution).

GDAL always works out the best Huffman tables for a picture, which takes a second pass. The tables of the standard do
as well for pictures with much in them, so the second pass is made only where it saves more than about 3 %: the bytes
that a few rows of the picture take tell.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from app.raster import Picture
from app.rendering.pixels import interleaved

QUALITY = 85
_RICH = 0.45
"""Bytes a pixel beyond which the standard's tables cost less than 3 %."""
_SAMPLE = 32
"""Rows of the sample."""
_HEADER = 620
"""Bytes of a JPEG's own tables, which a sample has too."""


def encode(picture: Picture) -> bytes:
    """Baseline JPEG of one (gray), three (RGB) or four (CMYK) channels of uint8. Opacity is left out."""
    pixels = interleaved(picture.data)
    channels = pixels.shape[2]
    if channels == 1:
        pixels = pixels[..., 0]
    return _jpeg(pixels, cmyk=channels == 4, optimize=not _is_rich(pixels, cmyk=channels == 4))


def _is_rich(pixels: NDArray[Any], *, cmyk: bool) -> bool:
    rows, columns = pixels.shape[:2]
    start = max(0, (rows - _SAMPLE) // 2) // 16 * 16
    sample = pixels[start : start + _SAMPLE]
    size = len(_jpeg(sample, cmyk=cmyk, optimize=False)) - _HEADER
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
