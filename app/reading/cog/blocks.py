"""Decoded blocks, kept for the next tile that needs them: one cache a process, bounded in bytes.

Decoding is most of the time of a tile, and neighbouring tiles share blocks. A block that several threads need at a
time is fetched and decoded by one of them; the others wait for it.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from app import deadline, turns
from app.errors import BrokenRaster
from app.raster import Array

_Key = TypeVar("_Key", bound=Hashable)

SPARSE: Array = np.empty(0, np.uint8)
"""Stands for a block that is not stored in the file: all its samples are nodata, or 0."""

_OVERHEAD = 256
"""Bytes that an entry costs beside its samples."""


@dataclass(slots=True)
class _Flight:
    """A block that some thread is at work on."""

    landed: threading.Event = field(default_factory=threading.Event)
    block: Array | None = None


def _landed(flight: _Flight) -> Array | None:
    """What another thread has made, waited for; None when it failed."""
    left = deadline.remaining()
    with turns.given_away():
        landed = flight.landed.wait(None if left == math.inf else left)
    if not landed:
        raise deadline.exceeded()
    return flight.block


class BlockCache:
    """Blocks by key, the least recently used ones dropped first. Safe under threads."""

    def __init__(self, capacity: int) -> None:
        """Keep up to ``capacity`` bytes."""
        self._capacity = capacity
        self._held = 0
        self._blocks: OrderedDict[Hashable, Array] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes held at present."""
        return self._held

    def resize(self, capacity: int) -> None:
        """Keep up to ``capacity`` bytes from now on."""
        with self._lock:
            self._capacity = capacity
            self._shrink()

    def clear(self) -> None:
        """Drop all blocks."""
        with self._lock:
            self._blocks.clear()
            self._held = 0

    def obtain(
        self, keys: Sequence[_Key], load: Callable[[list[_Key]], Iterable[tuple[_Key, Array]]]
    ) -> dict[_Key, Array]:
        """The blocks of all keys: kept ones, those that other threads are at, and the rest from ``load``.

        ``load`` is given the keys that nobody has and yields each with its block. What it raises is raised here;
        threads that waited for the same block then try for themselves.
        """
        found: dict[_Key, Array] = {}
        wanted: Iterable[_Key] = keys
        while True:
            mine, others = self._claim(wanted, found)
            if mine:
                # Own work first, so that two threads never wait for each other.
                self._load(mine, load, found)
            wanted = []
            for key, flight in others.items():
                block = _landed(flight)
                if block is None:
                    wanted.append(key)
                else:
                    found[key] = block
            if not wanted:
                return found

    def _claim(
        self, wanted: Iterable[_Key], found: dict[_Key, Array]
    ) -> tuple[dict[_Key, _Flight], dict[_Key, _Flight]]:
        """Put into ``found`` what is kept; the flights that are the caller's from now on, and those of others."""
        mine: dict[_Key, _Flight] = {}
        others: dict[_Key, _Flight] = {}
        with self._lock:
            for key in wanted:
                block = self._blocks.get(key)
                if block is not None:
                    self._blocks.move_to_end(key)
                    found[key] = block
                elif key not in mine:
                    flight = self._flights.get(key)
                    if flight is None:
                        mine[key] = self._flights[key] = _Flight()
                    else:
                        others[key] = flight
        return mine, others

    def _load(
        self,
        mine: dict[_Key, _Flight],
        load: Callable[[list[_Key]], Iterable[tuple[_Key, Array]]],
        found: dict[_Key, Array],
    ) -> None:
        try:
            for key, block in load(list(mine)):
                found[key] = block
                flight = mine.pop(key)
                flight.block = block
                with self._lock:
                    self._keep(key, block)
                    del self._flights[key]
                flight.landed.set()
            if mine:
                raise BrokenRaster("A block of the raster is missing.", parameter="url")
        finally:
            if mine:
                with self._lock:
                    for key in mine:
                        del self._flights[key]
                for flight in mine.values():
                    flight.landed.set()

    def _keep(self, key: Hashable, block: Array) -> None:
        if block.nbytes + _OVERHEAD > self._capacity:
            return
        self._blocks[key] = block
        self._held += block.nbytes + _OVERHEAD
        self._shrink()

    def _shrink(self) -> None:
        while self._held > self._capacity:
            _, dropped = self._blocks.popitem(last=False)
            self._held -= dropped.nbytes + _OVERHEAD


cache = BlockCache(64 << 20)
"""The decoded blocks of this process. `BlockCache.resize` sets how many."""
