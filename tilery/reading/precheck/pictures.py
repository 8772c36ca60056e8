"""JPEG and PNG: whether all of the picture has to be decoded at once.

Layouts: ITU-T T.81 (https://www.w3.org/Graphics/JPEG/itu-t81.pdf) and PNG (https://www.w3.org/TR/png-3/).
"""

from __future__ import annotations

import struct

from tilery.reading.precheck.minimum_memory import MinimumMemory, beyond, bytes_at
from tilery.storage.bytes.file_object import SourceFile

MAX_SEGMENTS = 1024
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a segment behind them."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SCAN, _END = 0xDA, 0xD9
_COEFFICIENT = 2
"""Bytes of a coefficient in libjpeg."""
_CHUNK = 100_000_000
"""Bytes of rows that GDAL keeps of an interlaced PNG."""


def jpeg(file: SourceFile) -> MinimumMemory | None:
    """Return what reading a JPEG takes: all coefficients where they come in several scans, also for a
    smaller picture.
    """
    position, whole, components, progressive = 2, 0, 0, False
    for _ in range(MAX_SEGMENTS):
        head = bytes_at(file, position, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == _END:
            return None
        if head[1] == 0xFF or head[1] in _ALONE:
            position += 1 if head[1] == 0xFF else 2
            continue
        if head[1] in _FRAMES:
            whole, components = _coefficients(bytes_at(file, position + 4, 6 + 3 * 255))
            progressive = head[1] in _PROGRESSIVE
        if head[1] == _SCAN:
            apart = bytes_at(file, position + 4, 1) != bytes([components])
            if not (progressive or apart):
                return None
            return MinimumMemory(full=whole, overviews=tuple((float(factor), whole) for factor in (2, 4, 8)))
        position += 2 + struct.unpack(">H", head[2:])[0]
    raise beyond("too many segments", MAX_SEGMENTS)


def _coefficients(frame: bytes) -> tuple[int, int]:
    """Return bytes of all coefficients of a frame, and its number of components."""
    if len(frame) < 6:
        return 0, 0
    height, width, components = struct.unpack(">HHB", frame[1:6])
    sampling = [(frame[place] >> 4, frame[place] & 15) for place in range(7, min(len(frame), 6 + 3 * components), 3)]
    across, down = max((x for x, _ in sampling), default=0), max((y for _, y in sampling), default=0)
    if not across or not down:
        return 0, components
    samples = sum(-(-width * x // across) * -(-height * y // down) for x, y in sampling)
    return samples * _COEFFICIENT, components


def png(file: SourceFile) -> MinimumMemory | None:
    """Return what reading a PNG takes: many rows at once where it is interlaced."""
    head = bytes_at(file, 16, 13)
    if len(head) < 13 or not head[12]:
        return None
    width, height, bits, colours = struct.unpack(">IIBB", head[:10])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colours, 4)
    return MinimumMemory(full=min(_CHUNK, width * height * channels * (2 if bits == 16 else 1)))
