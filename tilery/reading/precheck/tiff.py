"""The directories of a TIFF of any kind: how many, how large, and what their blocks decode to.

Layout: TIFF 6.0 and BigTIFF, as in `tilery.reading.tiff.header`, which reads one narrow kind of TIFF exactly. Here
every kind is walked, as far as libtiff would follow it, and nothing is made of it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tilery.errors import UnsupportedRaster
from tilery.reading.precheck.deflate import Blocks, BlockTable, NumberTable
from tilery.reading.precheck.minimum_memory import MinimumMemory, beyond, bytes_at
from tilery.storage.bytes.file_object import SourceFile

MAX_DIRECTORIES = 1024
MAX_TAGS = 1024
"""Of one directory."""
MAX_TAGS_IN_ALL = 32768
MAX_KINDS_OF_TAGS = 512
"""Of the whole file: libtiff sorts those that it does not know anew for each one more."""
MAX_BANDS = 4096
MAX_VALUES = 32 << 20
"""Bytes of all values of all tags, which libtiff reads when it comes to their directory. The tables of blocks, which it
reads when it needs them, are left out."""
MAX_METADATA = 4 << 20
"""Bytes of GDAL's XML in the whole file."""
MAX_ITEMS = 10_000
"""Items of that XML: GDAL takes half a second for so many of one band, and the square of it for more."""
_OTHER_BRACKETS = 64
"""Beside the two of each item: of the XML's root, declaration and comments, for each directory that has some."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by type. Tags of other types are not read by anybody."""
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION = 254, 256, 257, 258, 259
_STRIP_OFFSETS, _SAMPLES, _ROWS, _STRIP_COUNTS, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _SUB_DIRECTORIES, _METADATA = 322, 323, 324, 325, 330, 42112
_TABLES = frozenset({_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS})
_FACTS = frozenset(
    {_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT}
)

_HELD = {
    6: 3,  # JPEG of old
    7: 2,  # JPEG: all coefficients where it is progressive
    34712: 5,  # JPEG 2000
    34887: 3,  # LERC: the block inflated, and decoded
    50001: 2,  # WebP
    50002: 5,  # JPEG XL
    52546: 5,  # JPEG XL of DNG
}
"""Codecs that decode a whole block for any row of it, and how often they hold it meanwhile, in times of its bytes."""
_JPEG = 7
_DEFLATE = (8, 32946)
_LIMITED = 100 << 20
"""Bytes that libtiff lets libjpeg have for the coefficients of a block: it refuses a block that needs more."""


