"""JPEG 2000: the boxes of the file, and how large the tiles of its picture are.

Layout: ITU-T T.800 (https://www.itu.int/rec/T-REC-T.800), annexes A (codestream) and I (file).
"""

from __future__ import annotations

import struct

from tilery.errors import UnsupportedRaster
from tilery.reading.precheck.minimum_memory import MinimumMemory, beyond, bytes_at
from tilery.storage.bytes.file_object import SourceFile

MAX_BOXES = 1024
MAX_BOX = 16 << 20
"""Bytes of all boxes beside the picture: metadata, which GDAL reads whole."""
MAX_BANDS = 4096
MAX_PARTS = 65536
"""Tiles times bands: OpenJPEG keeps a kilobyte for each from the start."""

_CODESTREAM = b"jp2c"
_START = b"\xff\x4f\xff\x51"
_NUMBER = 4
"""Bytes of a decoded sample in OpenJPEG."""
_AREA = 1024
"""Pixels along a side that GDAL decodes at a time of a picture that is one tile."""


def check(file: SourceFile) -> MinimumMemory | None:
    """Return what reading a JPEG 2000 takes: the whole tile.

    Raises:
        UnsupportedRaster: there is more beside the picture, or there are more tiles and bands, than in any.
    """
    file.seek(0, 2)
    size, position, beside = file.tell(), 0, 0
    for _ in range(MAX_BOXES):
        head = bytes_at(file, position, 16)
        if len(head) < 8:
            return None
        length, kind = struct.unpack(">I4s", head[:8])
        header = 8
        if length == 1 and len(head) == 16:
            (length,), header = struct.unpack(">Q", head[8:]), 16
        if kind == _CODESTREAM:
            return _picture(bytes_at(file, position + header, 42), size)
        length = size - position if length == 0 else length
        if length < header:
            return None
        beside += length
        if beside > MAX_BOX:
            raise beyond("too many bytes beside the picture", MAX_BOX)
        position += length
    raise beyond("too many boxes", MAX_BOXES)


def _picture(head: bytes, size: int) -> MinimumMemory | None:
    if len(head) < 42 or not head.startswith(_START):
        return None
    right, bottom, left, top, across, down, from_left, from_top, bands = struct.unpack(">8IH", head[8:42])
    width, height = right - left, bottom - top
    if min(width, height, across, down, bands) < 1:
        return None
    if bands > MAX_BANDS:
        raise UnsupportedRaster(f"A raster has 1 to {MAX_BANDS} bands.", parameter="url", limit=MAX_BANDS)
    tiles = -(-(right - from_left) // across) * -(-(bottom - from_top) // down)
    if tiles * bands > MAX_PARTS:
        raise beyond("too many tiles and bands", MAX_PARTS)
    samples = min(across, width) * min(down, height) * bands
    smaller = tuple((float(2**level), samples * (_NUMBER + 2) // 4**level) for level in range(1, 11))
    if tiles == 1 and max(width, height) > _AREA:
        # Only a part is decoded, but all code blocks are kept, and what there is to know of each.
        return MinimumMemory(full=samples + size, overviews=smaller)
    return MinimumMemory(full=samples * (_NUMBER + 2), overviews=smaller)
