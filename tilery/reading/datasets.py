"""Open rasters, kept from one request to the next.

Opening costs more than reading a tile, so what is open stays open, up to a number. Each is checked for changes every
few seconds, in the background: a request is never made to wait for it, and a raster that changed is opened anew.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from app.config import settings
from app.process import native
from tilery import arena
from tilery.errors import TileryError
from tilery.limits import compute_slots, deadline
from tilery.reading.grid import blocks
from tilery.reading.grid.engine import CogEngine, header_of, supports
from tilery.reading.profile import Profile, whole_nodata
from tilery.reading.tiff import facts
from tilery.reading.tiff.header import nodata_text
from tilery.storage.bytes import open_source
from tilery.storage.bytes.protocol import ByteSource, SourceChanged
from tilery.storage.locations import Location

if TYPE_CHECKING:
    from tilery.reading.gdal import GdalEngine

LATELY = 60.0
"""Seconds: a raster that nobody asked for during so long is checked before it is used again, not behind its back."""


_CHECKS = 4
"""Checks for changes at a time: a host that does not answer holds up one, not all."""


class Opened:
    """One raster, open: its bytes, its facts and the engines that fill grids from it."""

    def __init__(self, location: Location, source: ByteSource) -> None:
        """Open the raster of a byte source and read what it says of itself."""
        self.location = location
        self.source = source
        self.identity = source.identity
        header = header_of(source)
        profile = facts.profile(header) if header is not None and _stands_alone(source) else None
        self._gdal: GdalEngine | None = None
        self._making = threading.Lock()
        self._closed = False
        self.profile: Profile = profile or self._ask_gdal()
        readable = header is not None and supports(header, self.profile)
        if profile is not None and not readable:
            self.profile = self._ask_gdal()
            readable = header is not None and supports(header, self.profile)
        self.cog = CogEngine(source, self.profile, header) if header is not None and readable else None
        """None: GDAL alone can read this raster."""
        self.derived: dict[Any, Any] = {}
        """What was worked out from the profile (zooms, bounds in a CRS), by the name of the sum and its arguments."""
        self.checked = time.monotonic()
        self.checking = threading.Lock()

    @property
    def gdal(self) -> GdalEngine:
        """The engine of GDAL, which is loaded only when something needs it: our own reader is enough for most."""
        with self._making:
            if self._gdal is None:
                from tilery.reading.gdal import GdalEngine

                self._gdal = GdalEngine(self.source, self.profile)
                if self._closed:  # evicted by another request meanwhile: no handle of it stays open
                    self._gdal.close()
            return self._gdal

    def _ask_gdal(self) -> Profile:
        """What GDAL says of the raster, which it then has open."""
        from tilery.reading.gdal import GdalEngine, Handle, profile_of

        handle = Handle(self.source)
        try:
            with handle.use() as dataset:
                profile = profile_of(dataset)
            if profile.dtypes[0] in ("int64", "uint64") and (text := nodata_text(self.source)) is not None:
                # rasterio knows nodata as floating point, which does not hold them all
                profile = replace(profile, nodata=whole_nodata(text, profile.dtypes[0]))
            self._gdal = GdalEngine(self.source, profile)
        except BaseException:
            handle.close()
            raise
        self._gdal.adopt(handle)
        return profile

    def unchanged(self) -> bool:
        """True when the source still is what was opened. Costs a stat for a local file, nothing for a remote one (each
        of its reads is conditional).
        """
        return self.source.local_path is None or self.source.refresh()

    def close(self) -> None:
        """Close the handles; those in use close when they come back."""
        with self._making:
            self._closed = True
            if self._gdal is not None:
                self._gdal.close()
        self.source.close()


def _stands_alone(source: ByteSource) -> bool:
    """True when GDAL was told to look at no file beside this one, which could say something else of it."""
    return source.local_path is None or native.alone(settings.environment)


class OpenDatasets:
    """The open rasters of this process: the most recently used, up to ``capacity``. Safe under threads."""

    def __init__(self, capacity: int, revalidate_seconds: float) -> None:
        """Keep up to ``capacity`` rasters and check each every ``revalidate_seconds``."""
        self._capacity = capacity
        self._revalidate = revalidate_seconds
        self._opened: OrderedDict[Location, Opened] = OrderedDict()
        self._opening: dict[Location, threading.Lock] = {}
        self._lock = threading.Lock()
        self._checker = ThreadPoolExecutor(_CHECKS, thread_name_prefix="revalidate")

    def get(self, location: Location) -> Opened:
        """The raster at a location, open. Opened once, however many threads ask for it at a time.

        Raises:
            SourceError, UpstreamError: it cannot be opened.
            DeadlineExceeded: the time was up first.
        """
        found = self._find(location)
        if found is not None and self._fresh(found):
            return found
        with self._lock:
            opening = self._opening.setdefault(location, threading.Lock())
        mine = False
        try:
            left = deadline.remaining()
            with compute_slots.released():
                mine = opening.acquire(timeout=-1 if left == math.inf else left)
            if not mine:
                raise deadline.exceeded()
            found = self._find(location)
            if found is None:
                found = self._open(location)
        finally:
            if mine:
                opening.release()
                with self._lock:
                    self._opening.pop(location, None)
        return found

    def peek(self, location: Location) -> Opened | None:
        """The raster at a location if it is open and was checked lately. Never waits for anything."""
        found = self._find(location)
        if found is None or time.monotonic() - found.checked > LATELY + self._revalidate:
            return None
        return found

    def forget(self, opened: Opened) -> None:
        """Drop a raster that changed, so that the next request opens it anew."""
        with self._lock:
            if self._opened.get(opened.location) is opened:
                del self._opened[opened.location]
        opened.close()

    def clear(self) -> None:
        """Close everything."""
        with self._lock:
            open_datasets = list(self._opened.values())
            self._opened.clear()
        for opened in open_datasets:
            opened.close()

    def _find(self, location: Location) -> Opened | None:
        with self._lock:
            found = self._opened.get(location)
            if found is None:
                return None
            self._opened.move_to_end(location)
        if time.monotonic() - found.checked > self._revalidate and found.checking.acquire(blocking=False):
            self._checker.submit(self._check, found)
        return found

    def _fresh(self, opened: Opened) -> bool:
        """True when what was opened may be used: it was checked lately, or is now."""
        if time.monotonic() - opened.checked <= LATELY + self._revalidate:
            return True
        if not opened.source.refresh():
            self.forget(opened)
            return False
        opened.checked = time.monotonic()
        return True

    def _check(self, opened: Opened) -> None:
        try:
            if opened.source.refresh():
                opened.checked = time.monotonic()
            else:
                self.forget(opened)
        except (TileryError, SourceChanged, OSError):
            # Gone, refused or out of reach: the next request opens it anew and tells its caller why.
            self.forget(opened)
        finally:
            opened.checking.release()

    def _open(self, location: Location) -> Opened:
        source = open_source(location)
        try:
            opened = Opened(location, source)
        except BaseException:
            source.close()
            raise
        evicted = []
        with self._lock:
            if (other := self._opened.pop(location, None)) is not None:
                evicted.append(other)  # opened by two at a time: it was evicted while others waited for it
            self._opened[location] = opened
            while len(self._opened) > self._capacity:
                evicted.append(self._opened.popitem(last=False)[1])
        for old in evicted:
            old.close()
        return opened


@cache
def open_datasets() -> OpenDatasets:
    """The open rasters of this process."""
    chosen = settings.get()
    if arena.shared is not None:
        blocks.cache.move_to(arena.shared.blocks)
    elif chosen.block_cache_bytes is not None:
        blocks.cache.resize(chosen.block_cache_bytes)
    opened = OpenDatasets(chosen.kept_datasets, chosen.revalidate_seconds)
    # GDAL closes what is open when the process ends, and then calls our Python files when there is no Python any more.
    atexit.register(opened.clear)
    return opened
