"""Memory for what is kept: decoded blocks and finished tiles, of one process or shared by all workers of a service.

Workers that share it make each block and each tile once for all of them, and the memory counts once. What a worker
reads or fills it pins, so that nobody takes the memory for something else; pins are kept for each worker apart, so that
those of a worker that was killed can be wiped. The tables are changed under one lock, for some microseconds; memory is
filled and read without it.

Space is a row of extents, one behind the other. Room for a new block is made where the last one ended, out of the
extents that follow: those that were used since the last time round are passed over once (the "clock" that comes near
to dropping what was not used for longest). Only the beginning of it is used until something is asked for again that
has been dropped and would still be there otherwise: memory that does not help is never touched, and the first touch of
a page costs as much as what is done with it.
"""

from __future__ import annotations

import mmap
import threading
from typing import Any

from tilery.claims import Claims

BLOCK_PAGE = 16 << 10
"""Bytes that extents of decoded blocks are multiples of: a quarter of a small block."""
TILE_PAGE = 4 << 10
"""The same for tiles, some of which have a few hundred bytes."""
BLOCKS_START, TILES_START = 16 << 20, 8 << 20
"""Bytes of each that are used at first: what a map or two needs."""
PATIENCE = 2.0
"""Seconds to wait for the lock, which is held for microseconds. Whoever waited in vain goes on without an arena."""

_SPARED = 2000
"""Extents that are passed over because they were used, at most: it bounds the time for which the lock is held."""

_GHOSTS = 1 << 12
"""Keys of dropped extents that are kept in mind."""

_FREE, _FILLING, _READY = 0, 1, 2
_CURSOR, _HOLDER, _TORN, _BROKEN, _HELD, _COUNT, _LIMIT, _GONE = range(8)
_HEAD = 8
"""Numbers before the tables."""

Key = tuple[int, int]
"""128 bits of a digest."""


