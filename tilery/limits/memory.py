"""Bytes that the requests under way may take together: one budget for a process.

Each request says what it is about to take, from the header of the raster and from what was asked for, before it takes
it, and waits until there is room. What was made and not yet sent counts as well: a client who does not read holds his
answer's bytes. Requests as small as a tile never wait: all the slots together can hold little of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tilery.errors import Busy, TooMuchWork
from tilery.limits import compute_slots, deadline

SMALL = 8 << 20
"""Bytes up to which a request does not wait: any usual tile."""
LONGEST_WAIT = 10.0
"""Seconds after which a request that waits for room is told to come again."""
RETRY_AFTER = 2
"""Seconds after which it may."""


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

    def __init__(self, total: int) -> None:
        """Let all requests together take ``total`` bytes."""
        self.total = total
        self.most = max(total * 3 // 4, 1)
        """Bytes that one request may take: there is always something that waits to be sent."""
        self._held = 0
        self._unsent = 0
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
                self._held += size
                grant.held = size
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
                    if not self._changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                        deadline.check()
                        raise Busy(
                            "The server has no memory left for a request of this size. Try again in a moment.",
                            retry_after=RETRY_AFTER,
                        )
                self._held += size
                grant.held = size
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._held + self._unsent + size <= self.total

    def _give_back(self, grant: _Grant) -> None:
        if not grant.held:
            return
        with self._changed:
            self._held -= grant.held
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
