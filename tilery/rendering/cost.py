"""How much memory it takes to make a picture or statistics of pixels: bytes for each pixel, known before any is read.

Upper bounds, found by measuring what NumPy takes (tests/rendering/test_cost.py holds them to it) and, of codecs that
take memory by themselves, from what they say of it.
"""

from __future__ import annotations

import numpy as np

from tilery.rendering import expression
from tilery.rendering.encoding import formats
from tilery.rendering.options import RenderOptions


def of_picture(bands: int, kind: np.dtype[np.generic], options: RenderOptions, format_name: str | None) -> int:
    """Return bytes for each pixel of a picture, beside those of the pixels that were read.

    Args:
        bands: that are read.
        kind: their type, as it is read and unscaled.
        options: of rendering.
        format_name: as asked for; None: PNG or JPEG.
    """
    held, peak, bands, kind = _calculated(bands, kind, options)
    row = formats.get(format_name or "png")
    size = kind.itemsize
    if options.rescale or (row.channels and not formats.holds(row, kind)):
        peak = max(peak, held + bands + 10)
        held += bands
        size = 1
    if options.color_formula:
        peak = max(peak, held + 8 * bands)
        held += bands
        size = 1
    if options.colormap is not None:
        held += 16
        bands, size = 3, 1
    return max(peak, held + row.memory(bands + (options.return_mask and row.mask), size))


def of_answer(bands: int, kind: np.dtype[np.generic], options: RenderOptions) -> int:
    """Return bytes that each pixel has at least in a format that does not compress.

    Args:
        bands: that are read.
        kind: their type, as it is read and unscaled.
        options: of rendering.
    """
    size = kind.itemsize
    if options.algorithm or options.expression:
        _, _, bands, _ = _calculated(bands, kind, options)
        size = 1  # what is said of their types is the most
    if options.colormap is not None:
        bands, size = 3, 1
    elif options.rescale:
        size = 1
    return (bands + options.return_mask) * size


def of_statistics(bands: int, kind: np.dtype[np.generic], options: RenderOptions, *, weighted: bool) -> int:
    """Return bytes for each pixel of statistics, beside those of the pixels that were read."""
    held, peak, bands, kind = _calculated(bands, kind, options)
    small = kind.itemsize <= 2 and kind.kind in "biu"
    counted = (16 if small else 24 + 3 * kind.itemsize) + (36 if weighted else 0)
    return max(peak, held + counted)


def _calculated(
    bands: int, kind: np.dtype[np.generic], options: RenderOptions
) -> tuple[int, int, int, np.dtype[np.generic]]:
    """Return bytes held and at most taken by band maths and algorithm; number and type of the bands then."""
    held = peak = 0
    if options.expression:
        parsed = expression.parse(options.expression)
        bands, kind = len(parsed.blocks), expression.result_type(options.expression, kind)
        held = peak = bands * kind.itemsize + 1
    if options.algorithm:
        from tilery.rendering import algorithms

        peak = held + algorithms.memory_of(options.algorithm, bands, kind)
        bands, kind = algorithms.output_of(options.algorithm, bands)
        held += bands * kind.itemsize + 1
    return held, peak, bands, kind
