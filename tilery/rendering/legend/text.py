"""Text as pixels. The glyphs are those of DejaVu Sans (`LICENSE_DEJAVU`), drawn once at 26 pixels and 16 grays, so that
a legend is the same on every machine and needs no library: Latin, Greek and Cyrillic; a box stands for anything else.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEIGHT = 17
"""Pixels of a line at scale 1; the glyphs have twice as many."""
_MISSING = 0xFFFD


@cache
def _glyphs() -> dict[int, NDArray[np.uint8]]:
    """Return opacity of each character by its code, 34 rows."""
    with np.load(Path(__file__).parent / "glyphs.npz", allow_pickle=False) as file:
        codes, widths, packed = file["codes"], file["widths"], file["pixels"]
    strip = np.empty((packed.shape[0], packed.shape[1] * 2), np.uint8)
    strip[:, ::2], strip[:, 1::2] = packed >> 4, packed & 15
    strip *= 17  # 15 is opaque
    ends = np.cumsum(widths, dtype=np.int64)
    parts = np.split(strip[:, : ends[-1]], ends[:-1], axis=1)
    return dict(zip(codes.tolist(), parts, strict=True))


def line(text: str, scale: int) -> NDArray[np.uint8]:
    """Return the opacity of a line of text, shape (17 · scale, width); scale 1 or 2."""
    glyphs = _glyphs()
    parts = [glyphs.get(ord(character), glyphs[_MISSING]) for character in text if character.isprintable()]
    pixels = np.concatenate(parts, axis=1) if parts else np.zeros((2 * HEIGHT, 1), np.uint8)
    if scale == 2:
        return pixels
    pixels = np.pad(pixels, ((0, 0), (0, pixels.shape[1] % 2)))
    halved: NDArray[np.uint8] = pixels.reshape(HEIGHT, 2, -1, 2).mean(axis=(1, 3)).astype(np.uint8)
    return halved


def width(text: str, scale: int) -> int:
    """Return the pixels that a line of text is wide."""
    return int(line(text, scale).shape[1])


def shortened(text: str, most: int, scale: int) -> str:
    """Return as much of a text as so many pixels hold, with an ellipsis where it is cut."""
    if width(text, scale) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(text[:middle] + "…", scale) <= most else (low, middle - 1)
    return text[:low] + "…"
