"""How long work tells what it has done: the command line draws bars, tests and functions draw nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the amount that was done since the last call."""


class Progress(Protocol):
    """Something that shows steps."""

    def step(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Advance]:
        """Return a step of that ``title`` while it runs, which gives what it is to be told as it goes on; ``total`` in
        ``unit``s (``B``, ``px``, ``tiles``), None where nobody knows it.
        """
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        """A step that nobody sees."""
        yield lambda _amount: None


@contextmanager
def growth(paths: list[Path], total: int, advance: Advance, interval: float = 0.25) -> Iterator[None]:
    """Advance as files grow towards an expected size; whatever is left of it is advanced at the end.

    For the calls into GDAL that tell nothing while they run.
    """
    stop = threading.Event()
    seen = 0

    def look() -> None:
        nonlocal seen
        while not stop.wait(interval):
            size = min(_size(paths), total)
            if size > seen:
                advance(size - seen)
                seen = size

    watcher = threading.Thread(target=look, name="growth", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
    advance(max(0, total - seen))


def _size(paths: list[Path]) -> int:
    size = 0
    for path in paths:
        try:
            size += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return size
