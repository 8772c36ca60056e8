"""Image directories of TIFFs of our own making, as they stand in the file, and new ones made of them.

What GDAL writes into the header of a GeoTIFF (place, metadata, palette, what the bands mean) is taken over byte by
byte, so that nothing of it needs to be understood here. Layout: TIFF 6.0, and BigTIFF
(https://www.awaresystems.be/imaging/tiff/bigtiff.html).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from tilery.errors import BrokenRaster
from tilery.geo.raster import Array

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR = 254, 256, 257, 258, 259, 262, 277, 284
PREDICTOR, COLORMAP, TILE_WIDTH, TILE_HEIGHT, OFFSETS, COUNTS = 317, 320, 322, 323, 324, 325
EXTRA, FORMAT, NODATA, FILL_ORDER = 338, 339, 42113, 266
SHORT, LONG, LONG8 = 3, 4, 16

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What a directory says of one thing."""

    kind: int
    """Type code."""
    count: int
    value: bytes

    @classmethod
    def of(cls, kind: int, *values: int) -> Tag:
        """Return a tag of whole numbers."""
        return cls(kind=kind, count=len(values), value=struct.pack(f"<{len(values)}{_WHOLE[kind]}", *values))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its values, where they are whole numbers."""
        return struct.unpack(f"<{self.count}{_WHOLE[self.kind]}", self.value)


Directory = Mapping[int, Tag]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Widths of what a TIFF is made of."""

    big: bool

    @property
    def head(self) -> int:
        """Bytes before anything else."""
        return 16 if self.big else 8

    def header(self, first: int) -> bytes:
        """Return the first bytes of a file whose first directory is at that position."""
        return struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if self.big else struct.pack("<2sHI", b"II", 42, first)

    @property
    def position(self) -> int:
        """Type code of positions in the file."""
        return LONG8 if self.big else LONG

    def entries_length(self, count: int) -> int:
        """Return bytes of a directory without the values that lie behind it."""
        return 8 + 20 * count + 8 if self.big else 2 + 12 * count + 4

    def length(self, directory: Directory) -> int:
        """Return bytes of a directory with its values, a whole number of 16."""
        inline = 8 if self.big else 4
        found = self.entries_length(len(directory))
        for tag in directory.values():
            if len(tag.value) > inline:
                found = -(-found // 8) * 8 + len(tag.value)
        return -(-found // 16) * 16

    def packed(self, directory: Directory, start: int, following: int) -> bytes:
        """Return a directory with its values.

        Args:
            directory: its tags.
            start: where it is to stand.
            following: where the next one stands; 0 for none.
        """
        count, entry, link = ("<Q", "<HHQ8s", "<Q") if self.big else ("<H", "<HHI4s", "<I")
        inline = 8 if self.big else 4
        head = bytearray(struct.pack(count, len(directory)))
        values = bytearray()
        begin = self.entries_length(len(directory))
        for number, tag in sorted(directory.items()):
            value = tag.value
            if len(value) > inline:
                values += bytes(-(begin + len(values)) % 8)
                value, behind = struct.pack(link, start + begin + len(values)), value
                values += behind
            head += struct.pack(entry, number, tag.kind, tag.count, value.ljust(inline, b"\0"))
        head += struct.pack(link, following)
        return bytes(head + values).ljust(self.length(directory), b"\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A directory, and where it stands."""

    form: Form
    directory: Directory
    places: Mapping[int, int]
    """Position of the entry of each tag."""

    @property
    def width(self) -> int:
        """Columns of the image."""
        return self.directory[WIDTH].numbers[0]

    @property
    def height(self) -> int:
        """Rows."""
        return self.directory[HEIGHT].numbers[0]

    def blocks(self) -> tuple[Array, Array]:
        """Return positions in the file and lengths in bytes of all blocks, row by row."""
        offsets, counts = (np.array(self.directory[tag].numbers, "int64") for tag in (OFFSETS, COUNTS))
        return offsets, counts


def first(file: BinaryIO) -> Placed:
    """Return the first directory of a TIFF in little-endian order.

    Raises:
        BrokenRaster: this is none.
    """
    return next(chain(file))


def chain(file: BinaryIO) -> Iterator[Placed]:
    """Yield all directories of a TIFF in little-endian order.

    Raises:
        BrokenRaster: this is none.
    """
    file.seek(0)
    head = file.read(16)
    if len(head) < 16 or head[:4] not in (b"II\x2a\0", b"II\x2b\0"):
        raise BrokenRaster("A file that was written is no TIFF.")
    form = Form(big=head[2] == 43)
    (position,) = struct.unpack("<Q" if form.big else "<I", head[8:16] if form.big else head[4:8])
    while position:
        found, position = at(file, form, position)
        yield found


def at(file: BinaryIO, form: Form, position: int) -> tuple[Placed, int]:
    """Return the directory at a position, and where the next one is (0: it is the last)."""
    counter, entry, link, inline = ("<Q", "<HHQ8s", "<Q", 8) if form.big else ("<H", "<HHI4s", "<I", 4)
    (count,) = struct.unpack(counter, _read(file, position, struct.calcsize(counter)))
    start = position + struct.calcsize(counter)
    size = struct.calcsize(entry)
    packed = _read(file, start, count * size + struct.calcsize(link))
    tags, places = {}, {}
    for index in range(count):
        number, kind, length, value = struct.unpack_from(entry, packed, index * size)
        needed = length * _SIZES[kind]
        if needed > inline:
            value = _read(file, struct.unpack(link, value)[0], needed)
        tags[number] = Tag(kind=kind, count=length, value=value[:needed])
        places[number] = start + index * size
    (following,) = struct.unpack_from(link, packed, count * size)
    return Placed(form=form, directory=tags, places=places), following


def _read(file: BinaryIO, position: int, length: int) -> bytes:
    if position + length > os.fstat(file.fileno()).st_size:  # whatever a source claims, no more is asked for
        raise BrokenRaster("A file that was written is cut short.")
    file.seek(position)
    return file.read(length)
