"""Finished tiles kept beyond the process: in a directory or a bucket, found again by everybody who uses it.

It helps and never harms: a store that is down, slow, full or read-only costs a tile a moment at most, and after a few
failures in a row it is left alone for a while. What did not render well is never written.

    serve       a tile is looked for before it is rendered, and written after, by threads of the store's own; under
                plain keys it is only written, because somebody in front has looked
    redirect    a tile is written before the answer, which leads to the store's public address

`app.serving.service.Service.answer` asks it between memory and the work; here is how.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

from app.config.engine_options import store_options
from app.config.settings import Settings
from app.observing import metrics as m
from app.observing import request
from app.observing.metrics import Metrics
from app.serving.encoded import Encoded
from app.serving.etag import files_version
from tilery.catalog.layer import Layer, Query
from tilery.errors import NotFound, TileryError
from tilery.geo.raster import Bounds, Crs
from tilery.reading.dataset import document_identity
from tilery.reading.reader import Reader
from tilery.rendering.version import RENDER_VERSION
from tilery.storage.objects import Store, open_store

log = logging.getLogger("tilery.tile_store")

Mode = Literal["serve", "redirect"]
Layout = Literal["revision", "plain"]

_WRITERS = 2
_WAITING = 256
"""Tiles that wait to be written at most; further ones are not kept."""
_LATEST = 5.0
"""Seconds after which a tile that still waits is not written any more."""
LONGEST_WRITE = _LATEST + 3.0
"""Seconds after the making of a tile in which it may yet appear in the store."""
_LATELY = 5.0
"""Seconds for which a tile that was written is taken to be there."""
_REMEMBERED = 4096
"""Tiles of which it is remembered when they were written."""
_FAILURES = 3
"""Failures in a row after which the store is left alone."""
_PAUSE = 15.0
"""Seconds for which it is."""
PATIENCE = 3.0
"""Seconds that an answer may wait for a tile to be written, where nothing goes on behind answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTile:
    """Where a tile is kept, what it is, and of which raster it has to be."""

    key: str
    media_type: str
    bounds: Bounds
    crs: Crs
    source: str = ""
    """Identity of the raster or document that the key was made for; empty where the layer's revision says it."""

    def fits(self, reader: Reader) -> bool:
        """Return False when the raster or document was written over since the key was made."""
        return not self.source or document_identity(reader.source) == self.source

    def encoded(self, body: bytes) -> Encoded:
        """Return what the store holds as an answer."""
        return Encoded(body=body, media_type=self.media_type, bounds=self.bounds, crs=self.crs)


class Breaker:
    """Says whether a store is worth asking. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Closed: the store is asked."""
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0

    @property
    def allows(self) -> bool:
        """False while the store is left alone."""
        return self._clock() >= self._until

    def note(self, *, failed: bool) -> None:
        """Count the outcome of one question."""
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures >= _FAILURES:
                self._until = self._clock() + _PAUSE
                self._failures = 0


