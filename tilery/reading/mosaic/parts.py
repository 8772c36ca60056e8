"""The rasters of a mosaic by number: where each is, as the policy allows, and which are open."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from threading import Lock
from typing import TypeVar

from tilery.errors import RequestError, SourceDenied, SourceError, SourceNotFound, TileryError, UpstreamError
from tilery.reading import source as source_
from tilery.reading.dataset import Resources
from tilery.reading.mosaic.document import Mosaic
from tilery.reading.open_datasets import LATELY, OpenDataset
from tilery.reading.source import Source
from tilery.reading.stac.item import resolved
from tilery.storage.locations import Location

T = TypeVar("T")

OVERVIEW = -1
"""The number of the raster of the whole mosaic."""
_LOCATED = 5.0
"""Seconds after which the policy is asked again: a symbolic link may lead somewhere else by then."""
_REMEMBERED = 4096
"""Rasters of which it is remembered where they are, and what they were."""


class Parts:
    """The rasters of one mosaic. Safe under threads."""

    def __init__(self, engine: Resources, base: Location, mosaic: Mosaic) -> None:
        """Find rasters from the location of their document, and have an engine open them."""
        self.engine = engine
        self._base = base
        self._mosaic = mosaic
        self._sources: OrderedDict[int, tuple[float, Source]] = OrderedDict()
        self._known: OrderedDict[int, tuple[float, str]] = OrderedDict()
        self._missing: OrderedDict[int, float] = OrderedDict()
        self._lock = Lock()
        self.is_local = True
        """No raster that was met so far needs a network."""

    def name(self, number: int) -> str:
        """Return the address of a raster as the document has it."""
        return (self._mosaic.overview or "") if number == OVERVIEW else self._mosaic.asset(number)

    def source(self, number: int) -> Source:
        """Return the source of a raster.

        Raises:
            SourceRefused: the policy does not allow it.
            InvalidParameter: it is no address.
        """
        now = time.monotonic()
        with self._lock:
            found = self._sources.get(number)
            if found is not None and now - found[0] <= _LOCATED:
                self._sources.move_to_end(number)
                return found[1]
        try:
            made = source_.raster(self.engine.locate(resolved(self._base, self.name(number))))
        except (RequestError, SourceError) as error:
            raise self._of(number, error) from None
        with self._lock:
            self.is_local = self.is_local and made.is_local
            _remember(self._sources, number, (now, made))
        return made

    def get(self, number: int) -> OpenDataset:
        """Return a raster, open.

        Raises:
            SourceError, UpstreamError: it cannot be opened; the message says which it is.
            DeadlineExceeded: the time was up first.
        """
        place = self.source(number)
        try:
            opened = self.engine.datasets.get(place)
        except (RequestError, SourceError, UpstreamError) as error:
            with self._lock:
                self._known.pop(number, None)
                if isinstance(error, (SourceNotFound, SourceDenied)):
                    _remember(self._missing, number, time.monotonic())
            raise self._of(number, error) from None
        with self._lock:
            self._missing.pop(number, None)
            _remember(self._known, number, (opened.checked, opened.dataset.identity))
        return opened

    def find(self, number: int) -> OpenDataset | None:
        """Return a raster if it is open, for others too; None also where it is refused, which `get` will say."""
        try:
            place = self.source(number)
        except TileryError:
            return None
        return self.engine.datasets.peek(place)

    def peek(self, number: int) -> OpenDataset | None:
        """Return a raster if it is open and was checked lately. Never waits for anything."""
        with self._lock:
            found = self._sources.get(number)
        return None if found is None else self.engine.datasets.peek(found[1])

    def identity(self, number: int) -> str:
        """Return the identity of a raster as far as it is known; empty where it is not. Never waits for anything.

        It is known as long as an open raster would not be checked. One that was missing is another after that time,
        so that what was made without it is made anew.
        """
        opened = self.peek(number)
        if opened is not None:
            return opened.dataset.identity
        now, lasting = time.monotonic(), self.engine.datasets.revalidate_seconds
        with self._lock:
            known, missed = self._known.get(number), self._missing.get(number)
        if missed is not None and now - missed <= max(LATELY, 2 * lasting):
            return f"missing {self.moment()}"
        return known[1] if known is not None and now - known[0] <= lasting else ""

    def moment(self) -> str:
        """Return what is the same as long as open rasters are not checked for changes, and another after that time."""
        lasting = self.engine.datasets.revalidate_seconds
        # by the clock: the same for all processes, which share what is kept
        return str(time.monotonic() // lasting) if lasting > 0 else os.urandom(8).hex()

    def forget(self, opened: OpenDataset) -> None:
        """Drop a raster that changed."""
        identity = opened.dataset.identity
        with self._lock:
            for number in [number for number, known in self._known.items() if known[1] == identity]:
                del self._known[number]
        self.engine.datasets.forget(opened)

    def _of(self, number: int, error: TileryError) -> TileryError:
        """Return the error, which says whose it is: by the last part of the address alone, the rest of which may be
        secret.
        """
        name = self.name(number)
        short = name.partition("?")[0].rstrip("/").rpartition("/")[2][:128]
        error.private = f"{name} {error.private or ''}".strip()
        error.detail = f"Raster {short!r} of the mosaic: {error.detail}"
        error.args = (error.detail,)
        error.parameter = "url"
        return error


def _remember(kept: OrderedDict[int, T], number: int, fact: T) -> None:
    """Keep what was found out of a raster, and drop what was found out longest ago."""
    kept[number] = fact
    kept.move_to_end(number)
    if len(kept) > _REMEMBERED:
        kept.popitem(last=False)
