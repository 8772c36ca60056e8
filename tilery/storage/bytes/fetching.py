"""Who fetches: a bounded number of threads, and a bounded share of them for each store.

Threads are shared by all that an engine reads. The caller's own thread takes part where it can, so that work goes on
even when all others are busy, and a single range costs no hop between threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore
from types import TracebackType
from typing import TypeVar

from tilery.errors import UpstreamTimeout
from tilery.limits import deadline

T = TypeVar("T")

STUCK = 3.0
"""Seconds without any movement at a store, all of whose places are taken, after which further requests are refused."""


def together(jobs: Sequence[Callable[[], T]], pool: ThreadPoolExecutor, *, take_part: bool) -> list[T]:
    """Return what all jobs give, in their order, done at the same time by the pool's threads and, if wished, the
    caller's.

    Raises:
        DeadlineExceeded: the time was up before all were done.
        Exception: the first failure; jobs that have not begun are left undone.
    """
    others = jobs[:-1] if take_part else jobs
    futures = [pool.submit(copy_context().run, job) for job in others]
    try:
        own = [job() for job in jobs[len(others) :]]
        return [*map(wait, futures), *own]
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def elsewhere(job: Callable[[], T], pool: ThreadPoolExecutor) -> T:
    """Return what the job gives, done by a thread of the pool, which is left behind when the time is up.

    Raises:
        DeadlineExceeded: the time was up first.
    """
    return wait(pool.submit(copy_context().run, job))


def wait(future: Future[T]) -> T:
    """Return the future's result.

    Raises:
        DeadlineExceeded: the time was up first.
    """
    left = deadline.remaining()
    try:
        return future.result(None if left == float("inf") else left)
    except TimeoutError:
        if future.done():  # at the last moment, or the error is the job's own
            return future.result()
        raise deadline.exceeded() from None


class Bulkhead:
    """A store's share: so many requests at a time, and none when it hangs.

    While every place is taken, requests wait their turn. When moreover none has begun or ended for `STUCK` seconds the
    store is taken to hang, and further requests are refused at once instead of tying up threads that other stores need.
    """

    __slots__ = ("_moved", "_places")

    def __init__(self, places: int) -> None:
        self._places = BoundedSemaphore(places)
        self._moved = time.monotonic()

    def __enter__(self) -> None:
        """Take a place.

        Raises:
            UpstreamTimeout: the store hangs.
            DeadlineExceeded: the time was up first.
        """
        while not self._places.acquire(blocking=False):
            quiet = time.monotonic() - self._moved
            if quiet >= STUCK:
                raise UpstreamTimeout(retry_after=int(STUCK))
            if self._places.acquire(timeout=min(STUCK - quiet, deadline.remaining())):
                break
        self._moved = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give the place back."""
        self._moved = time.monotonic()
        self._places.release()


def share(number: int) -> int:
    """Return how many of this many threads a single store may hold: three of four, and at least two."""
    return max(2, number * 3 // 4)
