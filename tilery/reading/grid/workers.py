"""A few threads that help with a read when cores would be idle.

Under load every core has a read of its own and helpers would only be in the way; a lone read on an idle machine gets
its blocks decoded on all of them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar, TypeVarTuple

from app.config import settings

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


def in_parallel(work: Callable[[*_Arguments], _Result], jobs: Sequence[tuple[*_Arguments]]) -> Iterator[_Result]:
    """The result of each job, in their order. What a job raises is raised when its turn comes."""
    with _reads:
        helpers = min(len(jobs) - 1, _reads.idle)
        if helpers < 1:
            for job in jobs:
                yield work(*job)
            return
        results: list[Future[_Result]] = [Future() for _ in jobs]
        waiting = deque(zip(jobs, results, strict=True))
        for _ in range(helpers):
            _pool().submit(_help, work, waiting)
        try:
            for result in results:
                # The caller works as well, and only waits for what a helper has taken and not yet done.
                while not result.done() and waiting:
                    _next(work, waiting)
                yield result.result()
        finally:
            waiting.clear()


class _Reads:
    """Counts the reads under way, each of which has a thread of its own."""

    def __init__(self) -> None:
        self._busy = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self._busy += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._busy -= 1

    @property
    def idle(self) -> int:
        """Cores that no read keeps busy."""
        return _cores() - self._busy


_reads = _Reads()


@cache
def _cores() -> int:
    """Cores that this process may use: its share of them, when there are other workers."""
    all_of_them = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return settings.get().cores or all_of_them


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _cores() - 1), thread_name_prefix="decode")


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
