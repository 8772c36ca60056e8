"""Windows of a GeoTIFF of one image that `tilery.publishing.tiff.level_writer` wrote, a part of whose blocks is enough.

GDAL inflates a block whole, and each of its datasets all those around a window again. Here a block is inflated as far
as rows of it are wanted, its last rows are kept for the window below, and any thread may read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from isal import isal_zlib

from tilery import kernels
from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.publishing.rasters import BLOCK
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.directories import Placed

if TYPE_CHECKING:
    from rasterio.windows import Window

_DEFLATE, _ZSTD = 8, 50000
_LAST = 8
"""Rows of a block that are kept: what a kernel reaches above a window."""
_KEPT = 256
"""Blocks of which they are kept."""
_WRONG: Any = (isal_zlib.error, RuntimeError, ValueError)
"""What decoders raise."""
_BROKEN = "A part of the raster cannot be read or written."


@dataclass(frozen=True, slots=True)
class LevelReader:
    """An open file, and its mask's; `read` and `read_masks` as a dataset of rasterio has them."""

    file: int
    found: Placed
    offsets: Array
    counts: Array
    bands: int
    dtype: np.dtype[Any]
    mask: LevelReader | None
    last_rows: dict[int, Array] = field(default_factory=dict)
    """Of blocks that were inflated whole, by their numbers; the oldest go first."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, bands: int | None = None, window: Window | None = None) -> Array:
        """Return pixels, shape (bands, rows, columns); of one band (rows, columns). Beyond the image its outermost ones
        again.

        Raises:
            BrokenRaster: a block does not inflate.
        """
        top, left, bottom, right = 0, 0, self.found.height, self.found.width
        if window is not None:
            top, left = int(window.row_off), int(window.col_off)
            bottom, right = top + int(window.height), left + int(window.width)
        made = np.empty((self.bands, bottom - top, right - left), self.dtype)
        first, last = max(0, top), min(bottom, self.found.height)
        start, stop = max(0, left), min(right, self.found.width)
        self._fill(made[:, first - top : last - top, start - left : stop - left], first, start)
        made[:, : first - top, start - left : stop - left] = made[:, first - top, None, start - left : stop - left]
        made[:, last - top :, start - left : stop - left] = made[:, last - top - 1, None, start - left : stop - left]
        made[:, :, : start - left] = made[:, :, start - left, None]
        made[:, :, stop - left :] = made[:, :, stop - left - 1, None]
        return made if bands is None else made[bands - 1]

    def _fill(self, made: Array, top: int, left: int) -> None:
        """Fill an array with what lies from a row and a column of the image on."""
        bottom, right = top + made.shape[1], left + made.shape[2]
        across = -(-self.found.width // BLOCK)
        # the lowest first: another thread waits for its last rows
        rows = range(-(-bottom // BLOCK) - 1, top // BLOCK - 1, -1)
        for row, column in product(rows, range(left // BLOCK, -(-right // BLOCK))):
            first, start = max(top, row * BLOCK), max(left, column * BLOCK)
            last, stop = min(bottom, (row + 1) * BLOCK), min(right, (column + 1) * BLOCK)
            # at the image's end whole blocks, or the check sums of these would never be looked at
            needed = BLOCK if last == self.found.height else last - row * BLOCK
            block, skipped = self._rows_of(row * across + column, first - row * BLOCK, needed)
            part = made[:, first - top : last - top, start - left : stop - left]
            place = first - row * BLOCK - skipped, start - column * BLOCK
            kernels.unfold(block, *place, part, differences=self._differences)

    def read_masks(self, _band: int, window: Window | None = None) -> Array:
        """Return the mask, shape (rows, columns).

        Raises:
            BrokenRaster: a block does not inflate.
        """
        if self.mask is None:
            raise BrokenRaster(_BROKEN, private="a mask that is not there")
        return self.mask.read(1, window)

    @property
    def _differences(self) -> bool:
        tag = self.found.directory.get(directories.PREDICTOR)
        return tag is not None and tag.numbers[0] == 2

    def _rows_of(self, number: int, first: int, last: int) -> tuple[Array, int]:
        """Return rows of a block, at least those that are wanted, and how many before them are left out."""
        if first >= BLOCK - _LAST and (kept := self.last_rows.get(number)) is not None:
            return kept, BLOCK - _LAST
        block = self._inflated(number, last)
        if len(block) == BLOCK and first < BLOCK - _LAST:
            with self.lock:
                self.last_rows[number] = block[-_LAST:].copy()
                if len(self.last_rows) > _KEPT:
                    del self.last_rows[next(iter(self.last_rows))]
        return block, 0

    def _inflated(self, number: int, rows: int) -> Array:
        """Return the first rows of a block, at least those that are wanted, shape (rows, columns, bands)."""
        length = int(self.counts[number])
        packed = os.pread(self.file, length, int(self.offsets[number]))
        line = BLOCK * self.bands * self.dtype.itemsize
        try:
            if self.found.directory[directories.COMPRESSION].numbers[0] == _ZSTD:
                import imagecodecs  # large, and not needed before

                raw = imagecodecs.zstd_decode(packed)
            elif rows < BLOCK:
                raw = isal_zlib.decompressobj().decompress(packed, rows * line)
            else:
                raw = isal_zlib.decompress(packed)
        except _WRONG as error:
            raise BrokenRaster(_BROKEN, private=str(error)) from error
        if len(packed) != length or len(raw) < rows * line or len(raw) % line:
            raise BrokenRaster(_BROKEN, private="a block that is cut short")
        return np.frombuffer(raw, self.dtype).reshape(-1, BLOCK, self.bands)


@contextmanager
def reading_level(
    path: Path, dtype: np.dtype[Any], bands: int, mask: Path | None = None
) -> Iterator[LevelReader | None]:
    """An open file; None where it is none of those that `tilery.publishing.tiff.level_writer` writes, or of a type that
    only GDAL reads.

    Args:
        path: the file.
        dtype: of its samples.
        bands: how many it has.
        mask: the file of its mask. None: it has none.
    """
    with ExitStack() as stack:
        beside = None if mask is None else _opened(mask, np.dtype("uint8"), 1, None, stack)
        found = _opened(path, dtype, bands, beside, stack)
        yield None if mask is not None and beside is None else found


def _opened(
    path: Path, dtype: np.dtype[Any], bands: int, mask: LevelReader | None, stack: ExitStack
) -> LevelReader | None:
    if dtype.kind not in "iu" or dtype.itemsize > 2 or not path.exists():
        return None
    file = stack.enter_context(path.open("rb"))
    try:
        found = directories.first(file)
    except BrokenRaster:
        return None
    said = found.directory

    def numbers(tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        return said[tag].numbers if tag in said else default

    alike = (
        numbers(directories.TILE_WIDTH, ()) == numbers(directories.TILE_HEIGHT, ()) == (BLOCK,)
        and numbers(directories.COMPRESSION, ()) in ((_DEFLATE,), (_ZSTD,))
        and numbers(directories.PREDICTOR, (1,)) in ((1,), (2,))
        and numbers(directories.PLANAR, (1,)) == (1,)
        and numbers(directories.SAMPLES, (1,)) == (bands,)
        and numbers(directories.BITS, (1,)) == (8 * dtype.itemsize,) * bands
    )
    if not alike:
        return None
    offsets, counts = found.blocks()
    number = -(-found.width // BLOCK) * -(-found.height // BLOCK)
    if len(offsets) != number or len(counts) != number or not (offsets > 0).all() or not (counts > 0).all():
        return None
    return LevelReader(file.fileno(), found, offsets, counts, bands, dtype, mask)
