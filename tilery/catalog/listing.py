"""The list of layers as a process has it: the index, compared from time to time with the documents that there are.

The index alone is asked for every few seconds, which is one request and mostly the answer that it has not changed. It
may be wrong: documents are put into a store by hand and by programs that know of no index, or there is none. So the
documents are listed as well, without reading them, no more often than a small part of the time allows, and those of
which the index has another version are read when a page shows them. While that takes long the list of before is told.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from tilery.catalog import index, stored_document
from tilery.catalog.geopackage import LayerTable
from tilery.catalog.layer import LayerSummary
from tilery.errors import NotFound, TileryError, UpstreamError
from tilery.limits.weighted_cache import WeightedCache
from tilery.storage.objects import Store

logger = logging.getLogger("tilery.catalog")

_KEPT = 8192
"""Layers on the pages that are kept, together."""
_PAGES = 256
_QUICK = 0.1
"""Seconds that a caller waits for the documents to be listed again; for more, nobody waits who knows a list."""
_SHARE = 20
"""Where it takes longer, listing takes a twentieth of the time at most; beside an index a hundredth."""
_SHARE_INDEXED = 100
_RARELY = 60.0
"""Seconds for which an index is believed then at least."""
_SMALL = 1000
"""Layers up to which listing is quick however long it took, and is waited for the first time too."""
_CHUNK = 1000
"""Documents that are compared at a time."""
_FILLED = 256
"""Documents that a search reads before it answers; more are read behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A part of the list."""

    offset: int
    limit: int
    folder: str = ""
    """Only layers in this folder and those below it."""
    words: tuple[str, ...] = ()
    """Only layers that have all of these in their id, name or description, in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPage:
    """A part of the list of layers."""

    layers: tuple[LayerSummary, ...]
    """Those that can be served, in their order."""
    total: int
    """Layers in the whole list, as far as it was asked for."""
    state: str
    """Changes with every document of the page, and with the number of all; the same in every process."""


