"""What the header of a TIFF says: its images, where their blocks are, where the raster lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilery.errors import BrokenRaster

if TYPE_CHECKING:
    from tilery.storage.bytes.protocol import ByteSource

_TABLE_AT_ONCE = 1 << 18
"""Bytes of a table that are read whole; a longer one is read by pages of this size."""

_KEPT_PAGES = 32
"""Pages of a table that are kept: 8 MB, the places of a million blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where a tag's array of numbers lies in the file: the positions or the sizes of an image's blocks."""

    offset: int
    count: int
    dtype: np.dtype[Any]

    @property
    def length(self) -> int:
        """Bytes of all of it."""
        return self.count * self.dtype.itemsize

    @property
    def read_whole(self) -> bool:
        """True when it is short enough to be read at once."""
        return self.length <= _TABLE_AT_ONCE


@dataclass(slots=True, kw_only=True)
class Pages:
    """The parts of a table that were read of late. Readers hold the pages that they use, so they need no lock."""

    table: Table
    pages: dict[int, NDArray[Any]] = field(default_factory=dict)

    @property
    def per_page(self) -> int:
        """Values in a page."""
        return _TABLE_AT_ONCE // self.table.dtype.itemsize

    def known(self, indexes: Sequence[int]) -> dict[int, NDArray[Any]]:
        """Return the pages of some values, those that are kept."""
        cached = ((page, self.pages.get(page)) for page in {index // self.per_page for index in indexes})
        return {page: found for page, found in cached if found is not None}

    def missing(self, indexes: Sequence[int], known: Mapping[int, NDArray[Any]]) -> list[int]:
        """Return the pages of some values, those that have to be read."""
        return sorted({index // self.per_page for index in indexes} - known.keys())

    def range_of(self, page: int) -> tuple[int, int]:
        """Return start and length of a page in the file."""
        start = page * self.per_page
        length = min(self.per_page, self.table.count - start)
        return (self.table.offset + start * self.table.dtype.itemsize, length * self.table.dtype.itemsize)

    def add(self, page: int, data: bytes) -> NDArray[Any]:
        """Keep a page that was read and return its values, one dimension, of the table's type."""
        if len(self.pages) >= _KEPT_PAGES:
            self.pages.clear()
        found = self.pages[page] = np.frombuffer(data, self.table.dtype)
        return found

    def value(self, index: int, pages: Mapping[int, NDArray[Any]]) -> int:
        """Return one value, from pages that hold it."""
        return int(pages[index // self.per_page][index % self.per_page])


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One tiled image of the file: the full raster, an overview, or the mask of one of these."""

    position: int
    """Of its directory in the file; what tells images of one file apart."""
    width: int
    height: int
    tile_width: int
    tile_height: int
    samples: int
    bits: int
    dtype: np.dtype[Any]
    """Of a decoded sample, in the machine's byte order. Samples of fewer than 8 bits become bytes."""
    big_endian: bool
    compression: int
    predictor: int
    planar: bool
    """True when each band has blocks of its own, False when a block holds all bands pixel by pixel."""
    photometric: int
    subfile: int
    extra_samples: tuple[int, ...]
    jpeg_tables: bytes | None
    lerc: tuple[int, ...]
    offsets: Table
    counts: Table
    _positions: Pages = field(repr=False, compare=False)
    _sizes: Pages = field(repr=False, compare=False)

    @property
    def across(self) -> int:
        """Number of blocks side by side."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Number of blocks one below the other."""
        return -(-self.height // self.tile_height)

    @property
    def planes(self) -> int:
        """Number of block sets: one a band where bands are apart, else one."""
        return self.samples if self.planar else 1

    @property
    def block_samples(self) -> int:
        """Number of bands in one block."""
        return 1 if self.planar else self.samples

    @property
    def block_planes(self) -> int:
        """Number of planes in one block."""
        return 1

    def place_of(self, plane: int) -> tuple[int, int]:
        """Return the number of the block set of a plane, which is in it alone."""
        return (plane, 0)

    @property
    def block_bytes(self) -> int:
        """Bytes of one decoded block."""
        return self.tile_width * self.tile_height * self.block_samples * self.dtype.itemsize

    @property
    def packed_bytes(self) -> int:
        """Bytes of one block before its samples are unpacked: rows of small samples end on a whole byte."""
        return self.tile_height * -(-self.tile_width * self.block_samples * self.bits // 8)

    @property
    def working_bytes(self) -> int:
        """Bytes that decoding one block takes beside the block."""
        from tilery.reading.tiff import codecs  # which know images

        return codecs.working_bytes(self)

    def ranges(self, source: ByteSource, indexes: Sequence[int]) -> list[tuple[int, int] | None]:
        """Return start and length in the file of each block asked for; None for a block that is not stored (sparse).

        Raises:
            BrokenRaster: a block lies beyond the end of the file, or is larger than it can be.
        """
        tables = (self._positions, self._sizes)
        known = [table.known(indexes) for table in tables]
        needed = [
            (table, pages, page)
            for table, pages in zip(tables, known, strict=True)
            for page in table.missing(indexes, pages)
        ]
        if needed:
            read = source.read_many([table.range_of(page) for table, _, page in needed])
            for (table, pages, page), data in zip(needed, read, strict=True):
                pages[page] = table.add(page, data)
        places: list[tuple[int, int] | None] = []
        # No codec of ours makes a block much larger than it was: what claims to be is not a block.
        longest = 2 * self.block_bytes + (1 << 16)
        for index in indexes:
            start, length = (table.value(index, pages) for table, pages in zip(tables, known, strict=True))
            if length == 0:
                places.append(None)
                continue
            if start == 0 or start + length > source.size or length > longest:
                raise BrokenRaster(
                    "A block of the raster lies outside of its file.",
                    parameter="url",
                    private=f"block {index} at {start}, {length} bytes, file {source.size}",
                )
            places.append((start, length))
        return places

    def decode(self, data: bytes, buffer: NDArray[Any]) -> None:
        """Fill ``buffer`` with the samples of a block; see `tilery.reading.grid.image.BlockImage.decode`."""
        from tilery.reading.tiff import codecs  # which know images

        codecs.decode(self, data, buffer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The raster at one size, with its mask where the file has one; see `tilery.reading.grid.image.Level`."""

    image: Image
    mask: Image | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoTags:
    """What a GeoTIFF says of where its raster lies (OGC 19-008r4), as it stands in the file."""

    scale: tuple[float, ...]
    """ModelPixelScale: width, height and depth of a pixel."""
    ties: tuple[float, ...]
    """ModelTiepoint: column, row, 0 and x, y, z, point after point."""
    keys: tuple[int, ...]
    """GeoKeyDirectory: groups of four."""
    numbers: tuple[float, ...]
    """Values of keys that are no whole numbers."""
    text: str
    """Values of keys that are texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the file says of itself."""

    levels: tuple[Level, ...]
    """The full raster, then its overviews in the order of the file."""
    nodata: str | None
    """Text of GDAL's nodata tag."""
    big_tiff: bool
    big_endian: bool
    structure: dict[str, str]
    """GDAL's note at the start of a cloud-optimized file: ``LAYOUT``, ``BLOCK_ORDER``… Empty where there is none."""
    directories: tuple[int, ...]
    """Positions of all image directories, in the order of the chain."""
    place: GeoTags | None
    """None where something else than a scale and tie points places the raster, or nothing does, or it makes no sense.
    """
    metadata: str | None
    """GDAL's XML of what it knows of the bands; empty where there is none, None where it is longer than any."""

    @property
    def has_mask(self) -> bool:
        """True when a mask image of the full raster says what is valid."""
        return self.levels[0].mask is not None
