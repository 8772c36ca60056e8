"""The file to publish, put together from files of its levels without compressing anything again.

The layout is that of GDAL's COG driver (https://gdal.org/drivers/raster/cog.html, *Low level*): all directories first,
then the blocks from the smallest overview to the full raster, each between its length and its last four bytes, with the
mask's block behind the one that it belongs to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.publishing.rasters import BLOCK
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.blocks import Encoding
from tilery.publishing.tiff.directories import LONG, SHORT, Directory, Form, Placed, Tag

_CODES = {"DEFLATE": (8, 32946), "ZSTD": (50000,)}
_OF_OVERVIEWS = (
    directories.BITS,
    directories.COMPRESSION,
    directories.PHOTOMETRIC,
    directories.SAMPLES,
    directories.PLANAR,
    directories.PREDICTOR,
    directories.COLORMAP,
    directories.TILE_WIDTH,
    directories.TILE_HEIGHT,
    directories.EXTRA,
    directories.FORMAT,
    directories.NODATA,
)
"""Tags that an overview has of the raster."""
_REDUCED, _MASK = 1, 4
_LARGEST = (4 << 30) - (1 << 24)
"""Bytes of the largest file whose positions have 32 bits, with some room."""
_LARGEST_MASK = BLOCK * BLOCK // 8 + 256
"""Bytes of a mask's block, at most."""
_KNOWN = 16
"""Blocks of a mask that are remembered."""
_FRAME = 8
"""Bytes around a block: its length before it, its last four bytes again behind it."""


@dataclass(slots=True)
class _Image:
    """An image of the new file: a level, or the mask of one."""

    tags: dict[int, Tag]
    source: Placed
    file: BinaryIO
    mask: bool
    offsets: Array
    counts: Array

    @classmethod
    def of(cls, tags: Directory, source: Placed, file: BinaryIO, *, mask: bool) -> _Image:
        """Return one whose blocks have no place yet."""
        number = len(source.blocks()[0])
        return cls(dict(tags), source, file, mask, np.zeros(number, "int64"), np.zeros(number, "int64"))

    def directory(self, form: Form) -> dict[int, Tag]:
        """Return its tags, with where its blocks are."""
        dtype = "<u8" if form.big else "<u4"
        number = len(self.offsets)
        return self.tags | {
            directories.OFFSETS: Tag(kind=form.position, count=number, value=self.offsets.astype(dtype).tobytes()),
            directories.COUNTS: Tag(kind=LONG, count=number, value=self.counts.astype("<u4").tobytes()),
        }

    def blocks(self) -> Iterator[bytes]:
        """Yield its blocks, row by row, as the new file has them."""
        known: dict[bytes, bytes] = {}  # most blocks of a mask are one of two
        for offset, count in zip(*self.source.blocks(), strict=True):
            self.file.seek(int(offset))
            data = self.file.read(int(count))
            if len(data) != count:
                raise BrokenRaster("A file that was written is cut short.")
            if not self.mask:
                yield data
                continue
            if data not in known:
                if len(known) >= _KNOWN:
                    known.clear()
                known[data] = _bits(data, self.source)
            yield known[data]


def _bits(data: bytes, source: Placed) -> bytes:
    """Return a block of a mask of bytes as one of bits."""
    import imagecodecs  # large, and not needed before

    raw = np.empty(BLOCK * BLOCK, "u1")
    decode: Any = imagecodecs.zstd_decode if _code(source) in _CODES["ZSTD"] else imagecodecs.deflate_decode
    raw = decode(data, out=raw)
    bits: Any = np.packbits(raw != 0)
    return bytes(imagecodecs.deflate_encode(bits, level=6))


def _code(found: Placed) -> int:
    return found.directory[directories.COMPRESSION].numbers[0]


def can_be_copied(level: Path, encoding: Encoding) -> bool:
    """Return True where the blocks of a file are those to publish, so that none needs to be compressed again."""
    with level.open("rb") as file:
        try:
            found = directories.first(file)
        except BrokenRaster:
            return False
    said = found.directory
    tiles = [said[tag].numbers[0] for tag in (directories.TILE_WIDTH, directories.TILE_HEIGHT) if tag in said]
    predictor = said[directories.PREDICTOR].numbers[0] if directories.PREDICTOR in said else 1
    return tiles == [BLOCK, BLOCK] and predictor == encoding.predictor and _code(found) in _CODES[encoding.compress]