@dataclass(slots=True, kw_only=True)
class _Walk:
    """What was met so far."""

    tags: int = 0
    values: int = 0
    metadata: int = 0
    brackets: int = 0
    seen: set[int] = field(default_factory=set)
    kinds: set[int] = field(default_factory=set)
    coming: deque[int]
    """Positions of directories that others named."""
    images: list[tuple[int, int]] = field(default_factory=list)
    """Width of each image and bytes that it takes."""
    deflated: list[BlockTable] = field(default_factory=list)

    def take_note(self, tag: _Tag, size: int) -> None:
        """Count the bytes of a tag of a file of this size."""
        self.kinds.add(tag.number)
        if not tag.inline and tag.number not in _TABLES:
            self.values += max(0, min(tag.length, size - tag.place))
        if self.values > MAX_VALUES:
            raise beyond("too many bytes of tags", MAX_VALUES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    """One tag of a directory."""

    number: int
    kind: int
    """Type of its values."""
    values: int
    length: int
    """Bytes of them all."""
    place: int
    inline: bool
    """Whether they stand in the directory itself."""


class _File:
    """The numbers of a TIFF."""

    def __init__(self, file: SourceFile, size: int) -> None:
        head = bytes_at(file, 0, 16).ljust(16, b"\0")  # a file that is being written may end here
        self.file = file
        self.size = size
        self.order = "<" if head[:2] == b"II" else ">"
        self.big = struct.unpack(self.order + "H", head[2:4])[0] == 43
        self.link = self.order + ("Q" if self.big else "I")
        self.entry = self.order + ("HHQ8s" if self.big else "HHI4s")
        self.count = self.order + ("Q" if self.big else "H")
        self.first = self.unpack(self.link, 8 if self.big else 4) or 0

    def unpack(self, form: str, start: int) -> int | None:
        """Return one number, None where the file ends."""
        found = bytes_at(self.file, start, struct.calcsize(form))
        return int(struct.unpack(form, found)[0]) if len(found) == struct.calcsize(form) else None


def check(file: SourceFile) -> MinimumMemory | None:
    """Return what reading a TIFF takes at the least, None where it holds no image.

    Raises:
        UnsupportedRaster: the header is beyond one of the limits above.
    """
    file.seek(0, 2)
    numbers = _File(file, file.tell())
    walk = _Walk(coming=deque([numbers.first]))
    while walk.coming:
        position = walk.coming.popleft()
        if position in walk.seen or not 0 < position < numbers.size:
            continue  # in a circle or nowhere: libtiff goes no further either
        if len(walk.seen) >= MAX_DIRECTORIES:
            raise beyond("too many images", MAX_DIRECTORIES)
        walk.seen.add(position)
        _directory(numbers, position, walk)
    if not walk.images:
        return None
    width, full = walk.images[0]
    same = [most for other, most in walk.images[1:] if other == width]  # its mask
    smaller = [(width / other, most) for other, most in walk.images[1:] if 0 < other < width]
    deflated = Blocks(walk.deflated) if walk.deflated else None
    return MinimumMemory(full=max([full, *same]), overviews=tuple(smaller), deflated=deflated)


def _directory(numbers: _File, position: int, walk: _Walk) -> None:
    """Take note of a directory and of those that it names."""
    count = numbers.unpack(numbers.count, position) or 0
    walk.tags += count
    if count > MAX_TAGS:
        raise beyond("too many tags in a directory", MAX_TAGS)
    if walk.tags > MAX_TAGS_IN_ALL:
        raise beyond("too many tags", MAX_TAGS_IN_ALL)
    start = position + struct.calcsize(numbers.count)
    facts: dict[int, int] = {}
    tables: dict[int, NumberTable] = {}
    for tag in _tags(numbers, start, count):
        walk.take_note(tag, numbers.size)
        if tag.number in _FACTS and tag.number not in facts:
            facts[tag.number] = _largest(numbers, tag)
        elif tag.number in _TABLES and tag.kind in _NUMBERS:
            tables[tag.number] = NumberTable(
                start=tag.place, count=tag.values, dtype=np.dtype(f"{numbers.order}u{_SIZES[tag.kind]}")
            )
        elif tag.number == _METADATA:
            _metadata(numbers, tag, walk)
        elif tag.number == _SUB_DIRECTORIES:
            walk.coming.extend(_values(numbers, tag, MAX_DIRECTORIES + 1))
    if len(walk.kinds) > MAX_KINDS_OF_TAGS:
        raise beyond("too many kinds of tags", MAX_KINDS_OF_TAGS)
    _image(facts, tables, walk)
    walk.coming.append(numbers.unpack(numbers.link, start + count * struct.calcsize(numbers.entry)) or 0)


def _tags(numbers: _File, start: int, count: int) -> Iterator[_Tag]:
    """Yield the tags of a directory, those with a type that libtiff knows."""
    size = struct.calcsize(numbers.entry)
    block = bytes_at(numbers.file, start, count * size)
    for index in range(len(block) // size):
        number, kind, values, inline = struct.unpack_from(numbers.entry, block, index * size)
        if kind not in _SIZES:
            continue
        length = values * _SIZES[kind]
        place = start + (index + 1) * size - len(inline)
        if length > len(inline):
            (place,) = struct.unpack(numbers.link, inline)
        yield _Tag(number=number, kind=kind, values=values, length=length, place=place, inline=length <= len(inline))


def _values(numbers: _File, tag: _Tag, most: int) -> tuple[int, ...]:
    """Return the first values of a tag of whole numbers."""
    if tag.kind not in _NUMBERS:
        return ()
    size = _SIZES[tag.kind]
    found = bytes_at(numbers.file, tag.place, min(tag.values, most) * size)
    return struct.unpack(f"{numbers.order}{len(found) // size}{_NUMBERS[tag.kind]}", found[: len(found) // size * size])


def _largest(numbers: _File, tag: _Tag) -> int:
    """Return the value of a tag; of one that has a value for each band, the largest."""
    return max(_values(numbers, tag, MAX_BANDS if tag.number == _BITS else 1), default=0)


def _metadata(numbers: _File, tag: _Tag, walk: _Walk) -> None:
    walk.metadata += tag.length
    if walk.metadata > MAX_METADATA:
        raise beyond("too many bytes of metadata", MAX_METADATA)
    walk.brackets += bytes_at(numbers.file, tag.place, tag.length).count(b"<")
    if walk.brackets > 2 * MAX_ITEMS + _OTHER_BRACKETS:
        raise beyond("too many items of metadata", MAX_ITEMS)


def _image(facts: dict[int, int], tables: dict[int, NumberTable], walk: _Walk) -> None:
    """Take note of what the blocks of an image decode to."""
    width, height, samples = facts.get(_WIDTH, 0), facts.get(_HEIGHT, 0), facts.get(_SAMPLES, 1)
    if samples > MAX_BANDS:
        raise UnsupportedRaster(f"A raster has 1 to {MAX_BANDS} bands.", parameter="url", limit=MAX_BANDS)
    codec = facts.get(_COMPRESSION, 1)
    each = -(-facts.get(_BITS, 1) // 8) * (1 if facts.get(_PLANAR, 1) == 2 else samples)
    if _TILE_WIDTH in facts:
        pixels = facts[_TILE_WIDTH] * facts.get(_TILE_HEIGHT, 0)
    elif codec in _HELD:
        pixels = width * min(height, facts.get(_ROWS, height) or height)
    else:
        pixels = 0  # strips: GDAL reads them whole or row by row, and says which
    held = pixels * each * _HELD.get(codec, 1)
    if codec == _JPEG:
        held = min(held, _LIMITED) + (pixels * each if _TILE_WIDTH in facts else 0)
    walk.images.append((width, held))
    offsets = tables.get(_TILE_OFFSETS) or tables.get(_STRIP_OFFSETS)
    counts = tables.get(_TILE_COUNTS) or tables.get(_STRIP_COUNTS)
    if codec in _DEFLATE and offsets and counts:
        decoded = (pixels or width * min(height, facts.get(_ROWS, height) or height)) * each
        walk.deflated.append(BlockTable(offsets=offsets, counts=counts, block_bytes=decoded))
