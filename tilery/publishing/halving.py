"""Windows of an overview, made of pixels of the level above it, and held against these while both are in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from tilery.geo.raster import Array
from tilery.publishing import validity
from tilery.publishing.downsampling import Side, halve, halve_alpha, is_fast, side
from tilery.publishing.rasters import BLOCK
from tilery.publishing.verification.level_check import LevelCheck, Sums, pixels_above, places_of
from tilery.reading.profile import Profile

if TYPE_CHECKING:
    from rasterio.windows import Window

_ROWS, _COLUMNS = 64, 512
"""Pixels of an overview that NumPy works on at a time: what they need stays in the processor's cache."""
_NARROW = 128
"""Pixels along a side where some are missing: only those at the edge of what is valid take the time that edges take."""


@dataclass(frozen=True, slots=True)
class Halving:
    """How an overview is made of the level above it."""

    profile: Profile
    """Of the raster."""
    resampling: str
    """One of `tilery.publishing.downsampling.METHODS`."""
    width: int
    """Columns of the level above."""
    height: int

    @property
    def above(self) -> tuple[int, int]:
        """Columns and rows of the level above."""
        return self.width, self.height

    @property
    def below(self) -> tuple[int, int]:
        """Columns and rows of the overview."""
        return -(-self.width // 2), -(-self.height // 2)

    def sides(self, window: Window) -> tuple[Side, Side]:
        """Return rows and columns of the level above that a window of the overview is made of."""
        top, left, height, width = places_of(window)
        return self._rows(top, top + height), self._columns(left, left + width)

    def _rows(self, first: int, last: int) -> Side:
        return side(self.resampling, self.height, self.below[1], first, last)

    def _columns(self, first: int, last: int) -> Side:
        return side(self.resampling, self.width, self.below[0], first, last)

    def made(self, source: validity.WindowPixels, window: Window) -> tuple[Array, Array | None]:
        """Return a window of the overview: all bands, and its mask where it has one (0 or 255).

        Args:
            source: what `sides` names of the level above; beyond its edges its outermost pixels again.
            window: of the overview.
        """
        top, left, height, width = places_of(window)
        rows, columns = self.sides(window)
        weight = source.weight()
        profile = self.profile
        data = np.empty((profile.count, height, width), profile.dtype)
        there = np.empty((height, width), "uint8") if validity.has_mask(profile) else None
        bands = [band - 1 for band in profile.data_bands]
        nodata, filler = profile.usable_nodata, validity.filler(profile)
        fast = is_fast(source.data, weight, rows, columns, self.resampling) and source.alpha is None
        steps = (BLOCK, BLOCK) if fast else (_ROWS, _COLUMNS)
        waiting = [
            (first, min(height, first + steps[0]), start, min(width, start + steps[1]))
            for first, start in product(range(0, height, steps[0]), range(0, width, steps[1]))
        ]
        while waiting:
            first, last, start, stop = waiting.pop()
            strip, part = self._rows(top + first, top + last), self._columns(left + start, left + stop)
            lines = slice(strip.start - rows.start, strip.stop - rows.start)
            places = slice(part.start - columns.start, part.stop - columns.start)
            of_part = None if weight is None else weight[:, lines, places]
            if not fast and stop - start > _NARROW and _is_mixed(of_part):
                waiting += _narrow(first, last, start, stop, _ROWS)
                continue
            values, known = halve(source.data[:, lines, places], of_part, strip, part, self.resampling, nodata)
            if known is not None:
                np.copyto(values, np.asarray(filler).astype(values.dtype), where=~known)
            data[bands, first:last, start:stop] = values
            if source.alpha is not None and profile.alpha_band is not None:
                opacity = halve_alpha(source.alpha[lines, places], strip, part, self.resampling)
                data[profile.alpha_band - 1, first:last, start:stop] = opacity
            if there is not None:
                there[first:last, start:stop] = 255 if known is None else np.where(known[0], 255, 0)
        return data, there

    def compared(
        self, check: LevelCheck, source: validity.WindowPixels, data: Array, there: Array | None, window: Window
    ) -> list[list[Sums]]:
        """Return what a check sees of a window that was made, part by part.

        Args:
            check: of the overview.
            source: what it was made of.
            data: what was made.
            there: its mask.
            window: of the overview.
        """
        from rasterio.windows import Window as Part

        rows, columns = self.sides(window)
        profile = self.profile
        alpha = None if profile.alpha_band is None else data[profile.alpha_band - 1]
        bands = data if alpha is None else data[[band - 1 for band in profile.data_bands]]
        made = validity.of(bands, alpha, profile, there)
        top, left, height, width = places_of(window)
        fast = check.is_fast(source, made, self.above, self.below)
        found = []
        waiting = [(0, height, start, min(width, start + _COLUMNS)) for start in range(0, width, _COLUMNS)]
        while waiting:
            first, last, start, stop = waiting.pop()
            part = Part(left + start, top + first, stop - start, last - first)
            down, across = pixels_above(part, self.above, self.below)
            lines = slice(down.start - rows.start, down.stop - rows.start)
            places = slice(across.start - columns.start, across.stop - columns.start)
            above = source.part(lines, places)
            if not fast and max(last - first, stop - start) > _NARROW and _is_mixed(above.weight()):
                waiting += _narrow(first, last, start, stop, _NARROW)
                continue
            of_part = made.part(slice(first, last), slice(start, stop))
            found.append(check.compare(above, of_part, part, self.above, self.below))
        return found


def edged(pixels: validity.WindowPixels, around: tuple[tuple[int, int], tuple[int, int]]) -> validity.WindowPixels:
    """Return pixels with so many more rows before and behind them, and columns, which are the outermost ones again."""
    if not any(map(any, around)):
        return pixels

    def grown(array: Array | None) -> Any:
        return None if array is None else np.pad(array, (*[(0, 0)] * (array.ndim - 2), *around), mode="edge")

    return validity.WindowPixels(data=grown(pixels.data), alpha=grown(pixels.alpha), valid=grown(pixels.valid))


def _is_mixed(weight: Array | None) -> bool:
    """Return whether some is there and some is missing."""
    return weight is not None and not weight.all() and bool(weight.any())


def _narrow(first: int, last: int, start: int, stop: int, rows: int) -> Iterator[tuple[int, int, int, int]]:
    """Smaller parts of a part: its first and last row, its first and last column."""
    for row, column in product(range(first, last, rows), range(start, stop, _NARROW)):
        yield row, min(last, row + rows), column, min(stop, column + _NARROW)
