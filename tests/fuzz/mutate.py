"""Bytes, TIFFs and JSON documents with something changed in them."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

NUMBERS = (0, 1, 2, 3, 7, 8, 16, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 62)
TYPES = tuple(range(20))
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -0.0, 1, -1, 1e308, -1e308, 5e-324, 10**400, 2**63, 1.5, float("nan"), float("inf"), "", " ",
    "0", "-1", "nan", "a" * 5000, "\0", "\ud800", "\u202e", "é", "../../etc/passwd", "/etc/passwd", "<script>", "{",
    "%00",
    "http://169.254.169.254/", "s3://bucket/key", [], {}, [[]], [{}], {"": None}, [None], [0, 0, 0, 0], [1, 2], [9, 8,
    7],
    ["a"], {"a": {"b": ["c"]}},
)  # fmt: skip
DEEP = 400


def content(data: bytes, chance: random.Random) -> bytes:
    """Return bytes some of which are others."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not found:
            break
        at = chance.randrange(len(found))
        kind = chance.randrange(6)
        if kind == 0:
            found[at] = chance.randrange(256)
        elif kind == 1:
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del found[at:]
        elif kind == 3:
            length = chance.choice((1, 2, 4, 8, 64, 512))
            found[at : at + length] = chance.randbytes(length)
        elif kind == 4:
            found[at:at] = chance.randbytes(chance.choice((1, 4, 100)))
        else:
            other = chance.randrange(len(found))
            found[at : at + 64] = found[other : other + 64]
    return bytes(found)


def tiff(data: bytes, chance: random.Random) -> bytes:
    """Return a TIFF with something changed in its header, its directories, its tables or its blocks."""
    found = bytearray(data)
    fields = list(_fields(data))
    for _ in range(chance.choice((1, 1, 2, 3))):
        if not fields or chance.random() < 0.15:
            return content(bytes(found), chance)
        at, form = chance.choice(fields)
        size = struct.calcsize(form)
        if at + size > len(found):
            continue
        if form.endswith(("d", "f")):
            value: float = chance.choice(
                (0.0, -1.0, 1e-320, 1e308, float("nan"), float("inf"), chance.uniform(-1e6, 1e6))
            )
            found[at : at + size] = struct.pack(form, value)
            continue
        old = struct.unpack_from(form, found, at)[0]
        new = chance.choice((*NUMBERS, old + 1, old - 1, old * 2, old // 2, len(found), len(found) - 1, old ^ 0xFF))
        found[at : at + size] = struct.pack(form, new & ((1 << 8 * size) - 1))
    return bytes(found)


def _fields(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield position and `struct` form of each number of a TIFF's header and directories, and of the tables beside
    them.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    head, link, offset_at = ("Q", "Q", 8) if big else ("H", "I", 4)
    entry, place = (20, 12) if big else (12, 8)
    yield from ((2, order + "H"), (offset_at, order + link))
    (position,) = struct.unpack_from(order + link, data, offset_at)
    seen = set()
    while position and position not in seen and position + 2 < len(data):
        seen.add(position)
        (count,) = struct.unpack_from(order + head, data, position)
        yield position, order + head
        start = position + struct.calcsize(order + head)
        for index in range(count):
            at = start + index * entry
            yield at, order + "H"
            yield at + 2, order + "H"
            yield at + 4, order + link
            yield at + place, order + link
            yield from _values(data, at, order, link, place)
        (position,) = struct.unpack_from(order + link, data, start + count * entry)


def _values(data: bytes, at: int, order: str, link: str, place: int) -> Iterator[tuple[int, str]]:
    """Yield the first numbers of a tag whose values lie beside its directory."""
    kind, count = struct.unpack_from(order + "HI", data, at + 2)[:2]
    form = {2: "B", 3: "H", 4: "I", 12: "d", 16: "Q"}.get(kind)
    if form is None:
        return
    size = struct.calcsize(form)
    if count * size <= struct.calcsize(link):
        yield at + place, order + form
        return
    (start,) = struct.unpack_from(order + link, data, at + place)
    for number in range(min(count, 12)):
        yield start + number * size, order + form


def document(found: Any, chance: random.Random) -> bytes:
    """Return a JSON document with something changed in it; now and then one that is no JSON."""
    found = copy.deepcopy(found)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        left = list(places(found))
        if not left:
            break
        holder, key = chance.choice(left)
        _change(holder, key, chance)
    text = json.dumps(found, ensure_ascii=chance.random() < 0.5, default=str)
    body = text.encode("utf-8", "surrogatepass")
    return content(body, chance) if chance.random() < 0.08 else body


def _change(holder: Any, key: Any, chance: random.Random) -> None:
    kind = chance.randrange(7)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder[key], list) and holder[key]:
        holder[key] = holder[key] * chance.choice((2, 50))
    elif kind == 2 and isinstance(holder, dict):
        holder[chance.choice(("", "\ud800", "a" * 300, "type", "__proto__"))] = holder[key]
    elif kind == 3:
        holder[key] = _deep(chance)
    elif kind == 4 and isinstance(holder[key], int | float) and abs(holder[key]) < 1e300:
        holder[key] = holder[key] * chance.choice((-1, 1000, 1e-9, 0.5))
    else:
        holder[key] = copy.deepcopy(chance.choice(_VALUES))


def _deep(chance: random.Random) -> Any:
    found: Any = 1
    for _ in range(chance.choice((3, 20, 40, 70, DEEP))):
        found = [found] if chance.random() < 0.5 else {"a": found}
    return found


def places(found: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place of a document that holds something: its list or object, and where in it."""
    left = [found]
    while left:
        one = left.pop()
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            yield one, key
            if isinstance(one[key], dict | list) and one[key]:
                left.append(one[key])


Mutation = Callable[[random.Random], bytes]
