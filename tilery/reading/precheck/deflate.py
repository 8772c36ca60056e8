"""Deflated blocks of a TIFF, whose checksum libtiff does not look at.

libtiff stops as soon as a block has given as many bytes as it should, before the checksum at its end: of a block in
which a byte was changed, three in four are found damaged and the others are wrong pixels. So each block is looked at
once, when GDAL comes to read it.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import BrokenRaster

_MOST_OF_A_TABLE = 1 << 20
"""Bytes of a table of blocks that is read for this, 131,072 blocks: a file with more is one for our own reader."""
_LARGEST = 64 << 20
"""Bytes of a block that is read for this."""
_AT_ONCE = 1 << 20
"""Bytes that are inflated at a time; smaller blocks whole, which is three times as fast."""

Read = Callable[[int, int], bytes]
"""Gives bytes of the file: start and length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberTable:
    """Where an array of numbers lies in the file."""

    start: int
    count: int
    dtype: np.dtype[Any]

    @property
    def length(self) -> int:
        """Bytes of them all."""
        return self.count * self.dtype.itemsize

    def read(self, read: Read) -> NDArray[np.int64]:
        """Return the numbers, one dimension; fewer where the file ends."""
        data = read(self.start, self.length)
        whole = len(data) // self.dtype.itemsize * self.dtype.itemsize
        return np.frombuffer(data[:whole], self.dtype).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTable:
    """The blocks of one image."""

    offsets: NumberTable
    counts: NumberTable
    block_bytes: int
    """Of a decoded block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The blocks of a file, by their places."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    decoded: NDArray[np.int64]
    whole: NDArray[np.bool_]
    """Which were looked at."""


class Blocks:
    """The blocks of a file, and which of them were looked at. Safe under threads."""

    def __init__(self, tables: Sequence[BlockTable]) -> None:
        """Read nothing yet: most of what is asked of a raster needs no pixels."""
        self._tables = tables
        self._lock = threading.Lock()
        self._found: _Found | None = None

    def check(self, start: int, read: Read) -> None:
        """Look at the block that starts at this place of the file, if one does and nobody has looked at it.

        Raises:
            BrokenRaster: its checksum says that it is damaged.
        """
        if self._found is None:
            with self._lock:
                self._found = self._found or self._find(read)
        found = self._found
        index = int(np.searchsorted(found.starts, start))
        if index == found.starts.size or found.starts[index] != start or found.whole[index]:
            return
        length = int(found.lengths[index])
        if 0 < length <= _LARGEST and not _is_whole(read(start, length), int(found.decoded[index])):
            raise BrokenRaster(
                "A block of the raster is damaged.", parameter="url", private=f"checksum of the block at {start}"
            )
        found.whole[index] = True

    def _find(self, read: Read) -> _Found:
        """Return all blocks, by their places."""
        parts = [np.zeros((3, 0), np.int64)]
        for table in self._tables:
            if max(table.offsets.length, table.counts.length) <= _MOST_OF_A_TABLE:
                places, lengths = table.offsets.read(read), table.counts.read(read)
                number = min(places.size, lengths.size)
                parts.append(np.stack([places[:number], lengths[:number], np.full(number, table.block_bytes)]))
        blocks = np.concatenate(parts, axis=1)
        starts, lengths, decoded = blocks[:, np.argsort(blocks[0], kind="stable")]
        return _Found(starts=starts, lengths=lengths, decoded=decoded, whole=np.zeros(starts.size, bool))


def _is_whole(data: bytes, decoded: int) -> bool:
    """Return False when a zlib stream has no end, or a checksum there that is not that of what it holds."""
    if decoded <= _AT_ONCE:
        import imagecodecs  # which is large, and what is only looked at has no pixels read

        with suppress(RuntimeError, ValueError, MemoryError):  # as in `tilery.reading.tiff.codecs`
            imagecodecs.deflate_decode(data, out=np.empty(decoded, np.uint8).data)
            return True
    stream = zlib.decompressobj()
    done = 0
    try:
        while not stream.eof:
            part = stream.decompress(data, _AT_ONCE)
            data = stream.unconsumed_tail
            done += len(part)
            # Some writers fill up the last strip, so there may be more than should be, but not without end.
            if (not part and not data and not stream.eof) or done > 2 * decoded + _AT_ONCE:
                return False
    except zlib.error:
        return False
    return True
