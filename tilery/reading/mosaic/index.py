"""Which rasters of a mosaic lie where: those of each tile at one zoom, by quadkey.

Quadkeys are kept as numbers of two bits a digit, sorted: all tiles below one of a shallower zoom are then a stretch, in
the order in which quadkeys count them (top left, top right, bottom left, bottom right), which is that of cogeo-mosaic.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilery.limits import deadline, memory

_FEW = 64
"""Entries that are gathered one by one."""
_BYTES_A_NUMBER = 16
"""What an entry takes once its tile is read: twice its place in an array."""
_BYTES_A_NAME = 170
"""What a name takes beside its characters while an index is made: the text, its place in a table that grows."""
BYTES_AN_ENTRY = _BYTES_A_NAME + 64
"""What an entry takes until its tile is read, if its raster was not met before: in lists, and as a number."""
_BYTES_A_TILE = 400
"""What a tile takes while an index is made: its quadkey, an array, its place in a table that grows."""
_BYTES_SORTED = 32
"""What a name takes while it is found out where each is met first."""
Range = tuple[int, int]


class Index:
    """Numbers of rasters by tile. Never changes."""

    def __init__(
        self, names: tuple[str, ...], keys: array[int], starts: array[int], members: NDArray[np.int32], *, zoom: int
    ) -> None:
        """Hold what `IndexMaker` sorted.

        Args:
            names: of all rasters.
            keys: quadkeys as numbers, rising.
            starts: where the members of each begin, and where the last end.
            members: numbers of names.
            zoom: of the tiles.
        """
        self.names = names
        self.zoom = zoom
        self._keys = keys
        self._starts = starts
        self._members = members
        arrays = self._keys.itemsize * len(self._keys) * 2 + self._members.nbytes
        self.size = arrays + sum(sys.getsizeof(name) + 8 for name in deadline.paced(names, every=4096))
        """Bytes that it takes."""

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self._keys)

    def quadkeys(self, digits: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Yield quadkeys of so many digits with the names of their rasters."""
        for place, key in enumerate(self._keys):
            text = "".join(str(key >> 2 * (digits - 1 - digit) & 3) for digit in range(digits))
            yield text, tuple(self.names[number] for number in self._between(place, place + 1))

    def of_tile(self, x: int, y: int) -> array[int]:
        """Return the rasters of one tile, in the document's order."""
        return self.below(x, y, 0)

    def below(self, x: int, y: int, depth: int) -> array[int]:
        """Return the rasters of all tiles inside of one that is ``depth`` zooms shallower."""
        first = _interleaved(x, y) << 2 * depth
        begin = bisect_left(self._keys, first)
        end = bisect_left(self._keys, first + (1 << 2 * depth), begin) if depth else begin
        if not depth and begin < len(self._keys) and self._keys[begin] == first:
            end += 1
        return self._between(begin, end)

    def in_rectangle(self, columns: Range, rows: Range) -> array[int]:
        """Return the rasters of tiles from the first to the last column and row, column by column."""
        wide, high = columns[1] - columns[0] + 1, rows[1] - rows[0] + 1
        if wide * high <= max(_FEW, len(self._keys) // 16):
            found: dict[int, None] = {}
            for x in range(columns[0], columns[1] + 1):
                for y in range(rows[0], rows[1] + 1):
                    found.update(dict.fromkeys(self.of_tile(x, y)))
            return array("i", found)
        xs, ys = self._places
        inside = np.flatnonzero((xs >= columns[0]) & (xs <= columns[1]) & (ys >= rows[0]) & (ys <= rows[1]))
        inside = inside[np.lexsort((ys[inside], xs[inside]))]
        starts = np.frombuffer(self._starts, np.int64)
        lengths = starts[inside + 1] - starts[inside]
        begins = np.repeat(starts[inside] - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
        return self._different(self._members[begins + np.arange(len(begins))])

    def most_in(self, columns: Range, rows: Range) -> int:
        """Return how many entries tiles from the first to the last column and row have at most; told in a moment."""
        starts = self._starts
        if (columns[1] - columns[0] + 1) * (rows[1] - rows[0] + 1) > _FEW:
            begin = bisect_left(self._keys, _interleaved(columns[0], rows[0]))
            return starts[bisect_right(self._keys, _interleaved(columns[1], rows[1]), begin)] - starts[begin]
        found = 0
        for x in range(columns[0], columns[1] + 1):
            for y in range(rows[0], rows[1] + 1):
                key = _interleaved(x, y)
                place = bisect_left(self._keys, key)
                if place < len(self._keys) and self._keys[place] == key:
                    found += starts[place + 1] - starts[place]
        return found

    def _between(self, begin: int, end: int) -> array[int]:
        return self._different(self._members[self._starts[begin] : self._starts[end]])

    def _different(self, members: NDArray[np.int32]) -> array[int]:
        """Return numbers, each where it is first met."""
        if len(members) <= _FEW:
            return array("i", dict.fromkeys(members.tolist()))
        memory.need(_BYTES_SORTED * (len(self.names) + len(members)))
        place: NDArray[np.int64] = np.full(len(self.names), -1)
        place[members[::-1]] = np.arange(len(members))[::-1]  # of several the last one stays: the first of all
        found = np.flatnonzero(place >= 0)
        return array("i", found[np.argsort(place[found])].astype(np.int32).tobytes())

    @cached_property
    def _places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Columns and rows of all tiles."""
        keys = np.frombuffer(self._keys, np.uint64)
        return _every_other(keys), _every_other(keys >> np.uint64(1))


class IndexMaker:
    """Gathers tiles as a document lists them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.entries = 0
        """Rasters of all tiles together."""
        self._numbers: dict[str, int] = {}
        self._tiles: dict[str, array[int]] = {}

    @property
    def taken(self) -> int:
        """Bytes that it takes, without the characters of the names, and that making the index will."""
        return _BYTES_A_NUMBER * self.entries + _BYTES_A_NAME * len(self._numbers) + _BYTES_A_TILE * len(self._tiles)

    @property
    def names(self) -> Iterable[str]:
        """Names of all rasters, each once."""
        return self._numbers

    def add(self, quadkey: str, names: Sequence[str]) -> None:
        """Add a tile with the names of its rasters. One that comes again takes the place of the first."""
        numbers = self._numbers
        self.entries += len(names)
        self._tiles[quadkey] = array("i", [numbers.setdefault(name, len(numbers)) for name in names])

    def made(self, zoom: int, shallowest: int) -> Index:
        """Return the index of tiles at a zoom; those of another are never asked for.

        Args:
            zoom: of the tiles.
            shallowest: the zoom whose tiles have a quadkey of no digits.
        """
        digits = zoom - shallowest
        found = [text for text in self._tiles if len(text) == digits and number_of(text) >= 0]
        numbers = np.fromiter(map(number_of, found), np.uint64, len(found))
        order = np.argsort(numbers)
        keys, starts, members = array("Q"), array("q", [0]), array("i")
        keys.frombytes(numbers[order].tobytes())
        for place in deadline.paced(order.tolist(), every=256):
            members.extend(self._tiles[found[place]])
            starts.append(len(members))
        return Index(tuple(self._numbers), keys, starts, np.frombuffer(members or array("i"), np.int32), zoom=zoom)


def number_of(quadkey: str) -> int:
    """Return a quadkey as a number; -1 where it is none."""
    try:
        return int(quadkey, 4) if quadkey.isascii() and quadkey.isdigit() else 0 if not quadkey else -1
    except ValueError:
        return -1


def quadkey_of(x: int, y: int, digits: int) -> str:
    """Return the quadkey of a tile."""
    return "".join(str((x >> bit & 1) + 2 * (y >> bit & 1)) for bit in range(digits - 1, -1, -1))


def _interleaved(x: int, y: int) -> int:
    """Return the number of a tile's quadkey."""
    return _spread(x) | _spread(y) << 1


def _spread(value: int) -> int:
    """Return a number of up to 32 bits with a 0 before each of its own."""
    for shift, mask in _STEPS:
        value = (value | value << shift) & mask
    return value


_STEPS = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def _every_other(values: NDArray[Any]) -> NDArray[Any]:
    """Return the bits 0, 2, 4… of numbers, side by side."""
    found = values & np.uint64(0x5555555555555555)
    for shift, mask in (
        (1, 0x3333333333333333),
        (2, 0x0F0F0F0F0F0F0F0F),
        (4, 0x00FF00FF00FF00FF),
        (8, 0x0000FFFF0000FFFF),
        (16, 0x00000000FFFFFFFF),
    ):
        found = (found | found >> np.uint64(shift)) & np.uint64(mask)
    return found.astype(np.int64)
