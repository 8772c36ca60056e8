"""The layers that are served now: read from a store, checked again every few seconds, never blocked by a bad document.

Two questions are asked of it. ``get`` comes with every tile, so it answers from memory and looks at one document at
most once in ``revalidate`` seconds, whether there is one or not; while one thread looks, others go on with what is
kept. Both what is kept and what is remembered not to be there are bounded. ``page`` tells a part of the list
(`tilery.catalog.listing`).

A layer is gone when the store says so and still can be listed. A directory that has vanished, or a bucket, says nothing
of its layers: the last good ones go on being served.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tilery.catalog import ids, stored_document
from tilery.catalog.layer import Layer, LayerSummary
from tilery.catalog.listing import LayerList, LayerPage, Query
from tilery.errors import BrokenDocument, LayerNotFound, NotFound, UpstreamError
from tilery.storage.objects import Store
from tilery.storage.options import StoreOptions

logger = logging.getLogger("tilery.catalog")

_HELD = 12 << 20
"""Bytes that layers in memory may take together, about; those that nobody asks for any more go first."""
_PARSED = 8
"""How often its document's bytes a layer takes."""
_ABSENT = 8192
"""Ids that are remembered not to be there."""
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
    weight: int = 4096
    """Bytes that it takes, about."""


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
        """In the order in which they were checked."""
        self._held = 0
        self._absent: dict[str, float] = {}
        """When which id was not there, the latest last."""
        self._listing = LayerList(store, revalidate=revalidate, clock=clock, served=self._served)
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
            self._absent.pop(layer_id, None)
        self._listing.expire()

    def reach(self) -> None:
        """Check that the store of the layers can be asked. Reads no document.

        Raises:
            UpstreamError: it cannot.
        """
        self._store.reach()

    def fresh(self, layer_id: str) -> Layer | None:
        """Return the layer where it is known and need not be checked, else None. Touches no store."""
        cached = self._cache.get(layer_id)
        if cached is None or self._clock() - cached.checked >= self._revalidate:
            return None
        return cached.layer

    def get(self, layer_id: str) -> Layer:
        """Return the layer of that id, at most a few seconds old.

        Raises:
            LayerNotFound: there is none, or its document never was good.
            UpstreamError: the store failed and the layer was never read.
        """
        ids.requested(layer_id)
        if (layer := self.fresh(layer_id)) is not None:
            return layer
        cached = self._cache.get(layer_id)
        if cached is None:
            if not self._is_absent(layer_id):
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

    def layers(self) -> tuple[LayerSummary, ...]:
        """Return all layers that can be served, in their order, after the documents of all were looked at.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        return self._listing.all()

    def page(self, query: Query) -> LayerPage:
        """Return a part of the list, at most a few seconds old.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        return self._listing.page(query)

    def fresh_page(self, query: Query) -> LayerPage | None:
        """Return that part where it is known and need not be checked, else None. Touches no store."""
        return self._listing.fresh(query)

    def problems(self) -> Mapping[str, str]:
        """Return what is wrong with the documents that could not be read, by id; the last good layer may still be
        served.
        """
        with self._lock:
            seen = self._listing.seen  # the store answered then
            found = {
                layer_id: cached.problem or (cached.unreachable if cached.checked >= seen else None)
                for layer_id, cached in self._cache.items()
            }
        told = {layer_id: problem for layer_id, problem in found.items() if problem}
        good = found.keys() - told.keys()
        listed = {name: problem for name, problem in self._listing.problems().items() if name not in good}
        return dict(sorted((listed | told).items()))

    def _served(self, layer_id: str) -> Layer | None:
        cached = self._cache.get(layer_id)
        return None if cached is None else cached.layer

    def _is_absent(self, layer_id: str) -> bool:
        """Return True when an id was looked for lately, and was not there."""
        checked = self._absent.get(layer_id)
        return checked is not None and self._clock() - checked < self._revalidate

    def _begin(self, layer_id: str) -> bool:
        """Return True when nobody else checks this layer now. Where nothing is kept to go on with, all of
        them check.
        """
        with self._lock:
            if layer_id in self._checking:
                return False
            self._checking.add(layer_id)
            return True

    def _end(self, layer_id: str) -> None:
        with self._lock:
            self._checking.discard(layer_id)

    def _check(self, layer_id: str) -> _Cached | None:
        """Return what the store says of one id now; what is kept stays where the store or the document fails."""
        cached = self._cache.get(layer_id)
        now = self._clock()
        try:
            blob = self._store.read(stored_document.key(layer_id), unless=cached.version if cached else None)
        except NotFound:
            if cached is None or cached.layer is None or self._is_listable():
                self._forget(layer_id, now)
                return None
            _tell_unreachable(layer_id, cached, _GONE)
            cached.checked, cached.unreachable = now, _GONE
            return cached
        except UpstreamError as error:
            if cached is None:
                cached = _Cached(layer=None, version=None, checked=now)
                self._keep(layer_id, cached)
            _tell_unreachable(layer_id, cached, error.private or error.detail)
            cached.checked, cached.unreachable = now, error.detail
            return cached
        if blob is None and cached is not None:
            cached.checked, cached.unreachable = now, None
            self._keep(layer_id, cached)
            return cached
        if blob is None:  # a store that answers "unchanged" to a question without a version
            return None
        problem: str | None = None
        layer = cached.layer if cached else None
        try:
            layer = stored_document.parsed(self._store, layer_id, blob)
        except BrokenDocument as error:
            problem = error.detail
            if cached is None or cached.version != blob.version:
                kept = "nothing is served of it" if layer is None else "the last good one is served"
                logger.warning("the document of the layer %s is broken: %s; %s", layer_id, problem, kept)
        weight = 4096 + _PARSED * len(blob.body)
        found = _Cached(layer=layer, version=blob.version, checked=now, problem=problem, weight=weight)
        self._keep(layer_id, found)
        return found

    def _keep(self, layer_id: str, found: _Cached) -> None:
        """Keep what is known of an id, and let go of what was not checked for longest where that is too much."""
        with self._lock:
            self._absent.pop(layer_id, None)
            before = self._cache.pop(layer_id, None)
            self._cache[layer_id] = found
            self._held += found.weight - (before.weight if before else 0)
            while self._held > _HELD and len(self._cache) > 1:
                self._held -= self._cache.pop(next(iter(self._cache))).weight

    def _forget(self, layer_id: str, now: float) -> None:
        """Remember that an id is not there."""
        with self._lock:
            before = self._cache.pop(layer_id, None)
            self._held -= before.weight if before else 0
            self._absent.pop(layer_id, None)
            self._absent[layer_id] = now
            if len(self._absent) > _ABSENT:
                del self._absent[next(iter(self._absent))]

    def _is_listable(self) -> bool:
        """Return False where the store itself has gone, with everything in it."""
        try:
            next(iter(self._store.folders()), None)
        except (UpstreamError, NotFound):
            return False
        return True


def _tell_unreachable(layer_id: str, cached: _Cached, problem: str) -> None:
    """Log that a layer cannot be looked at, when that is news."""
    if cached.unreachable is None:
        kept = "nothing is served of it" if cached.layer is None else "the last good one is served"
        logger.warning("the document of the layer %s cannot be reached: %s; %s", layer_id, problem, kept)


def open_catalog(address: str, *, revalidate: float = 5.0, options: StoreOptions | None = None) -> Catalog:
    """Return the catalog at an address: a directory or ``s3://bucket/sources/``."""
    from tilery.storage.objects import open_store

    return Catalog(open_store(address, options), revalidate=revalidate)