class TileStore:
    """Tiles by key."""

    def __init__(
        self,
        store: Store,
        *,
        mode: Mode = "serve",
        layout: Layout = "revision",
        public_url: str | None = None,
        cache_control: str = "public, max-age=3600",
        version: str = "",
        breaker: Breaker | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Prepare the store; nothing is read or written yet.

        Args:
            store: where tiles are.
            mode: see above.
            layout: ``revision``: keys change with the data and the style. ``plain``: they are as short as the Lambda
                tiler's, and have to be removed when the data change.
            public_url: what stands before a key in the address that callers are sent to.
            cache_control: kept with each tile, where the store can.
            version: of the operator's files that tiles are made with.
            breaker: for tests.
            metrics: where it is counted what came of questions.
        """
        self._metrics = metrics or Metrics()
        self.version = version
        self.mode = mode
        self.layout = layout
        self._store = store
        self._public_url = (public_url or "").rstrip("/")
        self._cache_control = cache_control
        self._breaker = breaker or Breaker()
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="tile-store")
        self._pending = threading.BoundedSemaphore(_WAITING)
        self._writing: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._written: OrderedDict[str, float] = OrderedDict()

    @property
    def resting(self) -> bool:
        """True while the store is left alone after failures."""
        return not self._breaker.allows

    def key(
        self, layer: Layer, style: str | None, z: int, x: int, y: int, suffix: str, *, source: str = ""
    ) -> str | None:
        """Return where a tile is kept; None where the layout has no place for it.

        Args:
            layer: the layer.
            style: name of the style that was asked for.
            z: zoom.
            x: column.
            y: row.
            suffix: ``.png``, ``@2x.jpg``.
            source: identity of the layer's raster, where that can change without the layer's revision.
        """
        if self.layout == "plain":
            return None if style else f"{layer.id}/{z}/{x}/{y}{suffix}"
        found = layer.style(style) if style else None
        return f"{layer.id}/{variant(layer, found.render if found else (), source, self.version)}/{z}/{x}/{y}{suffix}"

    def address(self, key: str) -> str:
        """Return the public address of a key."""
        return f"{self._public_url}/{key}"

    def find(self, key: str) -> bytes | None:
        """Return the tile's bytes, or None where it is not there or nobody can tell."""
        if not self._breaker.allows:
            self._count("read", "skipped")
            return None
        try:
            blob = self._store.read(key)
        except NotFound:
            self._breaker.note(failed=False)
            self._count("read", "miss")
            return None
        except TileryError as error:
            self._failed("read", error)
            return None
        self._breaker.note(failed=False)
        self._count("read", "hit")
        return blob.body if blob and blob.body else None

    def has(self, key: str) -> bool | None:
        """Return True when the tile is there; None where nobody can tell."""
        if not self._breaker.allows:
            self._count("look", "skipped")
            return None
        try:
            there = self._store.has(key)
        except TileryError as error:
            self._failed("look", error)
            return None
        self._breaker.note(failed=False)
        self._count("look", "hit" if there else "miss")
        return there

    def keep(self, key: str, encoded: Encoded) -> bool:
        """Return True when the tile is in the store now."""
        if not self._breaker.allows:
            self._count("write", "skipped")
            return False
        try:
            self._store.write(key, encoded.body, media_type=encoded.media_type, cache_control=self._cache_control)
        except TileryError as error:
            self._failed("write", error)
            return False
        self._breaker.note(failed=False)
        self._count("write", "done")
        with self._lock:
            self._written[key] = time.monotonic()
            self._written.move_to_end(key)
            if len(self._written) > _REMEMBERED:
                self._written.popitem(last=False)
        return True

    def keep_later(self, key: str, encoded: Encoded) -> None:
        """Write the tile later, or not at all when too many wait."""
        if not self._breaker.allows or not self._pending.acquire(blocking=False):
            self._count("write", "skipped")
            return

        made, record = time.monotonic(), request.current()

        def write() -> None:
            token = request.begin(record)  # so that a failure names it
            try:
                if time.monotonic() - made < _LATEST:
                    self.keep(key, encoded)
            finally:
                request.end(token)
                self._pending.release()

        writing = self._writers.submit(write)
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    def settle(self, seconds: float) -> None:
        """Wait until the tiles that wait are written, as far as the time allows."""
        if self._writing:
            wait(tuple(self._writing), timeout=seconds)

    def keep_again(self, key: str, encoded: Encoded) -> None:
        """Write a tile out of memory later, which the store may have lost since; not when it was written lately."""
        with self._lock:
            written = self._written.get(key)
        if written is None or time.monotonic() - written > _LATELY:
            self.keep_later(key, encoded)

    def close(self) -> None:
        """Write the tiles that wait, and end."""
        self._writers.shutdown()

    def _count(self, operation: str, outcome: str) -> None:
        self._metrics.count(m.TILE_STORE, operation, outcome)

    def _failed(self, verb: str, error: TileryError) -> None:
        self._breaker.note(failed=True)
        self._count(verb, "failed")
        log.warning("tile store: could not %s: %s", verb, error.private or error.detail)


def variant(layer: Layer, style: Query, source: str = "", version: str = "") -> str:
    """Return the part of a key that stands for a layer's data and for how they are shown.

    Args:
        layer: the layer.
        style: render parameters of a style.
        source: identity of its raster, where that can change without the layer's revision.
        version: of the operator's files that tiles are made with.
    """
    return f"{layer.revision}-{_digest((layer.render, style, source) if source else (layer.render, style), version)}"


@lru_cache(1024)  # of a layer with its styles it is the same for all tiles
def _digest(told: tuple[object, ...], version: str) -> str:
    return blake2b(repr(told).encode(), digest_size=5, key=f"{RENDER_VERSION} {version}".encode()).hexdigest()


def variants(layer: Layer, source: str = "", version: str = "") -> tuple[str, ...]:
    """Return the parts of keys that stand for what is served of a layer now; see `variant`."""
    return tuple(variant(layer, render, source, version) for render in ((), *(style.render for style in layer.styles)))


def open_tile_store(settings: Settings, metrics: Metrics | None = None) -> TileStore | None:
    """Return the store that the settings name, or None."""
    if not settings.tile_store:
        return None
    return TileStore(
        open_store(settings.tile_store, store_options(settings), patient=False),
        mode=settings.tile_store_mode,
        layout=settings.tile_store_layout,
        public_url=settings.tile_store_url,
        cache_control=settings.cache_control,
        version=files_version(settings),
        metrics=metrics,
    )