def assemble(levels: Sequence[tuple[Path, Path | None]], target: Path) -> None:
    """Write ``target``.

    Args:
        levels: the raster and its overviews, each half as wide as the one before, and their masks, if they have any.
        target: the new file.

    Raises:
        BrokenRaster: a file is not whole.
        OSError: one cannot be read or written.
    """
    with ExitStack() as stack:

        def opened(path: Path) -> tuple[BinaryIO, Placed]:
            file = stack.enter_context(path.open("rb"))
            return file, directories.first(file)

        pairs: list[tuple[_Image, _Image | None]] = []
        main: Placed | None = None
        for path, mask in levels:
            file, found = opened(path)
            main = main or found
            image = _Image.of(_tags(main, found), found, file, mask=False)
            of_mask = None
            if mask is not None:
                file, found = opened(mask)
                of_mask = _Image.of(_mask_tags(found, reduced=bool(pairs)), found, file, mask=True)
            pairs.append((image, of_mask))
        with target.open("wb") as out:
            _write(pairs, out)


def _tags(main: Placed, level: Placed) -> dict[int, Tag]:
    """Return what a level's directory says."""
    if level is main:
        return {
            tag: value for tag, value in main.directory.items() if tag not in (directories.OFFSETS, directories.COUNTS)
        }
    return {tag: main.directory[tag] for tag in _OF_OVERVIEWS if tag in main.directory} | {
        directories.SUBFILE: Tag.of(LONG, _REDUCED),
        directories.WIDTH: level.directory[directories.WIDTH],
        directories.HEIGHT: level.directory[directories.HEIGHT],
    }


def _mask_tags(mask: Placed, *, reduced: bool) -> dict[int, Tag]:
    """Return what the directory of a level's mask says."""
    return {
        directories.SUBFILE: Tag.of(LONG, _MASK | (_REDUCED if reduced else 0)),
        directories.WIDTH: mask.directory[directories.WIDTH],
        directories.HEIGHT: mask.directory[directories.HEIGHT],
        directories.BITS: Tag.of(SHORT, 1),
        directories.COMPRESSION: Tag.of(SHORT, 8),
        directories.PHOTOMETRIC: Tag.of(SHORT, 4),
        directories.SAMPLES: Tag.of(SHORT, 1),
        directories.PLANAR: Tag.of(SHORT, 1),
        directories.TILE_WIDTH: Tag.of(SHORT, BLOCK),
        directories.TILE_HEIGHT: Tag.of(SHORT, BLOCK),
        directories.FORMAT: Tag.of(SHORT, 1),
    }


def _note(*, masked: bool) -> bytes:
    """Return what GDAL reads to know how blocks stand in the file."""
    lines = ["LAYOUT=IFDS_BEFORE_DATA", "BLOCK_ORDER=ROW_MAJOR", "BLOCK_LEADER=SIZE_AS_UINT4"]
    lines += ["BLOCK_TRAILER=LAST_4_BYTES_REPEATED", "KNOWN_INCOMPATIBLE_EDITION=NO"]
    text = "".join(f"{line}\n" for line in lines) + " "  # room for a YES
    if masked:
        text += "MASK_INTERLEAVED_WITH_IMAGERY=YES\n"
    return f"GDAL_STRUCTURAL_METADATA_SIZE={len(text):06d} bytes\n{text}".encode()


def _write(pairs: Sequence[tuple[_Image, _Image | None]], out: BinaryIO) -> None:
    images = [image for pair in pairs for image in pair if image is not None]
    form = Form(big=_most_bytes(images) > _LARGEST)
    note = _note(masked=any(mask is not None for _, mask in pairs))
    start = -(-(form.head + len(note)) // 16) * 16
    lengths = [form.length(image.directory(form)) for image in images]
    places = [start + sum(lengths[:number]) for number in range(len(images))]
    out.write(bytes(start + sum(lengths)))
    for image, mask in reversed(pairs):
        _write_level(image, mask, out)
    out.seek(0)
    out.write((form.header(places[0]) + note).ljust(start, b"\0"))
    for image, place, following in zip(images, places, [*places[1:], 0], strict=True):
        out.write(form.packed(image.directory(form), place, following))


def _most_bytes(images: Sequence[_Image]) -> int:
    """Return bytes that the file has at most."""
    found = 0
    for image in images:
        _, counts = image.source.blocks()
        found += len(counts) * (_FRAME + 16) + (len(counts) * _LARGEST_MASK if image.mask else int(counts.sum()))
        found += sum(len(tag.value) + 32 for tag in image.tags.values())
    return found


def _write_level(image: _Image, mask: _Image | None, out: BinaryIO) -> None:
    masks = mask.blocks() if mask is not None else None
    position = out.tell()
    for number, data in enumerate(image.blocks()):
        position = _put(image, number, data, out, position)
        if mask is not None and masks is not None:
            position = _put(mask, number, next(masks), out, position)


def _put(image: _Image, number: int, data: bytes, out: BinaryIO, position: int) -> int:
    """Write a block, and return where the next one comes."""
    out.write(struct.pack("<I", len(data)))
    out.write(data)
    out.write(data[-4:])
    image.offsets[number], image.counts[number] = position + 4, len(data)
    return position + _FRAME + len(data)
