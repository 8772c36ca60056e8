"""What this process holds of the memory that it may hold."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable

from app.config.settings import Settings
from app.process import budget, native
from tilery import arena

_PAGE = os.sysconf("SC_PAGE_SIZE")


class OwnMemory:
    """The pages that only this process has, against its share of the task's memory. See `limits.memory.Holding`."""

    def __init__(self, ceiling: int, empty_caches: Callable[[], None]) -> None:
        """Let the process hold ``ceiling`` bytes."""
        self.ceiling = ceiling
        self._empty_caches = empty_caches
        self._pages = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._pages)

    def resident(self) -> int:
        """Return the bytes that it holds and that the kernel cannot take back: pages that are of no file. One call of
        the system, since each lets another thread have the interpreter first.
        """
        _, held, shared, *_ = os.pread(self._pages, 256, 0).split()
        return (int(held) - int(shared)) * _PAGE

    def give_back(self) -> None:
        """Give memory that was freed, and that the allocator keeps, back to the system."""
        native.trim()

    def empty(self) -> None:
        """Drop what is kept for requests to come, and give its memory back to the system."""
        self._empty_caches()
        native.trim()


def own_memory(settings: Settings, empty_caches: Callable[[], None]) -> OwnMemory | None:
    """Return what the process may hold for itself, without its share of what all workers have together; None where
    nothing says so, or the kernel does not tell what it holds.
    """
    if not settings.memory or not budget.resident():
        return None
    ceiling = private(settings.memory, settings.block_cache_bytes or 0, settings.tile_cache_bytes or 0)
    return OwnMemory(ceiling, empty_caches)


def private(memory: int, block_cache: int, tile_cache: int) -> int:
    """Return the bytes of a worker's memory that are its own pages: caches shared with other workers are not."""
    return memory - block_cache - tile_cache if arena.shared is not None else memory
