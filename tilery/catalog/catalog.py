"""The layers that are served now: read from a store, checked again every few seconds, never blocked by a bad document.

Two questions are asked of it. ``get`` comes with every tile, so it answers from memory and looks at one document at
most once in ``revalidate`` seconds; while one thread looks, others go on with what is kept. An id that is not known
costs a listing of the store's names at most as often, however many such ids are asked for. ``page`` reads the documents
of a part of the list, and ``layers`` those of all: nothing that is asked for over the net does.

A layer is gone when the store says so and still can be listed. A directory that has vanished, or a bucket, says nothing
of its layers: the last good ones go on being served.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tilery.catalog import document, ids
from tilery.catalog.layer import Layer
from tilery.errors import BrokenDocument, LayerNotFound, NotFound, UpstreamError
from tilery.storage.objects import Store
from tilery.storage.options import StoreOptions

logger = logging.getLogger("tilery.catalog")

DOCUMENT = "index.json"
_READERS = 16
"""Documents read at a time from a listing."""
_PAGES = 64
"""Pages of the list that are kept."""
_GONE = "The store of the layers has vanished."


@dataclass(slots=True)
class _Cached:
    """What is known of one id. Replaced field by field under the catalog's lock."""

    layer: Layer | None
    version: str | None
    checked: float
    problem: str | None = None
    """What is wrong with the document."""
    unreachable: str | None = None
    """What was wrong with the store when it was asked last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of the list of layers."""

    layers: tuple[Layer, ...]
    """Those that can be served, by id."""
    total: int
    """Ids in the whole list."""
    state: str
    """Changes with every document of the page, and with the number of all; the same in every process."""


