"""Decoded blocks, kept for the next tile that needs them: one cache a process, or one for all workers of a service.

Decoding is most of the time of a tile, and neighbouring tiles share blocks. A block that several threads or workers
need at a time is fetched and decoded by one of them; the others wait for it. Blocks are decoded straight into the
memory that keeps them (`tilery.arena`), and arrays of them are views of it: an array that is alive keeps its block
there.
"""

from __future__ import annotations

import math
import os
import struct
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

import numpy as np

from tilery import stages
from tilery.arena import BLOCK_PAGE, BLOCKS_START, Arena, Key
from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.limits import compute_slots, deadline

_Key = TypeVar("_Key", bound=Hashable)

SPARSE: Array = np.empty(0, np.uint8)
"""Stands for a block that is not stored in the file: all its samples are nodata, or 0."""

_SPARSE_KEPT = 1 << 16
"""Keys of blocks that are not stored, at most."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0003, 0.005
"""Seconds after which to look again for a block that another worker is at: it takes one to ten milliseconds."""


class BlockCache:
    """Blocks by key, those dropped first that were not used lately. Safe under threads."""

    def __init__(self, capacity: int, arena: Arena | None = None) -> None:
        """Keep up to ``capacity`` bytes, or what an arena holds, which other processes may share."""
        self._views = _Views(arena or _arena(capacity))
        self._sparse: dict[Hashable, None] = {}
        self._flights: dict[Hashable, _Decoding] = {}
        self._lock = threading.Lock()
        _alive.add(self)

    @property
    def held(self) -> int:
        """Bytes held at present."""
        return self._views.arena.held

    @property
    def capacity(self) -> int:
        """Bytes that may be held."""
        return self._views.arena.capacity

    def resize(self, capacity: int) -> None:
        """Keep up to ``capacity`` bytes from now on, and nothing of what was kept."""
        self._views = _Views(_arena(capacity))

    def clear(self) -> None:
        """Drop all blocks."""
        with self._lock:
            self._sparse.clear()
        arena = self._views.arena
        if arena.lock():
            try:
                arena.clear()
            finally:
                arena.unlock()

    def renew(self) -> None:
        """Drop all blocks with their memory, which goes back to the system when nobody reads one of them any more."""
        self.resize(self._views.arena.capacity)

    def use_own_memory(self) -> None:
        """Have memory of one's own. For a process that was forked from one that uses the cache."""
        self.renew()
        self._flights = {}
        self._lock = threading.Lock()

    def obtain(
        self,
        keys: Sequence[_Key],
        sizes: Callable[[list[_Key]], Mapping[_Key, int]],
        fill: Callable[[Mapping[_Key, Array]], Iterable[_Key]],
    ) -> dict[_Key, Array]:
        """Return the bytes of each key's block, not to be written to.

        Args:
            keys: of the blocks that are wanted.
            sizes: is given keys that nobody has and returns the bytes of each block; those that it leaves out are
                ``SPARSE``.
            fill: is given memory for blocks that nobody has and yields each key when its memory is filled.

        Raises:
            Whatever ``sizes`` and ``fill`` raise; threads that waited for the same block then try for themselves.
        """
        digests = {key: _digest(key) for key in keys}
        found = self._find(digests)
        missing = [key for key in digests if key not in found]
        while missing:
            mine, others = self._claim(missing)
            # Own work first, so that two threads never wait for each other.
            elsewhere = self._load(mine, digests, sizes, fill, found) if mine else {}
            missing = []
            for key, flight in others.items():
                block = _landed(flight)
                if block is None:
                    missing.append(key)
                else:
                    found[key] = block
            missing += self._await(elsewhere, found)
        return found

    def _find(self, digests: Mapping[_Key, Key]) -> dict[_Key, Array]:
        """Return the blocks that are kept."""
        found = {key: SPARSE for key in digests if key in self._sparse} if self._sparse else {}
        return found | self._look_up(digests)[0]

    def _look_up(self, digests: Mapping[_Key, Key]) -> tuple[dict[_Key, Array], bool]:
        """Return the blocks that are in the arena; and whether there are others that nobody is at."""
        found: dict[_Key, Array] = {}
        gone = False
        views = self._views
        arena = views.arena
        if not arena.lock():
            return found, True
        try:
            for key, digest in digests.items():
                page = arena.find(digest)
                if page is None:
                    gone = True
                elif arena.is_ready(page):
                    found[key] = views.view(page)
        finally:
            arena.unlock()
        return found, gone

    def _claim(self, wanted: Iterable[_Key]) -> tuple[dict[_Key, _Decoding], dict[_Key, _Decoding]]:
        """Return the flights that are the caller's from now on, and those of others."""
        mine: dict[_Key, _Decoding] = {}
        others: dict[_Key, _Decoding] = {}
        with self._lock:
            for key in wanted:
                flight = self._flights.get(key)
                if flight is None:
                    mine[key] = self._flights[key] = _Decoding()
                else:
                    others[key] = flight
        return mine, others

    def _load(
        self,
        mine: dict[_Key, _Decoding],
        digests: Mapping[_Key, Key],
        sizes: Callable[[list[_Key]], Mapping[_Key, int]],
        fill: Callable[[Mapping[_Key, Array]], Iterable[_Key]],
        found: dict[_Key, Array],
    ) -> dict[_Key, Key]:
        """Put the blocks of own flights into ``found``; the digests of those that another worker is at."""
        try:
            stored = sizes(list(mine))
            for key in [key for key in mine if key not in stored]:
                self._remember_sparse(key)
                self._land(key, SPARSE, mine, found)
            buffers, ready = self._buffers_for(stored, digests)
            for key, block in ready.items():
                self._land(key, block, mine, found)
            # Threads of this worker that wait for the same look for themselves: own work may take longer.
            elsewhere = {key: digests[key] for key in mine if key not in buffers}
            self._let_go([mine.pop(key) for key in elsewhere], elsewhere)
            if buffers:
                self._fill(buffers, fill, mine, found)
            return elsewhere
        finally:
            self._let_go(list(mine.values()), mine)

    def _await(self, elsewhere: dict[_Key, Key], found: dict[_Key, Array]) -> list[_Key]:
        """Put blocks that other workers are at into ``found`` when they are there; those that failed are returned."""
        pause = _FIRST_PAUSE
        while elsewhere:
            ready, gone = self._look_up(elsewhere)
            found |= ready
            elsewhere = {key: digest for key, digest in elsewhere.items() if key not in ready}
            if gone or not elsewhere:
                return list(elsewhere)
            with stages.stage(stages.DECODE), compute_slots.released():
                time.sleep(pause)
            deadline.check()
            pause = min(1.5 * pause, _LONGEST_PAUSE)
        return []

    def _fill(
        self,
        buffers: dict[_Key, _BlockBuffer],
        fill: Callable[[Mapping[_Key, Array]], Iterable[_Key]],
        mine: dict[_Key, _Decoding],
        found: dict[_Key, Array],
    ) -> None:
        """Have blocks made."""
        try:
            for key in fill({key: buffer.block for key, buffer in buffers.items()}):
                buffer = buffers.pop(key)
                buffer.block.flags.writeable = False
                buffer.close(filled=True)
                self._land(key, buffer.block, mine, found)
            if buffers:
                raise BrokenRaster("A block of the raster is missing.", parameter="url")
        finally:
            for buffer in buffers.values():
                buffer.close(filled=False)

    def _buffers_for(
        self, sizes: Mapping[_Key, int], digests: Mapping[_Key, Key]
    ) -> tuple[dict[_Key, _BlockBuffer], dict[_Key, Array]]:
        """Return memory for those of some blocks that nobody is at, and those that have appeared meanwhile."""
        views = self._views
        arena = views.arena
        if not arena.lock():
            return {key: _BlockBuffer(np.empty(size, np.uint8)) for key, size in sizes.items()}, {}
        buffers = {}
        ready = {}
        try:
            for key, size in sizes.items():
                page = arena.find(digests[key])
                if page is None:
                    page = arena.make(digests[key], size)
                    if page is None:  # all is in use, or the block is larger than all
                        buffers[key] = _BlockBuffer(np.empty(size, np.uint8))
                    else:
                        buffers[key] = _BlockBuffer(views.buffer(page), arena, page)
                elif arena.is_ready(page):
                    ready[key] = views.view(page)
        finally:
            arena.unlock()
        return buffers, ready

    def _let_go(self, flights: list[_Decoding], keys: Iterable[Hashable]) -> None:
        """End flights without a block."""
        if not flights:
            return
        with self._lock:
            for key in keys:
                del self._flights[key]
        for flight in flights:
            flight.landed.set()

    def _land(self, key: _Key, block: Array, mine: dict[_Key, _Decoding], found: dict[_Key, Array]) -> None:
        """Give a block to whoever wants it."""
        found[key] = block
        flight = mine.pop(key)
        flight.block = block
        with self._lock:
            del self._flights[key]
        flight.landed.set()

    def _remember_sparse(self, key: Hashable) -> None:
        with self._lock:
            if len(self._sparse) >= _SPARSE_KEPT:
                self._sparse.clear()
            self._sparse[key] = None


