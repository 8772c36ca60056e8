"""Windows of a plain tiled GeoTIFF: of a source, or of a level that `tilery.publishing.tiff.level_writer` wrote.

GDAL's datasets belong to a thread each, and each inflates a block again for every window around it. Here a block is
inflated once for all threads and kept while windows near it are worked on. The reader that tiles are made by,
`tilery.reading.tiff`, takes every layout of a block from any store and keeps it in memory that a service's processes
share; publishing reads a local file, undoes differences and puts bands apart in one step, and wants a block's own bytes
as well, to copy it without compressing it again. Both inflate by the same codecs.
"""

from __future__ import annotations

import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
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
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.directories import Placed

if TYPE_CHECKING:
    from rasterio.windows import Window

KEPT = 32 << 20
"""Bytes of blocks that a reader keeps."""
_NONE, _LZW, _ZSTD = 1, 5, 50000
_DEFLATED = (8, 32946)
_PLAIN = (0, 1, 2, 3)
"""Ways to show samples that are in the file as GDAL hands them out: grey, RGB, palette."""
_LARGEST = 4096
"""Rows and columns of a block at most."""
_WRONG: Any = (isal_zlib.error, RuntimeError, ValueError)
"""What decoders raise."""
_BROKEN = "A part of the raster cannot be read or written."