class Catalog:
    """Layers by id. Safe to use from many threads; nothing is read before the first question."""

    def __init__(self, store: Store, *, revalidate: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the catalog from a store.

        Args:
            store: where the documents are.
            revalidate: seconds for which an answer is not checked again.
            clock: for tests.
        """
        self._store = store
        self._revalidate = revalidate
        self._clock = clock
        self._lock = threading.Lock()
        self._cache: dict[str, _Cached] = {}
        self._names: tuple[str, ...] = ()
        self._pages: dict[tuple[int, int], tuple[float, Page]] = {}
        self._listed: float | None = None
        self._listing = threading.Lock()
        self._parsing = threading.Lock()
        self._checking: set[str] = set()

    @property
    def address(self) -> str:
        """Where the layers are; the policy for their sources has to let it through."""
        return self._store.address

    @property
    def store(self) -> Store:
        """Where the documents are, to be written to; tell `changed` afterwards."""
        return self._store

    def changed(self, layer_id: str) -> None:
        """Look at a layer again before it is served next; other processes find out when they look at it."""
        with self._lock:
            if (cached := self._cache.get(layer_id)) is not None:
                cached.checked = -math.inf
            self._listed = None if self._listed is None else -math.inf
            self._pages.clear()

    def reach(self) -> None:
        """Check that the store of the layers can be asked. Reads no document.

        Raises:
            UpstreamError: it cannot.
        """
        self._store.reach()

    def fresh(self, layer_id: str) -> Layer | None:
        """The layer where it is known and need not be checked, else None. Touches no store."""
        cached = self._cache.get(layer_id)
        if cached is None or self._clock() - cached.checked >= self._revalidate:
            return None
        return cached.layer

    def get(self, layer_id: str) -> Layer:
        """The layer of that id, at most a few seconds old.

        Raises:
            LayerNotFound: there is none, or its document never was good.
            UpstreamError: the store failed and the layer was never read.
        """
        ids.requested(layer_id)
        if (layer := self.fresh(layer_id)) is not None:
            return layer
        cached = self._cache.get(layer_id)
        if cached is None:
            if layer_id in self._list():
                cached = self._check(layer_id)
        elif self._clock() - cached.checked >= self._revalidate and self._begin(layer_id):
            try:
                cached = self._check(layer_id)
            finally:
                self._end(layer_id)
        if cached is None:
            raise LayerNotFound(parameter="layer")
        if cached.layer is None and cached.unreachable:
            raise UpstreamError(cached.unreachable)
        if cached.layer is None:
            raise LayerNotFound("This layer cannot be served: its document is broken.", parameter="layer")
        return cached.layer

    def layers(self) -> tuple[Layer, ...]:
        """All layers that can be served, by id.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        return self._read(self._list())

    def page(self, offset: int, limit: int) -> Page:
        """A part of the list, at most a few seconds old.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        if (page := self.fresh_page(offset, limit)) is not None:
            return page
        now = self._clock()
        names = self._list()
        layers = self._read(names[offset : offset + limit])
        digest = hashlib.blake2b(repr((len(names), [(layer.id, layer.version) for layer in layers])).encode())
        page = Page(layers=layers, total=len(names), state=digest.hexdigest()[:32])
        with self._lock:
            if len(self._pages) >= _PAGES:
                self._pages.clear()
            self._pages[offset, limit] = (now, page)
        return page

    def fresh_page(self, offset: int, limit: int) -> Page | None:
        """That part where it is known and need not be checked, else None. Touches no store."""
        checked, page = self._pages.get((offset, limit), (0.0, None))
        return page if page is not None and self._clock() - checked < self._revalidate else None

    def problems(self) -> Mapping[str, str]:
        """What is wrong with the documents that could not be read, by id; the last good layer may still be served."""
        found = {layer_id: cached.problem or cached.unreachable for layer_id, cached in sorted(self._cache.items())}
        return {layer_id: problem for layer_id, problem in found.items() if problem}

    def _begin(self, layer_id: str) -> bool:
        """True when nobody else checks this layer now. Where nothing is kept to go on with, all of them check."""
        with self._lock:
            if layer_id in self._checking:
                return False
            self._checking.add(layer_id)
            return True

    def _end(self, layer_id: str) -> None:
        with self._lock:
            self._checking.discard(layer_id)

    def _check(self, layer_id: str) -> _Cached | None:
        """What the store says of one id now; what is kept stays where the store or the document fails."""
        cached = self._cache.get(layer_id)
        now = self._clock()
        try:
            blob = self._store.read(f"{layer_id}/{DOCUMENT}", unless=cached.version if cached else None)
        except NotFound:
            if cached is None or cached.layer is None or self._is_listable():
                with self._lock:
                    self._cache.pop(layer_id, None)
                return None
            _tell_unreachable(layer_id, cached, _GONE)
            cached.checked, cached.unreachable = now, _GONE
            return cached
        except UpstreamError as error:
            if cached is None:  # nothing is known of it but that it is there
                cached = _Cached(layer=None, version=None, checked=now)
                with self._lock:
                    self._cache[layer_id] = cached
            _tell_unreachable(layer_id, cached, error.private or error.detail)
            cached.checked, cached.unreachable = now, error.detail
            return cached
        if blob is None and cached is not None:
            cached.checked, cached.unreachable = now, None
            return cached
        if blob is None:  # a store that answers "unchanged" to a question without a version
            return None
        problem: str | None = None
        layer = cached.layer if cached else None
        try:
            with self._parsing:  # many threads wait for the store, and one at a time takes the interpreter's lock
                layer = document.parse(
                    layer_id, blob.body, version=blob.version, folder=f"{self._store.address}{layer_id}/"
                )
        except BrokenDocument as error:
            problem = error.detail
            if cached is None or cached.version != blob.version:
                kept = "nothing is served of it" if layer is None else "the last good one is served"
                logger.warning("the document of the layer %s is broken: %s; %s", layer_id, problem, kept)
        found = _Cached(layer=layer, version=blob.version, checked=now, problem=problem)
        with self._lock:
            self._cache[layer_id] = found
        return found

    def _is_listable(self) -> bool:
        """False where the store itself has gone, with everything in it."""
        try:
            next(iter(self._store.folders()), None)
        except (UpstreamError, NotFound):
            return False
        return True

    def _read(self, names: Iterable[str]) -> tuple[Layer, ...]:
        """The layers of these ids that can be served; those that are not fresh are checked first."""
        names = tuple(names)
        now = self._clock()
        cached = {name: self._cache.get(name) for name in names}
        stale = [name for name, found in cached.items() if found is None or now - found.checked >= self._revalidate]
        if len(stale) <= 2:
            for name in stale:
                self._check(name)
        else:
            with ThreadPoolExecutor(_READERS, thread_name_prefix="catalog") as pool:
                list(pool.map(self._check, stale))
        found = (self._cache.get(name) for name in names)
        return tuple(each.layer for each in found if each is not None and each.layer is not None)

    def _list(self) -> tuple[str, ...]:
        """The ids of the store's folders, sorted; looked at no more often than once in ``revalidate`` seconds.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        if self._listed is not None and self._clock() - self._listed < self._revalidate:
            return self._names
        with self._listing:  # the others wait: they asked for what only the listing can tell
            now = self._clock()
            if self._listed is not None and now - self._listed < self._revalidate:
                return self._names
            try:
                names = tuple(sorted(name for name in self._store.folders() if ids.is_id(name)))
            except (UpstreamError, NotFound) as error:
                logger.warning("the layers cannot be listed: %s", error.private or error.detail)
                if self._listed is None:
                    raise UpstreamError(
                        f"The layers cannot be listed. {error.detail}", private=error.private
                    ) from error
                self._listed = now
                return self._names
            with self._lock:
                for layer_id in set(self._cache) - set(names):
                    del self._cache[layer_id]
                self._names = names
            self._listed = now
            return names


def _tell_unreachable(layer_id: str, cached: _Cached, problem: str) -> None:
    """Log that a layer cannot be looked at, when that is news."""
    if cached.unreachable is None:
        kept = "nothing is served of it" if cached.layer is None else "the last good one is served"
        logger.warning("the document of the layer %s cannot be reached: %s; %s", layer_id, problem, kept)


def open_catalog(address: str, *, revalidate: float = 5.0, options: StoreOptions | None = None) -> Catalog:
    """The catalog at an address: a directory or ``s3://bucket/sources/``."""
    from tilery.storage.objects import open_store

    return Catalog(open_store(address, options), revalidate=revalidate)
