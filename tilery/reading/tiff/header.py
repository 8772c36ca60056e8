"""The header of a TIFF: where its pixels are and how they are packed, read straight from the bytes.

Layout: TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf), BigTIFF
(https://www.awaresystems.be/imaging/tiff/bigtiff.html), and what GDAL adds to them: nodata, masks and the note at the
start of a cloud-optimized file (https://gdal.org/drivers/raster/cog.html). What says where the raster lies and what its
bands mean is handed on as it stands; `tilery.reading.tiff.facts` makes sense of it.

A header is written by whoever made the file, so nothing in it is believed before it is checked against the file's
size and against bounds of our own. Tables of block positions may be large; they are read when a block of their level
is asked for.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from tilery.errors import BrokenRaster, NotARaster, UnsupportedRaster
from tilery.reading.tiff.image import GeoTags, Header, Image, Level, Pages, Table

if TYPE_CHECKING:
    from tilery.storage.bytes.protocol import ByteSource

HEAD = 65536
"""Bytes read at first: nearly always the whole header of a cloud-optimized file."""

_MAX_DIRECTORIES = 128
_MAX_ENTRIES = 1024
_MAX_VALUE_BYTES = 1 << 20
"""Of any tag but the tables of blocks: JPEG tables have under 1 kB."""
_MAX_HEADER_BYTES = 8 << 20
_READ_ON = 16384
_MAX_BLOCK_BYTES = 256 << 20
_MAX_BANDS = 4096

_KINDS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
"""Type codes of tag values, as `struct` calls them. Fractions and short floating point are never needed."""

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
_SAMPLES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _COUNTS = 277, 284, 317, 322, 323, 324, 325
_EXTRA, _FORMAT, _JPEG_TABLES, _NODATA, _LERC = 338, 339, 347, 42113, 50674
_PIXEL_SCALE, _TIE_POINTS, _MATRIX, _GEO_KEYS, _GEO_NUMBERS, _GEO_TEXT = 33550, 33922, 34264, 34735, 34736, 34737
_METADATA, _RPC = 42112, 50844
_WANTED = frozenset(
    {
        _SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANAR, _PREDICTOR,
        _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _COUNTS, _EXTRA, _FORMAT, _JPEG_TABLES, _NODATA, _LERC,
        _PIXEL_SCALE, _TIE_POINTS, _MATRIX, _GEO_KEYS, _GEO_NUMBERS, _GEO_TEXT, _METADATA, _RPC,
    }
)  # fmt: skip

_ASCII, _SHORT, _DOUBLE = 2, 3, 12
_OCTETS = (1, 2, 7)
"""Types whose values are bytes."""
_OF_A_PLACE = {
    _PIXEL_SCALE: _DOUBLE,
    _TIE_POINTS: _DOUBLE,
    _GEO_KEYS: _SHORT,
    _GEO_NUMBERS: _DOUBLE,
    _GEO_TEXT: _ASCII,
}
"""Tags that place a raster, and the type that their values have to have."""
_MOST_OF_A_PLACE = 1024
_FRACTIONS = frozenset({_PIXEL_SCALE, _TIE_POINTS, _MATRIX, _GEO_NUMBERS, _RPC})
"""Tags whose values are no whole numbers."""


def parse(source: ByteSource) -> Header:
    """Return the header of a TIFF.

    Raises:
        NotARaster: the bytes are no TIFF.
        UnsupportedRaster: a TIFF that is not tiled, or with samples or sizes that we do not decode.
        BrokenRaster: directories that lead outside of the file, in a circle, or contradict themselves.
    """
    reader = _HeaderReader(source)
    directories = list(reader.directories())
    main = reader.image(*directories[0])
    if main.subfile & 5:
        raise UnsupportedRaster("The first image of the file is not its raster.", parameter="url")
    overviews: list[Image] = []
    masks: list[Image] = []
    for position, entries in directories[1:]:
        kind = reader.first(entries, _SUBFILE, 0)
        if not kind & 5:
            continue  # another page: GDAL calls it a subdataset
        if kind & 4:
            masks.append(reader.image(position, entries))
            continue
        overview = reader.image(position, entries)
        if overview.samples == main.samples and overview.dtype == main.dtype:
            overviews.append(overview)
    by_size = {(mask.width, mask.height): mask for mask in reversed(masks)}
    return Header(
        levels=tuple(Level(image=image, mask=by_size.get((image.width, image.height))) for image in (main, *overviews)),
        nodata=reader.text(directories[0][1], _NODATA),
        big_tiff=reader.big,
        big_endian=reader.order == ">",
        structure=reader.structure(),
        place=reader.place(directories[0][1]),
        metadata=reader.metadata(directories[0][1]),
        directories=tuple(position for position, _ in directories),
    )


def nodata_text(source: ByteSource) -> str | None:
    """Return GDAL's nodata tag of a TIFF of any kind; None where there is none, or no TIFF."""
    try:
        reader = _HeaderReader(source)
        return reader.text(reader.directories()[0][1], _NODATA)
    except (NotARaster, UnsupportedRaster, BrokenRaster, IndexError):
        return None


