"""A few threads that help with a read when cores would be idle.

Under load every core has a read of its own and helpers would only be in the way; a lone read on an idle machine gets
its blocks decoded on all of them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar, TypeVarTuple

from tilery.reading.threads import LazyThreads

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class Workers:
    """The cores that reads may keep busy, and threads for those that are idle."""

    def __init__(self, cores: int | None = None) -> None:
        """Count on so many cores. None: those that this process may run on. No thread is started yet."""
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._cores = cores or available
        self._busy = 0
        self._lock = threading.Lock()
        self._threads = LazyThreads(max(1, self._cores - 1), "decode")

    def in_parallel(
        self, work: Callable[[*_Arguments], _Result], jobs: Sequence[tuple[*_Arguments]]
    ) -> Iterator[_Result]:
        """Yield the result of each job, in their order. What a job raises is raised when its turn comes."""
        with self._lock:
            self._busy += 1
            helpers = min(len(jobs) - 1, self._cores - self._busy)
        try:
            if helpers < 1:
                for job in jobs:
                    yield work(*job)
                return
            results: list[Future[_Result]] = [Future() for _ in jobs]
            waiting = deque(zip(jobs, results, strict=True))
            for _ in range(helpers):
                self._threads.pool().submit(_help, work, waiting)
            try:
                for result in results:
                    # The caller works as well, and only waits for what a helper has taken and not yet done.
                    while not result.done() and waiting:
                        _next(work, waiting)
                    yield result.result()
            finally:
                waiting.clear()
        finally:
            with self._lock:
                self._busy -= 1

    def close(self) -> None:
        """End the threads; what they have begun they finish."""
        self._threads.close()


def _help(work: Callable[[*_Arguments], _Result], waiting: deque[tuple[tuple[*_Arguments], Future[_Result]]]) -> None:
    while waiting:
        _next(work, waiting)


def _next(work: Callable[[*_Arguments], _Result], waiting: deque[tuple[tuple[*_Arguments], Future[_Result]]]) -> None:
    """Do one job that nobody has taken."""
    try:
        job, result = waiting.popleft()
    except IndexError:
        return
    try:
        result.set_result(work(*job))
    except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
        result.set_exception(error)
