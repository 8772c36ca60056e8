"""Bytes that the requests under way may take together: one budget for a process.

Each request says what it is about to take, from the header of the raster and from what was asked for, before it takes
it, and waits until there is room. What was made and not yet sent counts as well: a client who does not read holds his
answer's bytes. Requests as small as a tile never wait: all the slots together can hold little of them.

What a process holds besides is more than what was planned for it at times: libraries keep memory, and the allocator has
gaps. So there is room for a large request only when what the process holds in truth leaves it. What was freed is given
back to the system before a request has to wait, and the caches go before one that would run alone is refused.
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
"""Seconds after which who waits looks again: nobody says when what the process holds shrinks, or a client has read."""
GIVE_BACK_EVERY = 1.0
"""Seconds from one giving back of freed memory to the next, which takes some milliseconds."""
EMPTY_EVERY = 5.0
"""Seconds from one emptying of the caches to the next: who comes afterwards reads all anew."""
REMEMBERED = 8.0
"""Seconds for which the most that the process held beside its requests is taken to be held still: less than anybody
waits."""


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

    def empty(self) -> None:
        """Give back what is kept for requests to come as well."""
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
        self._beside: deque[tuple[float, int]] = deque()
        """What the process held at least beside its requests, with the moments: the most first, then each later one
        that no still later one passed.
        """
        self._given_back = -GIVE_BACK_EVERY
        self._emptied = -EMPTY_EVERY
        self._is_starved = False
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
    def is_starved(self) -> bool:
        """True when a large request found no room although it would have run alone and the caches were emptied: only
        another process can serve it.
        """
        return self._is_starved

    @property
    def crowded(self) -> bool:
        """True when clients who do not read hold half of everything."""
        return self._unsent > self.total // 2

    def unsent(self, change: int) -> None:
        """Count bytes of answers that wait to be read, or that wait no longer. Only the thread that sends calls this,
        and it waits for nobody: there is no lock to it.
        """
        self._unsent += change

    def leave(self, size: int) -> None:
        """Leave ``size`` bytes of what the process may hold to another."""
        if self._holding is not None:
            self._holding.ceiling -= size

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
        resident = self._resident() if size > SMALL else 0
        with self._changed:
            if size <= SMALL or (not self._waiting and self._fits(size, resident)):
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
            while True:
                resident = self._resident()
                with self._changed:
                    is_first = self._waiting[0] is ticket
                    if is_first and self._fits(size, resident):
                        self._give(grant, size)
                        return
                    alone = is_first and not self._large
                if self._make_room(alone=alone):
                    continue
                left = end - time.monotonic()
                with self._changed:
                    self._changed.wait(max(min(left, LOOK_AGAIN), 0))
                    if left <= 0:
                        self._is_starved |= alone and self._held + self._unsent + size <= self.total
                        deadline.check()
                        raise Busy(
                            "The server has no memory left for a request of this size. Try again in a moment.",
                            retry_after=RETRY_AFTER,
                        )
        finally:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _resident(self) -> int:
        """Return what the process holds. Asked without the lock: the system is asked, and others go on meanwhile."""
        return self._holding.resident() if self._holding is not None else 0

    def _fits(self, size: int, resident: int) -> bool:
        taken = self._held + self._unsent
        if taken + size > self.total:
            return False
        if self._holding is None or size <= SMALL:
            return True
        return self._look_beside(resident) + taken + size <= self._holding.ceiling

    def _look_beside(self, resident: int) -> int:
        """Return what the process holds beside its requests. All without what they may have taken by now is the least
        that this can be, so the most of some seconds is what counts; and it is never more than all.
        """
        now, least, seen = time.monotonic(), resident - self._held - self._unsent, self._beside
        while seen and (seen[-1][1] <= least):
            seen.pop()
        seen.append((now, least))
        while seen[0][0] < now - REMEMBERED:
            seen.popleft()
        return min(seen[0][1], resident)

    def _make_room(self, *, alone: bool) -> bool:
        """Give freed memory back, which may be what is missing, or else what is kept for requests to come where nothing
        larger runs; False when both were just done.
        """
        holding, now = self._holding, time.monotonic()
        if holding is None:
            return False
        with self._changed:
            if now - self._given_back >= GIVE_BACK_EVERY:
                self._given_back, give = now, holding.give_back
            elif alone and now - self._emptied >= EMPTY_EVERY:
                self._emptied, give = now, holding.empty
            else:
                return False
        before = holding.resident()
        give()
        freed = before - holding.resident()
        if freed > 0:
            with self._changed:
                self._beside = deque((at, size - freed) for at, size in self._beside)
        return True

    def _give(self, grant: _Grant, size: int) -> None:
        """Count what a request is given, in place of what another of its threads was given in between."""
        self._held += size - grant.held
        self._large += (size > SMALL) - (grant.held > SMALL)
        grant.held = size

    def _give_back(self, grant: _Grant) -> None:
        if not grant.held:
            return
        resident = self._resident() if grant.held > SMALL else 0
        with self._changed:
            self._held -= grant.held
            self._large -= grant.held > SMALL
            grant.held = 0
            if resident:
                self._look_beside(resident)
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
