"""Who may compute: as many threads at a time as there are slots.

A thread that waits for bytes from a store releases its slot to another meanwhile, so that a store far away keeps no
core idle, and yet no more threads than slots decode and hold pixels at a time. Whoever waits for another thread (for a
block that it decodes, for a raster that it opens) releases its slot too: else all slots could be held by threads that
wait for one without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tilery.limits import deadline


class _Slot:
    """What a thread holds while it computes."""

    __slots__ = ("_free", "held")

    def __init__(self, free: threading.Semaphore) -> None:
        self._free = free
        self.held = False

    def take(self) -> None:
        if not self._free.acquire(blocking=False):
            left = deadline.remaining()
            if not self._free.acquire(timeout=None if left == float("inf") else left):
                raise deadline.exceeded()
        self.held = True

    def another(self) -> _Slot:
        return _Slot(self._free)

    def give(self) -> None:
        if self.held:
            self.held = False
            self._free.release()


_slot: ContextVar[_Slot | None] = ContextVar("slot", default=None)


class ComputeSlots:
    """The slots of a process."""

    def __init__(self, number: int) -> None:
        """Let ``number`` threads compute at a time."""
        self._free = threading.Semaphore(number)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A context in which this thread computes; entered when a slot is free.

        Raises:
            DeadlineExceeded: the time was up first.
        """
        slot = _Slot(self._free)
        slot.take()
        token = _slot.set(slot)
        try:
            yield
        finally:
            _slot.reset(token)
            slot.give()


@contextmanager
def of_own() -> Iterator[None]:
    """A context in which this thread, which works for one that holds a slot, holds a further one of the same.

    Raises:
        DeadlineExceeded: the time was up before one was free.
    """
    others = _slot.get()
    if others is None:
        yield
        return
    turn = others.another()
    turn.take()
    token = _slot.set(turn)
    try:
        yield
    finally:
        _slot.reset(token)
        turn.give()


@contextmanager
def released() -> Iterator[None]:
    """A context in which this thread only waits; it ends when a slot is free again.

    Raises:
        DeadlineExceeded: the time was up first.
    """
    slot = _slot.get()
    if slot is None or not slot.held:
        yield
        return
    token = _slot.set(None)  # threads that wait together with this one have no slot of their own to release
    slot.give()
    try:
        yield
    finally:
        _slot.reset(token)
        slot.take()


@contextmanager
def held() -> Iterator[None]:
    """A context in which this thread does not release its slot: it holds locks of others while it waits."""
    token = _slot.set(None)
    try:
        yield
    finally:
        _slot.reset(token)