class Arena:
    """Extents of memory by key. All but `unpin` needs `lock`."""

    def __init__(self, capacity: int, *, page: int, start: int | None = None, workers: int = 0) -> None:
        """Hold up to ``capacity`` bytes.

        Args:
            capacity: bytes; memory is taken as it is filled.
            page: bytes that extents are multiples of.
            start: bytes that are used at first; all of them where it is not given.
            workers: number of processes, forked from this one, that may share it at a time; 0 for this process alone.

        Raises:
            OSError, ImportError: the system has no locks that processes share (AWS Lambda has none).
        """
        self.page = page
        self.pages = capacity // page
        self.row = 0
        """Which of the workers this process is."""
        self._rows = max(1, workers)
        self._shared = workers > 0
        self._lock: Any = process_lock() if self._shared else threading.Lock()
        count = max(1, self.pages)
        self._buckets = 1 << max(4, (count // 8).bit_length())
        self._bucket_of = self._buckets - 1
        words = _HEAD + 2 * count + 2 * _GHOSTS
        tables = self._map(8 * words + 4 * (3 * count + self._buckets) + 2 * count)
        numbers = memoryview(tables)
        cut = 8 * words
        self._words = numbers[:cut].cast("Q")
        self._keys = self._words[_HEAD : _HEAD + 2 * count]
        self._ghosts = self._words[_HEAD + 2 * count :]
        self._lengths = numbers[cut : cut + 4 * count].cast("I")
        self._sizes = numbers[cut + 4 * count : cut + 8 * count].cast("I")
        self._next = numbers[cut + 8 * count : cut + 12 * count].cast("I")
        cut += 12 * count
        self._first = numbers[cut : cut + 4 * self._buckets].cast("I")
        cut += 4 * self._buckets
        self._states = numbers[cut : cut + count]
        self._used = numbers[cut + count : cut + 2 * count]
        self._pins = self._map(count * self._rows)
        self._unpinned = bytes(self._rows)
        self.memory = self._map(count * page)
        """The space itself, in the kernel's small pages: large ones are slower on a host that has just started."""
        self._words[_LIMIT] = self._lengths[0] = self.pages if start is None else min(self.pages, start // page)

    def _map(self, size: int) -> mmap.mmap:
        return mmap.mmap(-1, size, flags=(mmap.MAP_SHARED if self._shared else mmap.MAP_PRIVATE) | mmap.MAP_ANONYMOUS)

    @property
    def held(self) -> int:
        """Bytes of the extents that hold something."""
        return self._words[_HELD]

    @property
    def capacity(self) -> int:
        """Bytes that extents may have together."""
        return self.pages * self.page

    def wipe(self, row: int) -> None:
        """Put away what a worker that has ended left behind. For the process that forks them."""
        self._pins[row :: self._rows] = bytes(max(1, self.pages))
        if self._words[_HOLDER] != row + 1:
            if self._lock.acquire(timeout=PATIENCE / 2):
                self._lock.release()
                return
            if self._words[_HOLDER]:
                return  # another worker is at it, and slow
        # It died in the middle of a change: whoever is next puts the tables in order.
        self._words[_HOLDER] = self._words[_BROKEN] = 0
        self._words[_TORN] = 1
        self._lock.release()

    def lock(self) -> bool:
        """Return True when the tables are this thread's until `unlock`; False when they cannot be had."""
        if not self.pages or self._words[_BROKEN]:
            return False
        if not self._shared:
            self._lock.acquire()
            return True
        if not self._lock.acquire(timeout=PATIENCE):
            self._words[_BROKEN] = 1
            return False
        self._words[_HOLDER] = self.row + 1
        if self._words[_TORN]:
            self._mend()
        return True

    def unlock(self) -> None:
        """Give the tables to whoever waits."""
        if self._shared:
            self._words[_HOLDER] = 0
        self._lock.release()

    def find(self, key: Key) -> int | None:
        """Return the page where the extent of a key begins."""
        high, low = key
        keys = self._keys
        place = self._first[low & self._bucket_of]
        while place:
            page = place - 1
            if keys[2 * page] == high and keys[2 * page + 1] == low:
                if self._states[page] == _FILLING and not self._is_pinned(page):
                    self.drop(page)  # who was at it has died
                    return None
                return page
            place = self._next[page]
        return None

    def is_ready(self, page: int) -> bool:
        """Return True when an extent is filled."""
        return self._states[page] == _READY

    def use(self, page: int) -> None:
        """Have an extent passed over the next time that room is made."""
        self._used[page] = 1

    def pin(self, page: int) -> int:
        """Keep an extent for this process, whatever becomes of its key; its size in bytes."""
        self._pins[page * self._rows + self.row] = 1
        return self._sizes[page]

    def unpin(self, page: int) -> None:
        """Let go of an extent that this process pinned."""
        self._pins[page * self._rows + self.row] = 0

    def make(self, key: Key, size: int) -> int | None:
        """Return the page of a new extent for a key that has none, pinned, to be filled; None when there is no room."""
        wanted = max(1, -(-size // self.page))
        if self._is_missed(key):
            self._grow()
        start = self._free_extent(wanted)
        if start is None and self._grow():
            start = self._free_extent(wanted)
        if start is None:
            return None
        # Pinned before anything else says that it is there: `_mend` goes by the pins.
        self._pins[start * self._rows + self.row] = 1
        self._sizes[start] = size
        self._used[start] = 0
        self._states[start] = _FILLING
        self._keys[2 * start], self._keys[2 * start + 1] = key
        bucket = key[1] & self._bucket_of
        self._next[start] = self._first[bucket]
        self._first[bucket] = start + 1
        self._words[_HELD] += wanted * self.page
        self._words[_COUNT] += 1
        return start

    def finish(self, page: int) -> None:
        """Say that an extent is filled."""
        if self._states[page] == _FILLING:  # else the tables were put in order meanwhile, and do not know of it
            self._states[page] = _READY

    def drop(self, page: int) -> None:
        """Free an extent. Its memory is not taken as long as it is pinned."""
        if self._states[page] == _FREE:
            return
        bucket = self._keys[2 * page + 1] & self._bucket_of
        place, before = self._first[bucket], 0
        while place and place != page + 1:
            before, place = place, self._next[place - 1]
        if place:
            if before:
                self._next[before - 1] = self._next[page]
            else:
                self._first[bucket] = self._next[page]
        self._states[page] = _FREE
        self._words[_HELD] -= self._lengths[page] * self.page
        self._words[_COUNT] -= 1

    def clear(self) -> None:
        """Free all extents."""
        page = 0
        while page < self._words[_LIMIT]:
            self.drop(page)
            page += self._lengths[page]

    def _is_pinned(self, page: int) -> bool:
        start = page * self._rows
        return self._pins[start : start + self._rows] != self._unpinned

    def _free_extent(self, wanted: int) -> int | None:
        """Return the page of a free extent of some length, made of what may go; None when too much is pinned."""
        limit = self._words[_LIMIT]
        if wanted > limit:
            return None
        lengths, states, used = self._lengths, self._states, self._used
        start = page = self._words[_CURSOR]
        found = rounds = spared = 0
        while found < wanted:
            if page >= limit:
                rounds += 1
                if rounds > 2:
                    return None
                start = page = found = 0
            length = lengths[page]
            if self._is_pinned(page):
                start, found = page + length, 0
            elif states[page] == _READY and used[page] and spared < _SPARED:
                used[page] = 0
                spared += 1
                start, found = page + length, 0
            else:
                found += length
            page += length
        gone = start
        while gone < page:
            length = lengths[gone]
            if states[gone] == _READY:
                self._remember(gone)
            self.drop(gone)
            gone += length
        if found > wanted:
            lengths[start + wanted] = found - wanted
            states[start + wanted] = _FREE
        lengths[start] = wanted
        self._words[_CURSOR] = start + wanted if start + wanted < limit else 0
        return start

    def _remember(self, page: int) -> None:
        """Keep in mind the key of an extent that has to make room, and when that was."""
        low = self._keys[2 * page + 1]
        slot = 2 * (low % _GHOSTS)
        self._words[_GONE] += 1
        self._ghosts[slot], self._ghosts[slot + 1] = low, self._words[_GONE]

    def _is_missed(self, key: Key) -> bool:
        """Return True when a key was dropped so lately that it would still be there if all of the capacity had been
        used.
        """
        slot = 2 * (key[1] % _GHOSTS)
        if self._ghosts[slot] != key[1] or not self._ghosts[slot + 1]:
            return False
        held = self._words[_COUNT] * self.pages // self._words[_LIMIT]
        return self._words[_GONE] - self._ghosts[slot + 1] <= held

    def _grow(self) -> bool:
        """Return True when all of the capacity is used from now on, and was not before."""
        limit = self._words[_LIMIT]
        if limit == self.pages:
            return False
        self._lengths[limit], self._states[limit] = self.pages - limit, _FREE
        self._words[_CURSOR] = limit
        self._words[_LIMIT] = self.pages
        return True

    def _mend(self) -> None:
        """Empty the tables, but leave alone what workers have pinned."""
        for bucket in range(self._buckets):
            self._first[bucket] = 0
        last = 0
        for page in range(self.pages):
            if page < last or not self._is_pinned(page):
                continue
            if page > last:
                self._lengths[last], self._states[last] = page - last, _FREE
            self._states[page] = _FREE
            last = page + self._lengths[page]
        if last < self.pages:
            self._lengths[last], self._states[last] = self.pages - last, _FREE
        self._words[_LIMIT] = self.pages
        self._words[_CURSOR] = self._words[_HELD] = self._words[_COUNT] = self._words[_TORN] = 0


def process_lock() -> Any:
    """Return a lock for processes that are forked from this one. Costs no call of the system while nobody waits."""
    import multiprocessing  # only where there are workers

    return multiprocessing.get_context("fork").Lock()


class Shared:
    """What the workers of a service have together; made before they are forked."""

    def __init__(self, *, blocks: int, tiles: int, workers: int) -> None:
        """Reserve bytes for decoded blocks and for finished tiles, for so many workers at a time.

        Raises:
            OSError, ImportError: see `Arena`.
        """
        self.blocks = Arena(blocks, page=BLOCK_PAGE, start=BLOCKS_START, workers=workers)
        self.tiles = Arena(tiles, page=TILE_PAGE, start=TILES_START, workers=workers)
        self.claims = Claims()
        """On tiles, taken under the lock of theirs."""
        self._free = set(range(workers))

    def enlist(self) -> int | None:
        """Return the number of a new worker; None when there are too many. For the process that forks them."""
        return self._free.pop() if self._free else None

    def dismiss(self, number: int) -> None:
        """Give the number of a worker that has ended to another. For the process that forks them."""
        self.blocks.wipe(number)
        self.tiles.wipe(number)
        self.claims.wipe(number)
        self._free.add(number)

    def join(self, number: int) -> None:
        """Be the worker of this number."""
        self.blocks.row = self.tiles.row = self.claims.row = number


shared: Shared | None = None
"""What this process shares with others; handed down by forking."""


def share(*, blocks: int, tiles: int, workers: int) -> bool:
    """Return True when processes forked from now on share memory."""
    global shared  # noqa: PLW0603 - see there
    try:
        shared = Shared(blocks=blocks, tiles=tiles, workers=workers)
    except (ImportError, OSError):
        shared = None
    return shared is not None
