"""Bytes that the requests under way may take together: one budget for a process.

Each request says what it is about to take, from the header of the raster and from what was asked for, before it takes
it, and waits until there is room. What was made and not yet sent counts as well: a client who does not read holds his
answer's bytes. Requests as small as a tile never wait: all the slots together can hold little of them.

What a process holds besides is more than what was planned for it at times: libraries keep memory, and the allocator has
gaps. So there is room for a large request only when what the process holds in truth leaves it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from tilery.errors import Busy, TooMuchWork
from tilery.limits import compute_slots, deadline

SMALL = 8 << 20
"""Bytes up to which a request does not wait: any usual tile."""
LONGEST_WAIT = 10.0
"""Seconds after which a request that waits for room is told to come again."""
RETRY_AFTER = 2
"""Seconds after which it may."""
LOOK_AGAIN = 0.1
"""Seconds after which who waits looks again at what the process holds: nobody says when that shrinks."""
GIVE_BACK_EVERY = 1.0
"""Seconds from one giving back of freed memory to the next, which takes some milliseconds."""
REMEMBERED = 5.0
"""Seconds for which the most that the process held beside its requests is taken to be held still."""


class Holding(Protocol):
    """What the process holds, whoever took it, and may hold."""

    ceiling: int
    """Bytes that it may hold."""

    def resident(self) -> int:
        """Return the bytes that it holds."""
        ...

    def give_back(self) -> None:
        """Give what was freed back to the system."""
        ...


class _Grant:
    """What one request has been given."""

    __slots__ = ("held", "memory")

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.held = 0


_grant: ContextVar[_Grant | None] = ContextVar("memory", default=None)


class Memory:
    """The budget of a process. Safe under threads."""

    STATE = "tilery.memory"
    """Where the server's connections find it: a name in the state of ASGI's lifespan."""

    def __init__(self, total: int, holding: Holding | None = None) -> None:
        """Let all requests together take ``total`` bytes, and no more than the process leaves of what it may hold."""
        self.total = total
        self.most = max(total * 3 // 4, 1)
        """Bytes that one request may take: there is always something that waits to be sent."""
        self._held = 0
        self._large = 0
        self._unsent = 0
        self._holding = holding
        self._rest = 0
        self._rest_until = 0.0
        self._given_back = -GIVE_BACK_EVERY
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """Bytes of the requests at work."""
        return self._held

    @property
    def waiting_to_be_sent(self) -> int:
        """Bytes of answers that their clients have not read."""
        return self._unsent

    @property
    def crowded(self) -> bool:
        """True when clients who do not read hold half of everything."""
        return self._unsent > self.total // 2

    def unsent(self, change: int) -> None:
        """Count bytes of answers that wait to be read, or that wait no longer."""
        with self._changed:
            self._unsent += change
            if change < 0:
                self._changed.notify_all()

    @contextmanager
    def work(self) -> Iterator[None]:
        """A context in which a request is at work; what it was given is free again when it ends."""
        grant = _Grant(self)
        token = _grant.set(grant)
        try:
            yield
        finally:
            _grant.reset(token)
            self._give_back(grant)

    def take(self, grant: _Grant, size: int) -> None:
        """Give a request ``size`` bytes in place of what it has, when there is room; see `need`."""
        if size > self.most:
            raise TooMuchWork(
                f"This would take about {size >> 20} MB of memory; the limit is {self.most >> 20} MB. Ask for a "
                "smaller picture, for fewer bands, or for a format that takes less.",
                limit=self.most,
            )
        # Nobody waits for more while holding some: two who did would wait for each other.
        self._give_back(grant)
        with self._changed:
            if size <= SMALL or (not self._waiting and self._fits(size)):
                self._give(grant, size)
                return
        with compute_slots.released():
            self._wait(grant, size)

    def _wait(self, grant: _Grant, size: int) -> None:
        """Wait in line for room."""
        end = time.monotonic() + min(deadline.remaining(), LONGEST_WAIT)
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while self._waiting[0] is not ticket or not self._fits(size):
                    if self._give_back_freed():
                        continue
                    left = end - time.monotonic()
                    if not self._changed.wait(left if self._holding is None else min(left, LOOK_AGAIN)) and left <= 0:
                        deadline.check()
                        raise Busy(
                            "The server has no memory left for a request of this size. Try again in a moment.",
                            retry_after=RETRY_AFTER,
                        )
                self._give(grant, size)
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        taken = self._held + self._unsent
        if taken + size > self.total:
            return False
        if self._holding is None or size <= SMALL:
            return True
        room = self._beside(taken) + taken + size <= self._holding.ceiling
        # who is the only large one goes on whatever the process holds: for him nothing would change by waiting
        return room or not self._large

    def _beside(self, taken: int) -> int:
        """Return what the process holds beside its requests: what it holds without what they may have taken by now is
        the least that this can be, so the most of some seconds is what counts.
        """
        holding, now = self._holding, time.monotonic()
        least = holding.resident() - taken if holding is not None else 0
        if least >= self._rest or now > self._rest_until:
            self._rest, self._rest_until = least, now + REMEMBERED
        return self._rest

    def _give_back_freed(self) -> bool:
        """Give freed memory back, which may be what is missing; False when that was just done. The lock is held before
        and after, not meanwhile.
        """
        holding, now = self._holding, time.monotonic()
        if holding is None or now - self._given_back < GIVE_BACK_EVERY:
            return False
        self._given_back = now
        self._changed.release()
        try:
            before = holding.resident()
            holding.give_back()
            freed = before - holding.resident()
        finally:
            self._changed.acquire()
        self._rest -= max(freed, 0)
        return True

    def _give(self, grant: _Grant, size: int) -> None:
        """Count what a request is given, in place of what another of its threads was given in between."""
        self._held += size - grant.held
        self._large += (size > SMALL) - (grant.held > SMALL)
        grant.held = size

    def _give_back(self, grant: _Grant) -> None:
        if not grant.held:
            return
        with self._changed:
            self._held -= grant.held
            self._large -= grant.held > SMALL
            grant.held = 0
            if self._waiting:
                self._changed.notify_all()


def need(size: int) -> None:
    """Have ``size`` bytes for the request at work, and wait for them where others have them; where no budget is in
    force, nothing happens.

    Raises:
        TooMuchWork: one request may not take so much.
        Busy: nothing came free in time.
        DeadlineExceeded: the time was up first.
    """
    grant = _grant.get()
    if grant is not None and size > grant.held:
        grant.memory.take(grant, size)
