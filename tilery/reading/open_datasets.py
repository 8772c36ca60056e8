"""Open rasters, kept from one request to the next.

Opening costs more than reading a tile, so what is open stays open, up to a number. Each is checked for changes every
few seconds, in the background: a request is never made to wait for it, and a raster that changed is opened anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from tilery import stages
from tilery.errors import TileryError
from tilery.limits import compute_slots, deadline
from tilery.reading.dataset import Dataset, Holder
from tilery.reading.source import Source
from tilery.storage.bytes.protocol import SourceChanged

T = TypeVar("T")

LATELY = 60.0
"""Seconds: a raster that nobody asked for during so long is checked before it is used again, not behind its back."""


_DERIVED = 256
"""Sums kept for a raster. Callers name the CRSs that they are made for: there is no end of those."""
_MOST_HELD = 128 << 20
"""Bytes that datasets may hold that hold much, as the documents of mosaics; those that were not used lately go."""
_CHECKS = 4
"""Checks for changes at a time: a host that does not answer holds up one, not all."""


class OpenDataset:
    """One dataset, open, with what is known of it."""

    __slots__ = ("checked", "checking", "dataset", "derived", "source")

    def __init__(self, source: Source, dataset: Dataset) -> None:
        """Keep a dataset that was opened just now."""
        self.source = source
        self.dataset = dataset
        self.derived: dict[Any, Any] = {}
        """What was worked out from the profile (zooms, bounds in a CRS), by the name of the sum and its arguments."""
        self.checked = time.monotonic()
        self.checking = threading.Lock()

    def derive(self, key: tuple[Any, ...], work_out: Callable[[], T]) -> T:
        """Return what was worked out before under that key, or is now."""
        derived = self.derived
        with suppress(KeyError):
            known: T = derived[key]
            return known
        found = work_out()
        if len(derived) >= _DERIVED:
            derived.clear()
        derived[key] = found
        return found


class OpenDatasets:
    """The open rasters of an engine: the most recently used, up to ``capacity``. Safe under threads."""

    def __init__(self, open_: Callable[[Source], Dataset], *, capacity: int, revalidate_seconds: float) -> None:
        """Keep up to ``capacity`` datasets, which ``open_`` opens, and check each every ``revalidate_seconds``."""
        self._open_dataset = open_
        self._capacity = capacity
        self.revalidate_seconds = revalidate_seconds
        """Seconds after which a dataset is checked for changes."""
        self._opened: OrderedDict[Source, OpenDataset] = OrderedDict()
        self._opening: dict[Source, threading.Lock] = {}
        self._lock = threading.Lock()
        self._checker = ThreadPoolExecutor(_CHECKS, thread_name_prefix="revalidate")

    def get(self, source: Source) -> OpenDataset:
        """Return the dataset of a source, open. Opened once, however many threads ask for it at a time.

        Raises:
            SourceError, UpstreamError: it cannot be opened.
            DeadlineExceeded: the time was up first.
        """
        found = self._find(source)
        if found is not None and self._fresh(found):
            return found
        with self._lock:
            opening = self._opening.setdefault(source, threading.Lock())
        mine = False
        try:
            left = deadline.remaining()
            with compute_slots.released():
                mine = opening.acquire(timeout=-1 if left == math.inf else left)
            if not mine:
                raise deadline.exceeded()
            found = self._find(source)
            if found is None:
                found = self._open(source)
        finally:
            if mine:
                opening.release()
                with self._lock:
                    self._opening.pop(source, None)
        return found

    def peek(self, source: Source) -> OpenDataset | None:
        """Return the dataset of a source if it is open and was checked lately. Never waits for anything."""
        found = self._find(source)
        if found is None or time.monotonic() - found.checked > LATELY + self.revalidate_seconds:
            return None
        return found

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._opened)

    def forget(self, opened: OpenDataset) -> None:
        """Drop a raster that changed, so that the next request opens it anew."""
        with self._lock:
            if self._opened.get(opened.source) is opened:
                del self._opened[opened.source]
        opened.dataset.close()

    def close(self) -> None:
        """Close everything, and check nothing any more."""
        self._checker.shutdown(wait=False, cancel_futures=True)
        self.clear()

    def clear(self) -> None:
        """Close every raster."""
        with self._lock:
            open_datasets = list(self._opened.values())
            self._opened.clear()
        for opened in open_datasets:
            opened.dataset.close()

    def _find(self, source: Source) -> OpenDataset | None:
        with self._lock:
            found = self._opened.get(source)
            if found is None:
                return None
            self._opened.move_to_end(source)
        if time.monotonic() - found.checked > self.revalidate_seconds and found.checking.acquire(blocking=False):
            self._checker.submit(self._check, found)
        return found

    def _fresh(self, opened: OpenDataset) -> bool:
        """Return True when what was opened may be used: it was checked lately, or is now."""
        if time.monotonic() - opened.checked <= LATELY + self.revalidate_seconds:
            return True
        if not opened.dataset.refresh():
            self.forget(opened)
            return False
        opened.checked = time.monotonic()
        return True

    def _check(self, opened: OpenDataset) -> None:
        try:
            if opened.dataset.refresh():
                opened.checked = time.monotonic()
            else:
                self.forget(opened)
        except (TileryError, SourceChanged, OSError):
            # Gone, refused or out of reach: the next request opens it anew and tells its caller why.
            self.forget(opened)
        finally:
            opened.checking.release()

    def _open(self, source: Source) -> OpenDataset:
        with stages.stage(stages.OPEN):
            opened = OpenDataset(source, self._open_dataset(source))
        evicted = []
        with self._lock:
            if (other := self._opened.pop(source, None)) is not None:
                evicted.append(other)  # opened by two at a time: it was evicted while others waited for it
            self._opened[source] = opened
            while len(self._opened) > self._capacity:
                evicted.append(self._opened.popitem(last=False)[1])
            if _held(opened):
                evicted += self._too_heavy(opened)
        for old in evicted:
            old.dataset.close()
        return opened

    def _too_heavy(self, newest: OpenDataset) -> list[OpenDataset]:
        """Take out what holds memory and was used longest ago, until all hold no more than they may."""
        holding = [one for one in self._opened.values() if _held(one) and one is not newest]
        total, found = sum(map(_held, holding)) + _held(newest), []
        for one in holding:
            if total <= _MOST_HELD:
                break
            total -= _held(one)
            found.append(self._opened.pop(one.source))
        return found


def _held(opened: OpenDataset) -> int:
    return opened.dataset.held_bytes if isinstance(opened.dataset, Holder) else 0