class _Blocks:
    """Blocks that were made of late, each by the first thread that asked for it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[int, Future[Array]] = OrderedDict()

    def get(self, number: int, make: Callable[[int], Array]) -> Array:
        with self._lock:
            if (found := self._found.get(number)) is not None:
                self._found.move_to_end(number)
                mine = False
            else:
                found = self._found[number] = Future()
                mine = True
                while len(self._found) > self._most:
                    self._found.popitem(last=False)
        if mine:
            try:
                found.set_result(make(number))
            except BaseException as error:  # noqa: BLE001 - whatever it is, all who wait for the block are told
                found.set_exception(error)
        return found.result()


@dataclass(frozen=True, slots=True)
class TiledReader:
    """An open file, and its mask's; `read` and `read_masks` as a dataset of rasterio has them."""

    file: int
    found: Placed
    offsets: Array
    counts: Array
    bands: int
    dtype: np.dtype[Any]
    sides: tuple[int, int]
    """Rows and columns of a block."""
    mask: TiledReader | None
    blocks: _Blocks
    loose: set[int] = field(default_factory=set)
    """Blocks that libdeflate does not take, as they do not end where they should."""
    of_thread: threading.local = field(default_factory=threading.local)

    def read(self, bands: int | Sequence[int] | None = None, window: Window | None = None) -> Array:
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
        if bands is None:
            return made
        if not isinstance(bands, int) and list(bands) == list(range(1, self.bands + 1)):
            return made
        chosen: Array = made[bands - 1 if isinstance(bands, int) else [band - 1 for band in bands]]
        return chosen

    def read_masks(self, _band: int, window: Window | None = None) -> Array:
        """Return the mask, shape (rows, columns).

        Raises:
            BrokenRaster: a block does not inflate.
        """
        if self.mask is None:
            raise BrokenRaster(_BROKEN, private="a mask that is not there")
        return self.mask.read(1, window)

    def packed(self, number: int) -> bytes | None:
        """Return a block as it stands in the file, after it was read; None where not every decoder takes it.

        Args:
            number: of the block, row by row from 0 on.
        """
        return None if number in self.loose else self._packed(number)

    def _packed(self, number: int) -> bytes:
        return os.pread(self.file, int(self.counts[number]), int(self.offsets[number]))

    def _fill(self, made: Array, top: int, left: int) -> None:
        """Fill an array with what lies from a row and a column of the image on."""
        bottom, right = top + made.shape[1], left + made.shape[2]
        high, wide = self.sides
        across = -(-self.found.width // wide)
        rows = range(top // high, -(-bottom // high))
        for row, column in product(rows, range(left // wide, -(-right // wide))):
            first, start = max(top, row * high), max(left, column * wide)
            last, stop = min(bottom, (row + 1) * high), min(right, (column + 1) * wide)
            block = self.blocks.get(row * across + column, self._block)
            part = block[:, first - row * high : last - row * high, start - column * wide : stop - column * wide]
            made[:, first - top : last - top, start - left : stop - left] = part

    def _block(self, number: int) -> Array:
        """Return a block, shape (bands, rows, columns)."""
        packed = self._packed(number)
        raw = self._inflated(number, packed) if len(packed) == self.counts[number] else b""
        needed = self._block_bytes
        if len(raw) != needed:
            raise BrokenRaster(_BROKEN, private=f"a block of {len(raw)} bytes and not {needed}")
        made = np.empty((self.bands, *self.sides), self.dtype)
        tag = self.found.directory.get(directories.PREDICTOR)
        differences = tag is not None and tag.numbers[0] == 2
        block = np.frombuffer(raw, self.dtype).reshape(*self.sides, self.bands)
        kernels.unfold(block, 0, 0, made, differences=differences)
        return made

    @property
    def _block_bytes(self) -> int:
        return self.sides[0] * self.sides[1] * self.bands * self.dtype.itemsize

    def _inflated(self, number: int, packed: bytes) -> Any:
        """Return the bytes of a block, not more than it can have; they hold until the thread inflates another."""
        from tilery.reading.tiff import codecs  # imagecodecs is large, and not needed before

        compression = self.found.directory[directories.COMPRESSION].numbers[0]
        try:
            return codecs.inflate(compression, packed, self._scratch())
        except _WRONG as error:
            if compression not in _DEFLATED:
                raise BrokenRaster(_BROKEN, private=str(error)) from error
        self.loose.add(number)
        try:  # libtiff does not mind what comes after the last row
            return isal_zlib.decompressobj().decompress(packed, self._block_bytes)
        except _WRONG as error:
            raise BrokenRaster(_BROKEN, private=str(error)) from error

    def _scratch(self) -> Array:
        found: Array | None = getattr(self.of_thread, "bytes", None)
        if found is None:
            found = self.of_thread.bytes = np.empty(self._block_bytes, "uint8")
        return found


@contextmanager
def reading_tiles(
    path: Path, dtype: np.dtype[Any], bands: int, mask: Path | None = None
) -> Iterator[TiledReader | None]:
    """An open file; None where it is not plain, or of a type that only GDAL reads.

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
    path: Path, dtype: np.dtype[Any], bands: int, mask: TiledReader | None, stack: ExitStack
) -> TiledReader | None:
    if dtype.kind not in "iu" or dtype.itemsize > 2 or not path.is_file():
        return None
    file = stack.enter_context(path.open("rb"))
    try:
        found = directories.first(file)
        if not _is_plain(found, dtype, bands):
            return None
        offsets, counts = found.blocks()
        high, wide = (found.directory[tag].numbers[0] for tag in (directories.TILE_HEIGHT, directories.TILE_WIDTH))
        number = -(-found.width // wide) * -(-found.height // high)
    except (BrokenRaster, LookupError, struct.error):  # not of our own making: GDAL may make something of it
        return None
    size = high * wide * bands * dtype.itemsize
    if not number == len(offsets) == len(counts) or not (offsets > 0).all() or not (counts > 0).all():
        return None
    if (counts > 2 * size + (1 << 16)).any():  # no codec makes that much more of it
        return None
    blocks = _Blocks(max(4, KEPT // size))
    return TiledReader(file.fileno(), found, offsets, counts, bands, dtype, (high, wide), mask, blocks)


def _is_plain(found: Placed, dtype: np.dtype[Any], bands: int) -> bool:
    """Return whether blocks hold samples as they are, or as differences, in a way that is undone here."""
    said = found.directory

    def numbers(tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        return said[tag].numbers if tag in said else default

    sides = [numbers(tag, ()) for tag in (directories.TILE_WIDTH, directories.TILE_HEIGHT)]
    compression, predictor = numbers(directories.COMPRESSION, (1,)), numbers(directories.PREDICTOR, (1,))
    return (
        all(len(side) == 1 and 0 < side[0] <= _LARGEST for side in sides)
        and compression in [(one,) for one in (_NONE, _LZW, _ZSTD, *_DEFLATED)]
        and (predictor == (1,) or (predictor == (2,) and compression != (_NONE,)))
        and numbers(directories.PLANAR, (1,)) == (1,)
        and numbers(directories.SAMPLES, (1,)) == (bands,)
        and numbers(directories.BITS, (1,)) == (8 * dtype.itemsize,) * bands
        and numbers(directories.PHOTOMETRIC, (1,))[:1] in [(one,) for one in _PLAIN]
        and numbers(directories.FILL_ORDER, (1,)) == (1,)
        and not numbers(directories.SUBFILE, (0,))[0] & 5
    )
