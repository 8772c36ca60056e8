"""TIFFs put together by hand, as no library writes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

_SIZES = {2: 1, 3: 2, 4: 4, 12: 8, 16: 8}
Tags = Mapping[int, tuple[int, bytes | tuple[int, ...]]]


class Tiff:
    """A TIFF of one kind, put together by hand."""

    def __init__(self, big: bool, order: str) -> None:
        self.big, self.order = big, order
        self.data = b"II" if order == "<" else b"MM"
        self.data += self.pack("HHHQ", 43, 8, 0, 16) if big else self.pack("HI", 42, 8)

    def pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self.order + form, *values)

    def add(self, tags: Tags, *, last: bool = True) -> Tiff:
        """Return a directory at the end, followed by the next one if it is not the last."""
        link, width = ("Q", 8) if self.big else ("I", 4)
        count, entry = (8, 20) if self.big else (2, 12)
        end = len(self.data) + count + len(tags) * entry + width
        entries, beside = b"", b""
        for tag in sorted(tags):
            kind, values = tags[tag]
            content = values if isinstance(values, bytes) else self._values(kind, values)
            entries += self.pack("HH" + link, tag, kind, len(content) // _SIZES[kind])
            if len(content) <= width:
                entries += content.ljust(width, b"\0")
            else:
                entries += self.pack(link, end + len(beside))
                beside += content + b"\0" * (len(content) % 2)
        self.data += self.pack("Q" if self.big else "H", len(tags)) + entries
        self.data += self.pack(link, 0 if last else end + len(beside)) + beside
        return self

    def _values(self, kind: int, values: tuple[int, ...]) -> bytes:
        return self.pack(f"{len(values)}" + {3: "H", 4: "I", 16: "Q"}[kind], *values)


def picture(**more: Any) -> dict[int, tuple[int, Any]]:
    """Return tags of a picture of 8 by 8 bytes, which are the first of the file."""
    tags: dict[int, tuple[int, Any]] = {
        256: (3, (8,)), 257: (3, (8,)), 258: (3, (8,)), 259: (3, (1,)), 262: (3, (1,)),
        273: (4, (0,)), 277: (3, (1,)), 278: (3, (8,)), 279: (4, (64,)),
    }  # fmt: skip
    return tags | {int(tag.removeprefix("t")): value for tag, value in more.items()}


def changed(data: bytes, tag: int, form: str, *values: float, directory: int = 0, field: str = "values") -> bytes:
    """Return a little-endian classic TIFF with other numbers in a tag.

    Args:
        data: the file.
        tag: its number.
        form: the numbers, as `struct` calls them without an order.
        values: the numbers themselves.
        directory: which, from 0.
        field: ``values``, wherever they are; ``type``; or ``place``, the last four bytes of the entry.
    """
    (position,) = struct.unpack_from("<I", data, 4)
    for _ in range(directory):
        (count,) = struct.unpack_from("<H", data, position)
        (position,) = struct.unpack_from("<I", data, position + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", data, position)
    for at in range(position + 2, position + 2 + 12 * count, 12):
        number, kind, length = struct.unpack_from("<HHI", data, at)
        if number == tag:
            inline = length * _SIZES[kind] <= 4
            place = at + 8 if inline or field == "place" else struct.unpack_from("<I", data, at + 8)[0]
            found = bytearray(data)
            struct.pack_into(f"<{form}", found, at + 2 if field == "type" else place, *values)
            return bytes(found)
    raise LookupError(tag)
