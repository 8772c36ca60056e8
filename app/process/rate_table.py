"""How many requests came lately, by whom, in memory that all workers of a service share.

Each bucket is one number: the moment from which on it is full again (the generic cell rate algorithm; a token bucket
that needs no clock of its own). A bucket that is full holds nothing that need be known, so its place is free. Those of
known names have places of their own; all others share a table of bounded size in which a new one takes the place of the
fullest of eight: a flood of addresses makes others be forgotten too early, and nobody be refused too early.

Places are found by a keyed digest, so that nobody can choose addresses that meet in one of them.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from typing import Any

from tilery import arena

WAYS = 8
SETS = 2048
"""Sets of so many places: 16,384 addresses in 256 kB."""
PATIENCE = 0.001
"""Seconds to wait for the lock, which is held for a microsecond. Whoever waited in vain counts without it: at worst one
request is not counted."""
_TIMES = 16
"""Waits in vain, one after the other, after which nobody waits any more: who held the lock has died."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request for one token of a bucket."""

    allowed: bool
    left: int
    """Requests that may come at once after this one."""
    wait: float
    """Seconds until one may come; 0 where it may now."""
    full: float
    """Seconds until the bucket is full again."""


class RateTable:
    """Buckets by name. Safe for processes that are forked from this one; not for threads of one process."""

    def __init__(self, places: int = 0, *, sets: int = SETS, shared: bool = False) -> None:
        """Reserve memory.

        Args:
            places: buckets that have places of their own, by number.
            sets: of the table of all others.
            shared: processes that are forked from this one count together.

        Raises:
            OSError, ImportError: the system has no locks that processes share.
        """
        self._lock: Any = arena.process_lock() if shared else None
        self._own = places
        self._sets = sets
        count = places + sets * WAYS
        flags = (mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE) | mmap.MAP_ANONYMOUS
        memory = memoryview(mmap.mmap(-1, 8 * (1 + 2 * count), flags=flags))
        self._failed = memory[:8].cast("Q")
        self._digests = memory[8 : 8 * (1 + count)].cast("Q")
        self._full_at = memory[8 * (1 + count) :].cast("d")
        self._secret = os.urandom(16)

    @property
    def size(self) -> int:
        """Buckets that are remembered at most."""
        return len(self._full_at)

    def take(self, name: str | int, a_second: float, burst: int, now: float) -> Taken:
        """Take one token out of a bucket.

        Args:
            name: of the bucket; a number is one of those that have places of their own.
            a_second: tokens that it gets.
            burst: tokens that it holds.
            now: seconds of a clock that all processes share and that never goes back.
        """
        if isinstance(name, int):
            digest = 0
        else:
            found = hashlib.blake2b(name.encode(), digest_size=8, key=self._secret).digest()
            digest = int.from_bytes(found, "little") or 1
        locked = self._acquire()
        try:
            place = name if isinstance(name, int) else self._place(digest, now)
            return self._taken(place, a_second, burst, now)
        finally:
            if locked:
                self._lock.release()

    def _taken(self, place: int, a_second: float, burst: int, now: float) -> Taken:
        step = 1 / a_second
        most = burst * step
        behind = max(0.0, self._full_at[place] - now)
        behind = min(behind, most)  # a rate that was lowered, or a clock of another boot
        after = behind + step
        if after > most * (1 + 1e-9):
            return Taken(False, 0, after - most, behind)
        self._full_at[place] = now + after
        return Taken(True, int((most - after) * a_second + 1e-6), 0.0, after)

    def _place(self, digest: int, now: float) -> int:
        """Return the place of a bucket; where it has none, that of the fullest of those that it may have."""
        digests, full_at = self._digests, self._full_at
        first = self._own + digest % self._sets * WAYS
        best = first
        for place in range(first, first + WAYS):
            if digests[place] == digest:
                return place
            if full_at[place] < full_at[best]:
                best = place
        digests[best], full_at[best] = digest, now
        return best

    def _acquire(self) -> bool:
        if self._lock is None or self._failed[0] >= _TIMES:
            return False
        if self._lock.acquire(timeout=PATIENCE):
            self._failed[0] = 0
            return True
        self._failed[0] += 1
        return False


shared: RateTable | None = None
"""What this process shares with others; handed down by forking."""


def share(places: int) -> bool:
    """Return True when processes forked from now on count together."""
    global shared  # noqa: PLW0603 - see there
    try:
        shared = RateTable(places, shared=True)
    except (ImportError, OSError):
        shared = None
    return shared is not None