class LayerList:
    """The list. Safe to use from many threads; nothing is read before the first question."""

    def __init__(
        self,
        store: Store,
        *,
        revalidate: float,
        clock: Callable[[], float],
        served: Callable[[str], LayerSummary | None] = lambda _: None,
    ) -> None:
        """List the layers of a store.

        Args:
            store: the store.
            revalidate: seconds for which an answer is told before it is checked again.
            clock: tells them.
            served: the layer of an id that is served now, though its document may have been broken since.
        """
        self._store = store
        self._served = served
        self._revalidate = revalidate
        self._clock = clock
        self._table: LayerTable | None = None
        self._lock = threading.RLock()
        """For the table, and the fields below."""
        self._version = "new"
        self._checked: float | None = None
        self._listed: float | None = None
        self._took = 0.0
        self._expired = 0
        """How often somebody said that layers had changed: what was looked at before is not told after it."""
        self._own: set[str] = set()
        """Ids of which the documents say something else than the index."""
        self._problems: dict[str, str] = {}
        self._pages: WeightedCache[Query, tuple[float, LayerPage]] = WeightedCache(_KEPT, _PAGES)
        self.seen = -math.inf
        """When the store told its documents last."""
        self._told: str | None = None
        self._refreshing = threading.Lock()
        self._comparing = threading.Lock()
        self._behind = threading.Lock()
        """Held by the one thread that works behind the answers."""

    def fresh(self, query: Query) -> LayerPage | None:
        """Return that part where it is known and need not be checked, else None. Touches no store."""
        checked, page = self._pages.get(query) or (0.0, None)
        return page if page is not None and self._clock() - checked < self._revalidate else None

    def page(self, query: Query) -> LayerPage:
        """Return that part.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        if (page := self.fresh(query)) is not None:
            return page
        now, expired = self._clock(), self._expired
        table = self._refreshed()
        if query.words:
            with self._lock:
                waiting = len(table.pending())
            if waiting > _FILLED:
                self._start(self._read)
            elif waiting:
                self._read()
        page = self._page(table, query)
        with self._lock:
            if expired == self._expired:
                self._pages.put(query, (now, page), 1 + len(page.layers))
        return page

    def expire(self) -> None:
        """Look at the index and the documents again before anything is told next."""
        with self._lock:
            self._expired += 1
            self._checked = None
            self._listed = None if self._listed is None else -math.inf
            self._pages = WeightedCache(_KEPT, _PAGES)

    def all(self) -> tuple[LayerSummary, ...]:
        """Return all layers that can be served, in their order, after every document was looked at.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        table = self._refreshed(wait=True)
        self._read()
        with self._lock:
            return tuple(layer for _, _, layer in table.page(0, -1) if layer is not None)

    def problems(self) -> Mapping[str, str]:
        """Return what is wrong with the documents that could not be read, by id; the last good layer may still be
        served.
        """
        with self._lock:
            return dict(self._problems)

    def _page(self, table: LayerTable, query: Query) -> LayerPage:
        with self._lock:
            rows = table.page(query.offset, query.limit, query.folder, query.words)
            waiting = table.pending(layer_id for layer_id, _, _ in rows)
        if waiting:
            self._read(waiting)
        with self._lock:
            if waiting:
                rows = table.page(query.offset, query.limit, query.folder, query.words)
            total = table.count(query.folder, query.words)
        found = tuple(layer for _, _, layer in rows if layer is not None)
        digest = hashlib.blake2b(repr((total, [(layer.id, layer.version) for layer in found])).encode(errors="replace"))
        return LayerPage(layers=found, total=total, state=digest.hexdigest()[:32])

    def _read(self, layers: list[str] | None = None) -> None:
        """Read documents that are to be read."""
        table = self._table
        if table is None:
            return
        with self._lock:
            looked_at = table.pending(layers)
        read = index.read(self._store, table, looked_at, lock=self._lock)
        found = read.broken | read.unreachable
        with self._lock:
            before = {layer_id: self._problems.pop(layer_id, None) for layer_id in looked_at}
            self._problems.update(found)
            for layer_id in read.broken:
                served, version = self._served(layer_id), table.version(layer_id)
                if served is not None and version is not None:
                    table.put(replace(served, version=version))
        for layer_id, problem in found.items():
            if before.get(layer_id) != problem:
                logger.warning("the document of the layer %s cannot be listed: %s", layer_id, problem)

    def _refreshed(self, *, wait: bool = False) -> LayerTable:
        """Return the table, at most a few seconds old."""
        if not wait and self._table is not None and self._is_fresh():
            return self._table
        with self._refreshing:  # the others wait: they asked for what only the store can tell
            if not wait and self._table is not None and self._is_fresh():
                return self._table
            now, expired = self._clock(), self._expired
            self._load()
            if wait or self._is_due(now):
                if wait or self._is_quick():
                    self._compare_or_tell()
                else:
                    self._start(self._compare_or_tell)
            with self._lock:
                if expired == self._expired:
                    self._checked = now
                else:
                    self._listed = -math.inf
            if self._table is None:
                raise UpstreamError("The layers cannot be listed.")
            return self._table

    def _is_fresh(self) -> bool:
        return self._checked is not None and self._clock() - self._checked < self._revalidate

    def _is_due(self, now: float) -> bool:
        """Return True when the documents are to be listed again."""
        if self._listed is None:
            return True
        pause = self._revalidate
        if not self._is_quick():
            believed = max(_RARELY, _SHARE_INDEXED * self._took)
            pause = max(pause, believed if self._version != "new" else _SHARE * self._took)
        return now - self._listed >= pause

    def _is_quick(self) -> bool:
        """Return True when a caller may wait for the documents to be listed."""
        table = self._table
        if table is None or not self._revalidate:
            return True
        with self._lock:
            small = table.count() <= _SMALL
        return small or (self._listed is not None and self._took <= _QUICK)

    def _load(self) -> None:
        """Take the index over where it is another one than before."""
        try:
            loaded = index.load(self._store, unless=None if self._version == "new" else self._version)
        except UpstreamError as error:  # the documents may be there for us all the same
            self._tell("the index of the layers cannot be read", error)
            return
        if loaded is None:
            return
        table, version = loaded
        if table is None:
            self._version = "new"
        elif not self._own or self._table is None:
            with self._lock:
                self._table, self._version = table, version
        elif self._is_quick():  # the documents said something else than the index before, and may still do
            self._compare_or_tell(table, version)
        else:
            self._start(lambda: self._compare_or_tell(table, version))

    def _compare_or_tell(self, table: LayerTable | None = None, version: str | None = None) -> None:
        """List the documents, and note in a table, the one that is used from then on, which are to be read.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        started, now = time.monotonic(), self._clock()
        with self._comparing:
            table = table or self._table or LayerTable()
            try:
                with self._lock:
                    table.begin_comparison()
                documents = stored_document.documents(self._store)
                while chunk := list(islice(documents, _CHUNK)):
                    with self._lock:
                        table.see(chunk)
            except (UpstreamError, NotFound) as error:
                self._tell("the layers cannot be listed", error)
                self._listed = now
                if self._table is None:
                    raise UpstreamError(
                        f"The layers cannot be listed. {error.detail}", private=error.private
                    ) from error
                return
            with self._lock:
                found = table.compare()
                self._version = version or self._version
                own = found if self._version != "new" else set()
                self._own = self._own | own if table is self._table else own
                self._table, self._listed, self._told, self.seen = table, now, None, now
                gone = [name for name in self._problems if table.version(name) is None]
                for name in gone:
                    del self._problems[name]
        self._took = time.monotonic() - started
        if own:
            logger.info("%d layers are not as the index says; 'tilery layers index' makes it anew", len(own))

    def _tell(self, what: str, error: TileryError) -> None:
        """Log why the store cannot be asked, when that is news."""
        told = f"{what}: {error.private or error.detail}"
        if told != self._told:
            self._told = told
            logger.warning(told)

    def _start(self, work: Callable[[], None]) -> None:
        """Do something behind the answers, one thing at a time; else it comes to be with a later question."""
        if not self._behind.acquire(blocking=False):
            return

        def run() -> None:
            try:
                work()
            except TileryError as error:
                self._tell("the layers cannot be listed", error)
            finally:
                self._behind.release()

        threading.Thread(target=run, name="catalog-listing", daemon=True).start()
