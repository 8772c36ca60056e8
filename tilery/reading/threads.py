"""Threads that are started when they are first needed, anew in a process that was forked."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Lock


class LazyThreads:
    """A pool of threads. Safe under threads, and under forking."""

    def __init__(self, number: int, name: str) -> None:
        """Have so many, whose names begin so; none is started yet."""
        self._number = number
        self._name = name
        self._lock = Lock()
        self._process = os.getpid()
        self._pool: ThreadPoolExecutor | None = None

    def pool(self) -> ThreadPoolExecutor:
        """Return the threads of this process."""
        if self._process != os.getpid():  # forked: the threads are the parent's, and the lock may have been held
            self._process, self._lock, self._pool = os.getpid(), Lock(), None
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._number, thread_name_prefix=self._name)
            return self._pool

    def close(self) -> None:
        """End the threads; what they have begun they finish, and what has not begun is dropped."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