_Entry = tuple[int, int, int]
"""Type, count and position of a tag's values."""


class _HeaderReader:
    """Reads numbers at positions of a file, from its first bytes where they hold them."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.size = source.size
        self._head = source.read(0, min(HEAD, source.size))
        self._windows = [(0, self._head)]
        self._spent = 0
        magic = self._head[:4]
        if magic[:2] not in (b"II", b"MM"):
            raise NotARaster("This is not a TIFF.", parameter="url")
        self.order = "<" if magic[:2] == b"II" else ">"
        version = struct.unpack(self.order + "H", magic[2:4])[0] if len(magic) == 4 else 0
        if version not in (42, 43):
            raise NotARaster("This is not a TIFF.", parameter="url")
        self.big = version == 43

    def bytes_at(self, start: int, length: int) -> bytes:
        if start < 0 or start + length > self.size:
            raise BrokenRaster("The header of the raster leads outside of its file.", parameter="url")
        held = self._held(start, length)
        if held is not None:
            return held
        # What belongs to a directory lies close to it: read on a bit, the next look will find it here.
        ahead = self._source.read(start, min(max(length, _READ_ON), self.size - start))
        self._spent += len(ahead)
        if self._spent > _MAX_HEADER_BYTES:
            raise UnsupportedRaster("The header of the raster is too large.", parameter="url")
        self._windows.append((start, ahead))
        return ahead[:length]

    def _held(self, start: int, length: int) -> bytes | None:
        """Return bytes that were read already."""
        for begin, window in self._windows:
            if begin <= start and start + length <= begin + len(window):
                return window[start - begin : start - begin + length]
        return None

    def unpack(self, form: str, start: int) -> tuple[Any, ...]:
        return struct.unpack(self.order + form, self.bytes_at(start, struct.calcsize(self.order + form)))

    def directories(self) -> list[tuple[int, dict[int, _Entry]]]:
        """Return position and entries of each image directory along the chain."""
        if self.big:
            offset_size, reserved, position = self.unpack("HHQ", 4)
            if offset_size != 8 or reserved != 0:
                raise BrokenRaster("The header of the raster is damaged.", parameter="url")
        else:
            (position,) = self.unpack("I", 4)
        found: list[tuple[int, dict[int, _Entry]]] = []
        seen: set[int] = set()
        while position:
            if position in seen:
                raise BrokenRaster("The header of the raster leads in a circle.", parameter="url")
            if len(found) >= _MAX_DIRECTORIES:
                raise UnsupportedRaster(
                    f"A file with more than {_MAX_DIRECTORIES} images.", parameter="url", limit=_MAX_DIRECTORIES
                )
            seen.add(position)
            entries, following = self._directory(position)
            found.append((position, entries))
            position = following
        if not found:
            raise BrokenRaster("The file holds no image.", parameter="url")
        return found

    def _directory(self, position: int) -> tuple[dict[int, _Entry], int]:
        head, entry, link = ("Q", "HHQ8s", "Q") if self.big else ("H", "HHI4s", "I")
        (count,) = self.unpack(head, position)
        if not 0 < count <= _MAX_ENTRIES:
            raise BrokenRaster("A directory of the raster is damaged.", parameter="url")
        start = position + struct.calcsize("<" + head)
        size = struct.calcsize("<" + entry)
        block = self.bytes_at(start, count * size + struct.calcsize("<" + link))
        entries: dict[int, _Entry] = {}
        for index in range(count):
            tag, kind, number, value = struct.unpack_from(self.order + entry, block, index * size)
            if tag not in _WANTED or kind not in _KINDS or tag in entries:
                continue
            if kind == _DOUBLE and tag not in _FRACTIONS:
                raise BrokenRaster("A directory of the raster is damaged.", parameter="url")
            inline = len(value)
            if number * struct.calcsize(_KINDS[kind]) <= inline:
                place = start + (index + 1) * size - inline
            else:
                (place,) = struct.unpack(self.order + link, value)
            entries[tag] = (kind, number, place)
        (following,) = struct.unpack_from(self.order + link, block, count * size)
        return entries, following

    def values(self, entries: dict[int, _Entry], tag: int) -> tuple[Any, ...]:
        """Return all values of a tag, none where it is missing."""
        if tag not in entries:
            return ()
        kind, count, place = entries[tag]
        if count * struct.calcsize(_KINDS[kind]) > _MAX_VALUE_BYTES:
            raise UnsupportedRaster("The header of the raster is too large.", parameter="url")
        return self.unpack(f"{count}{_KINDS[kind]}", place)

    def first(self, entries: dict[int, _Entry], tag: int, default: int) -> int:
        """Return the first value of a tag."""
        if tag not in entries:
            return default
        kind, count, place = entries[tag]
        return int(self.unpack(_KINDS[kind], place)[0]) if count else default

    def octets(self, entries: dict[int, _Entry], tag: int) -> bytes:
        """Return the bytes of a tag, none where it is missing."""
        if tag in entries and entries[tag][0] not in _OCTETS:
            raise BrokenRaster("A directory of the raster is damaged.", parameter="url")
        return bytes(self.values(entries, tag))

    def text(self, entries: dict[int, _Entry], tag: int) -> str | None:
        octets = self.octets(entries, tag)
        return octets.split(b"\0")[0].decode("latin-1").strip() if octets else None

    def place(self, entries: dict[int, _Entry]) -> GeoTags | None:
        """Return where the raster lies, if it is said in the plainest way."""
        if _MATRIX in entries or _RPC in entries or not {_PIXEL_SCALE, _TIE_POINTS, _GEO_KEYS} <= entries.keys():
            return None
        for tag, kind in _OF_A_PLACE.items():
            if tag in entries and (entries[tag][0] != kind or entries[tag][1] > _MOST_OF_A_PLACE):
                return None
        try:
            scale, ties, keys, numbers, text = (self.values(entries, tag) for tag in _OF_A_PLACE)
        except BrokenRaster:
            return None  # GDAL makes do without it
        return GeoTags(scale=scale, ties=ties, keys=keys, numbers=numbers, text=bytes(text).decode("latin-1"))

    def metadata(self, entries: dict[int, _Entry]) -> str | None:
        """Return GDAL's XML, if it is not longer than any that is worth reading here."""
        if _METADATA not in entries:
            return ""
        kind, count, _ = entries[_METADATA]
        if kind != _ASCII or count > _READ_ON:
            return None
        try:
            return bytes(self.values(entries, _METADATA)).split(b"\0")[0].decode("utf-8", "replace")
        except BrokenRaster:
            return None

    def table(self, entries: dict[int, _Entry], tag: int, count: int) -> Table:
        """Return where a table of at least ``count`` numbers lies."""
        kind, number, place = entries.get(tag, (0, 0, 0))
        if kind not in (3, 4, 16) or number < count:
            raise BrokenRaster("The raster's table of blocks is damaged.", parameter="url")
        dtype = np.dtype(self.order + {3: "u2", 4: "u4", 16: "u8"}[kind])
        if place + number * dtype.itemsize > self.size:
            raise BrokenRaster("The raster's table of blocks is cut short.", parameter="url")
        return Table(offset=place, count=count, dtype=dtype)

    def image(self, position: int, entries: dict[int, _Entry]) -> Image:
        """Return the facts of one directory, checked."""
        width, height = self.first(entries, _WIDTH, 0), self.first(entries, _HEIGHT, 0)
        tile_width, tile_height = self.first(entries, _TILE_WIDTH, 0), self.first(entries, _TILE_HEIGHT, 0)
        if _TILE_WIDTH not in entries or _OFFSETS not in entries:
            raise UnsupportedRaster("The raster is not tiled.", parameter="url")
        samples = self.first(entries, _SAMPLES, 1)
        if min(width, height, tile_width, tile_height, samples) < 1 or max(width, height) > 2**31 - 1:
            raise BrokenRaster("The raster's size is damaged.", parameter="url")
        if samples > _MAX_BANDS:
            raise UnsupportedRaster(f"A raster has 1 to {_MAX_BANDS} bands.", parameter="url", limit=_MAX_BANDS)
        bits, dtype = self._sample_type(entries, samples)
        planar = self.first(entries, _PLANAR, 1) == 2
        if tile_width * tile_height * (1 if planar else samples) * dtype.itemsize > _MAX_BLOCK_BYTES:
            raise UnsupportedRaster("The raster's blocks are too large.", parameter="url", limit=_MAX_BLOCK_BYTES)
        if self.first(entries, _FILL_ORDER, 1) != 1:
            raise UnsupportedRaster("A raster with its bits in reverse order.", parameter="url")
        blocks = -(-width // tile_width) * -(-height // tile_height) * (samples if planar else 1)
        offsets, counts = self.table(entries, _OFFSETS, blocks), self.table(entries, _COUNTS, blocks)
        return Image(
            position=position,
            width=width,
            height=height,
            tile_width=tile_width,
            tile_height=tile_height,
            samples=samples,
            bits=bits,
            dtype=dtype,
            big_endian=self.order == ">",
            compression=self.first(entries, _COMPRESSION, 1),
            predictor=self.first(entries, _PREDICTOR, 1),
            planar=planar,
            photometric=self.first(entries, _PHOTOMETRIC, 1),
            subfile=self.first(entries, _SUBFILE, 0),
            extra_samples=self.values(entries, _EXTRA),
            jpeg_tables=self.octets(entries, _JPEG_TABLES) or None,
            lerc=self.values(entries, _LERC),
            offsets=offsets,
            counts=counts,
            _positions=self._pages(offsets),
            _sizes=self._pages(counts),
        )

    def _pages(self, table: Table) -> Pages:
        """Return a table, already read where what was read of the header holds it whole."""
        pages = Pages(table=table)
        held = self._held(table.offset, table.length) if table.read_whole else None
        if held is not None:
            pages.add(0, held)
        return pages

    def _sample_type(self, entries: dict[int, _Entry], samples: int) -> tuple[int, np.dtype[Any]]:
        sizes = set(self.values(entries, _BITS)) or {1}
        formats = set(self.values(entries, _FORMAT)) or {1}
        if len(sizes) != 1 or len(formats) != 1:
            raise UnsupportedRaster("A raster whose bands have different types.", parameter="url")
        bits, kind = sizes.pop(), {1: "u", 2: "i", 3: "f", 4: "u"}.get(formats.pop())
        if kind == "u" and bits in (1, 2, 4):
            return bits, np.dtype("u1")
        if kind is None or bits not in (8, 16, 32, 64) or (kind == "f" and bits < 32):
            raise UnsupportedRaster(f"A raster with {samples} bands of {bits} bits of this kind.", parameter="url")
        return bits, np.dtype(f"{kind}{bits // 8}")

    def structure(self) -> dict[str, str]:
        """Return GDAL's note behind the first bytes of a cloud-optimized file."""
        start = 16 if self.big else 8
        note = self._head[start : start + 1024]
        if not note.startswith(b"GDAL_STRUCTURAL_METADATA_SIZE="):
            return {}
        first, _, rest = note.partition(b"\n")
        try:
            length = int(first[30:36])
        except ValueError:
            return {}
        lines = rest[:length].decode("latin-1").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)
