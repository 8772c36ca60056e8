"""A GeoTIFF of one image, block by block: a raster or one of its overviews, on the way to the file to publish.

GDAL writes the header, of a file without blocks; these are encoded by whichever thread made the pixels, and put behind
it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tilery.geo.raster import Array
from tilery.publishing import rasters
from tilery.publishing.rasters import BLOCK
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.blocks import WORKING, Encoding, check_sum, encode, is_orderly, need_same
from tilery.publishing.tiff.directories import Placed

if TYPE_CHECKING:
    from rasterio.io import DatasetWriter
    from rasterio.windows import Window

Blocks = Sequence[tuple[int, bytes, int]]
"""Numbers of blocks, row by row, their bytes, and the check sum of these."""
_INFLATED = 16
"""Blocks of which one is inflated again at once, whatever is asked of the file later."""
Taken = Callable[[int], bytes | None]
"""Returns a block that is compressed already, by its number."""


@dataclass(slots=True)
class LevelWriter:
    """The file while blocks are put into it."""

    file: BinaryIO
    found: Placed
    encoding: Encoding
    across: int
    """Blocks side by side."""
    offsets: Array
    counts: Array
    sums: Array
    """Check sum of each block as it was compressed, whatever happens to it afterwards."""
    filler: Array
    """A pixel of a block that nothing was put into, shape (bands,)."""

    def encoded(self, data: Array, window: Window, taken: Taken | None = None) -> Blocks:
        """Return the blocks of a window, for any thread to make.

        Args:
            data: shape (bands, rows, columns).
            window: where; it begins where a block does, and ends there or at the raster's edge.
            taken: returns a block by its number, where the source has it as it would be made here.
        """
        first, start = int(window.row_off) // BLOCK, int(window.col_off) // BLOCK
        found = []
        for top in range(0, data.shape[1], BLOCK):
            for left in range(0, data.shape[2], BLOCK):
                number = (first + top // BLOCK) * self.across + start + left // BLOCK
                block = taken(number) if taken is not None else None
                if block is None or is_orderly(block, self._block_bytes):
                    part = data[:, top : top + BLOCK, left : left + BLOCK]
                    made = encode(part, self.encoding)
                    if number % _INFLATED == 0:
                        need_same(made, part, self.encoding)
                    block = made if block is None else min(block, made, key=len)
                found.append((number, block, check_sum(block)))
        return found

    @property
    def _block_bytes(self) -> int:
        return BLOCK * BLOCK * self.filler.nbytes

    def write(self, blocks: Blocks) -> None:
        """Put blocks into the file."""
        for number, data, checked in blocks:
            self.offsets[number], self.counts[number] = self.file.tell(), len(data)
            self.sums[number] = checked
            self.file.write(data)

    def finish(self) -> None:
        """Fill in what is missing, and write where everything is."""
        empty = np.flatnonzero(self.counts == 0)
        if empty.size:
            block = encode(self.filler[:, None, None], self.encoding)
            self.write([(int(number), block, check_sum(block)) for number in empty])
        kind = self.found.form.position
        for tag, values in ((directories.OFFSETS, self.offsets), (directories.COUNTS, self.counts)):
            self._patch(tag, kind, values.astype("<u8" if self.found.form.big else "<u4").tobytes())

    def sum(self) -> int:
        """Return the check sum of all blocks, in their order."""
        return check_sum(self.sums.tobytes())

    def _patch(self, tag: int, kind: int, value: bytes) -> None:
        """Give a tag other values, behind all that the file has."""
        count, inline = ("<HQ", 8) if self.found.form.big else ("<HI", 4)
        if len(value) > inline:
            self.file.seek(0, 2)
            self.file.write(bytes(-self.file.tell() % 8))
            place = self.file.tell()
            self.file.write(value)
            value = struct.pack("<Q" if self.found.form.big else "<I", place)
        self.file.seek(self.found.places[tag] + 2)
        self.file.write(struct.pack(count, kind, len(self.offsets)) + value.ljust(inline, b"\0"))


@contextmanager
def writing_level(
    path: Path,
    encoding: Encoding,
    describe: Callable[[DatasetWriter], None] | None = None,
    **profile: Any,
) -> Iterator[LevelWriter]:
    """A new file of one image; it is whole when the block of the ``with`` statement has ended.

    Args:
        path: where.
        encoding: of its blocks.
        describe: gives GDAL's dataset what its header is to say beside the profile.
        **profile: as rasterio wants it.
    """
    with rasters.writing(path, SPARSE_OK=True, **profile, **encoding.options()) as dataset:
        if describe is not None:
            describe(dataset)
    with path.open("r+b") as file:
        found = directories.first(file)
        across = -(-found.width // BLOCK)
        number = across * -(-found.height // BLOCK)
        nodata = profile.get("nodata")
        filler = np.full(profile["count"], 0 if nodata is None else nodata).astype(profile["dtype"])
        file.seek(0, 2)
        offsets, counts, sums = (np.zeros(number, dtype) for dtype in ("int64", "int64", "<u4"))
        made = LevelWriter(file, found, encoding, across, offsets, counts, sums, filler)
        yield made
        made.finish()


def writing_mask(path: Path, **profile: Any) -> AbstractContextManager[LevelWriter]:
    """Return a new file of a mask: 0 where all bands are missing, else 255.

    Args:
        path: where.
        **profile: size and place.
    """

    def describe(dataset: DatasetWriter) -> None:
        dataset.update_tags(INTERNAL_MASK_FLAGS_1="2")  # GDAL's word for a mask of all bands, beside a raster too

    return writing_level(path, WORKING, describe, count=1, dtype="uint8", **profile)
