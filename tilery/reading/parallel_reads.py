"""Parts of one source, opened and read at the same time: while one waits for its bytes another decodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from tilery.limits import compute_slots
from tilery.reading.threads import LazyThreads
from tilery.storage.bytes.fetching import wait

T = TypeVar("T")

THREADS = 16


class ParallelReads:
    """Threads for the parts of sources. Those who run in them start no parts of their own: they would wait in line
    behind themselves.
    """

    def __init__(self, threads: int = THREADS) -> None:
        """Have up to so many threads. None is started yet."""
        self._threads = LazyThreads(threads, "part")

    def run(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Return what all jobs give, in their order. The caller does the first, and lets another compute while it waits
        for the others.

        Raises:
            DeadlineExceeded: the time was up before all were done.
            Exception: the first failure; jobs that have not begun are left undone.
        """
        if len(jobs) < 2:
            return [job() for job in jobs]
        pool = self._threads.pool()
        futures = [pool.submit(copy_context().run, _computing, job) for job in jobs[1:]]
        try:
            first = jobs[0]()
            with compute_slots.released():
                return [first, *map(wait, futures)]
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def close(self) -> None:
        """End the threads."""
        self._threads.close()


def _computing(job: Callable[[], T]) -> T:
    with compute_slots.of_own():
        return job()