@dataclass(slots=True)
class _Decoding:
    """A block that some thread is at work on."""

    landed: threading.Event = field(default_factory=threading.Event)
    block: Array | None = None


@dataclass(slots=True)
class _BlockBuffer:
    """Memory to be filled with a block. Without an arena it is nobody else's."""

    block: Array
    arena: Arena | None = None
    page: int = 0

    def close(self, *, filled: bool) -> None:
        """Let others see the block, or forget it."""
        if self.arena is not None and self.arena.lock():
            try:
                self.arena.finish(self.page) if filled else self.arena.drop(self.page)
            finally:
                self.arena.unlock()


class _View(weakref.ref[Array]):
    """Knows which extent an array is a view of, also when the array is gone."""

    __slots__ = ("page",)
    page: int


class _Views:
    """Arrays of an arena's extents. An extent is pinned as long as an array of it, or a view of one, is alive."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self._alive: dict[int, _View] = {}
        self._counts: dict[int, int] = {}
        self._gone: deque[int] = deque()
        self._lock = threading.Lock()

    def view(self, page: int) -> Array:
        """Return the bytes of an extent, not to be written to. With the arena locked."""
        self.arena.use(page)
        array = self.buffer(page)
        array.flags.writeable = False
        return array

    def buffer(self, page: int) -> Array:
        """Return the bytes of an extent, to be filled. With the arena locked."""
        with self._lock:
            self._let_go()
            self._counts[page] = self._counts.get(page, 0) + 1
            size = self.arena.pin(page)
        self._settle()
        # An array on memory that is not an array's: NumPy lets views of it refer to this one, not to what is below.
        array = np.frombuffer(self.arena.memory, np.uint8, size, page * self.arena.page)
        view = _View(array, self._died)
        view.page = page
        self._alive[id(view)] = view
        return array

    def _died(self, view: weakref.ref[Array]) -> None:
        """Called by the interpreter wherever an array comes to its end, perhaps in the middle of what is above."""
        del self._alive[id(view)]
        self._gone.append(view.page)  # type: ignore[attr-defined]
        self._settle()

    def _settle(self) -> None:
        """Unpin what is not needed any more, now or by whoever has the lock."""
        while self._gone and self._lock.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _let_go(self) -> None:
        while self._gone:
            page = self._gone.popleft()
            left = self._counts[page] - 1
            if left:
                self._counts[page] = left
            else:
                del self._counts[page]
                self.arena.unpin(page)


def _arena(capacity: int) -> Arena:
    return Arena(capacity, page=BLOCK_PAGE, start=BLOCKS_START)


def _landed(flight: _Decoding) -> Array | None:
    """Return what another thread has made, waited for; None when it failed."""
    left = deadline.remaining()
    with stages.stage(stages.DECODE), compute_slots.released():
        landed = flight.landed.wait(None if left == math.inf else left)
    if not landed:
        raise deadline.exceeded()
    return flight.block


def _digest(key: Hashable) -> Key:
    """Return 128 bits that stand for a key in all workers."""
    high, low = struct.unpack("QQ", blake2b(repr(key).encode(), digest_size=16).digest())
    return high, low


_alive: weakref.WeakSet[BlockCache] = weakref.WeakSet()
"""Every cache of this process, for what a fork does to them."""


def _forked() -> None:
    for cache in list(_alive):
        cache.use_own_memory()


os.register_at_fork(after_in_child=_forked)
