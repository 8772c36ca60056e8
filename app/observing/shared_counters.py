"""Numbers of all workers in memory that they share, so that any of them can tell those of all.

Each process writes to a row of its own, which nobody else writes to: no lock is shared, a worker that is killed in the
middle of anything harms no other, and to count costs an addition. Names are added to a row as they come. When a worker
has ended, the process that forks adds its sums to the first row and empties its own, so that nothing is lost when
workers are replaced, and their number does not matter.

Why not ``prometheus_client``'s way for many processes: it keeps a file for each process that ever was, so that workers
that are replaced add up on disk and in the time of each scrape, wants a directory that can be written to, shows the
gauges of the dead until somebody tells it, and takes three times as long to count (1.9 µs and 0.6 µs for a counter with
two labels, 2.8 µs and 1.1 µs for a histogram), some twenty times for each tile. Its text format is used as it is
(`app.observing.exposition`).
"""

from __future__ import annotations

import mmap
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NAMES = 48 << 10
"""Bytes of names in a row."""
VALUES = 6 << 10
"""Numbers in a row: some thirty histograms and some hundred counters; what is beyond them is not counted."""
_HEAD = 16
_ROW = _HEAD + NAMES + 8 * VALUES
_ENTRY = struct.Struct("<HHB")
_COUNT = struct.Struct("<Q")
_TRIES = 200


class Entry(NamedTuple):
    """Some numbers of one row."""

    row: int
    name: str
    additive: bool
    """True when those of different rows may be added up, and those of the past stay true."""
    values: tuple[float, ...]


class Table:
    """Rows of named numbers."""

    def __init__(self, rows: int = 1) -> None:
        """Reserve rows, the first of which is that of the process that forks. Memory is taken as it is written to."""
        self._memory = mmap.mmap(-1, _COUNT.size + rows * _ROW, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        self._free = set(range(1, rows))
        self.rows = rows

    def row(self, number: int = 0) -> Row:
        """Return a row to write to. One process at a time may have it."""
        return Row(self._memory, _COUNT.size + number * _ROW)

    def enlist(self) -> int | None:
        """Return the number of a new worker's row; None when there are too many. For the process that forks."""
        return self._free.pop() if self._free else None

    def dismiss(self, number: int, first: Row) -> None:
        """Add the sums of a worker that has ended to the first row, and free its own. For the process that forks."""
        start = _COUNT.size + number * _ROW
        self._change()  # odd: readers wait
        try:
            for entry in self._entries(number):
                if entry.additive:
                    place = first.place(entry.name, len(entry.values), additive=True)
                    for index, value in enumerate(entry.values):
                        first.add(place, value, index)
            self._memory[start : start + _HEAD] = bytes(_HEAD)
            self._memory[start + _HEAD + NAMES : start + _ROW] = bytes(8 * VALUES)
        finally:
            self._change()
        self._free.add(number)

    def read(self) -> list[Entry]:
        """Return the numbers of all rows, as they are at one moment as far as workers that end are concerned."""
        found: list[Entry] = []
        for _ in range(_TRIES):
            before = _COUNT.unpack_from(self._memory)[0]
            if before % 2 == 0:
                found = [entry for number in range(self.rows) for entry in self._entries(number)]
                if before == _COUNT.unpack_from(self._memory)[0]:
                    break
            time.sleep(0.001)
        return found

    def _change(self) -> None:
        _COUNT.pack_into(self._memory, 0, _COUNT.unpack_from(self._memory)[0] + 1)

    def _entries(self, number: int) -> Iterator[Entry]:
        start = _COUNT.size + number * _ROW
        count: int = _COUNT.unpack_from(self._memory, start)[0]
        at, value = start + _HEAD, start + _HEAD + NAMES
        for _ in range(count):
            length, cells, additive = _ENTRY.unpack_from(self._memory, at)
            at += _ENTRY.size
            name = self._memory[at : at + length].decode(errors="replace")
            at += length
            yield Entry(number, name, bool(additive), struct.unpack_from(f"<{cells}d", self._memory, value))
            value += 8 * cells


class Row:
    """The numbers of one process. Safe under threads."""

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        """Write where a row of the memory begins; it is empty."""
        self._memory = memory
        self._start = start
        self._values = memoryview(memory)[start + _HEAD + NAMES : start + _ROW].cast("d")
        self._places: dict[str, int] = {}
        self._names_end = start + _HEAD
        self._next = 1  # the first takes what has no room
        self._lock = threading.Lock()
        self._write(" ", 1, additive=False)

    def place(self, name: str, cells: int = 1, *, additive: bool) -> int:
        """Return where some numbers are; the first time room is made for them."""
        found = self._places.get(name)
        if found is None:
            with self._lock:
                found = self._places.get(name)
                if found is None:
                    found = self._places[name] = self._make(name, cells, additive=additive)
        return found

    def add(self, place: int, amount: float, index: int = 0) -> None:
        """Add to a number."""
        if place:
            with self._lock:
                self._values[place + index] += amount

    def add_all(self, amounts: Iterable[tuple[int, float]]) -> None:
        """Add to numbers, each given by its place, in one go."""
        numbers = self._values
        with self._lock:
            for place, amount in amounts:
                if place > 0:
                    numbers[place] += amount

    def set(self, place: int, value: float) -> None:
        """Say what a number is now."""
        if place:
            self._values[place] = value

    def _make(self, name: str, cells: int, *, additive: bool) -> int:
        size = _ENTRY.size + len(name.encode())
        if self._next + cells > VALUES or self._names_end + size > self._start + _HEAD + NAMES:
            return 0
        place = self._next
        self._next += cells
        self._write(name, cells, additive=additive)
        return place

    def _write(self, name: str, cells: int, *, additive: bool) -> None:
        encoded = name.encode()
        _ENTRY.pack_into(self._memory, self._names_end, len(encoded), cells, additive)
        self._names_end += _ENTRY.size
        self._memory[self._names_end : self._names_end + len(encoded)] = encoded
        self._names_end += len(encoded)
        count: int = _COUNT.unpack_from(self._memory, self._start)[0]
        _COUNT.pack_into(self._memory, self._start, count + 1)  # last: now it can be read


shared: Table | None = None
"""That of this process and of those that it forks or was forked with; handed down by forking."""
own: int | None = 0
"""The row of this process in it; None: there was none left."""
