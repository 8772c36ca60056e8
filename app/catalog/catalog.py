"""The layers that are served now: read from a store, checked again every few seconds, never blocked by a bad document.

Two questions are asked of it. ``get`` comes with every tile, so it answers from memory and looks at one document at
most once in ``revalidate`` seconds; while one thread looks, others go on with what is kept. An id that is not known
costs a listing of the store at most as often, however many such ids are asked for. ``layers`` reads what is new in the
listing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.catalog import document, ids
from app.catalog.layer import Layer
from app.catalog.stores import Store
from app.errors import BrokenDocument, LayerNotFound, NotFound, UpstreamError
from app.settings import Settings

DOCUMENT = "index.json"
_READERS = 16
"""Documents read at a time from a listing."""


@dataclass(slots=True)
class _Kept:
    """What is known of one id. Replaced field by field under the catalog's lock."""

    layer: Layer | None
    version: str | None
    checked: float
    problem: str | None = None
    """What is wrong with the document."""
    unreachable: str | None = None
    """What was wrong with the store when it was asked last."""


class Catalog:
    """Layers by id. Safe to use from many threads; nothing is read before the first question."""

    def __init__(self, store: Store, *, revalidate: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        """A catalog of what the store holds.

        Args:
            store: where the documents are.
            revalidate: seconds for which an answer is not checked again.
            clock: for tests.
        """
        self._store = store
        self._revalidate = revalidate
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._listed: float | None = None
        self._listing = threading.Lock()
        self._checking: set[str] = set()

    @property
    def address(self) -> str:
        """Where the layers are; the policy for their sources has to let it through."""
        return self._store.address

    def fresh(self, layer_id: str) -> Layer | None:
        """The layer where it is known and need not be checked, else None. Touches no store."""
        kept = self._kept.get(layer_id)
        if kept is None or self._clock() - kept.checked >= self._revalidate:
            return None
        return kept.layer

    def get(self, layer_id: str) -> Layer:
        """The layer of that id, at most a few seconds old.

        Raises:
            LayerNotFound: there is none, or its document never was good.
            UpstreamError: the store failed and the layer was never read.
        """
        ids.asked(layer_id)
        if (layer := self.fresh(layer_id)) is not None:
            return layer
        kept = self._kept.get(layer_id)
        if kept is None:
            self._list()
            kept = self._kept.get(layer_id)
        elif self._clock() - kept.checked >= self._revalidate and self._begin(layer_id):
            try:
                kept = self._check(layer_id)
            finally:
                self._end(layer_id)
        if kept is None:
            raise LayerNotFound("There is no layer of that name.", parameter="layer")
        if kept.layer is None and kept.unreachable:
            raise UpstreamError(kept.unreachable)
        if kept.layer is None:
            raise LayerNotFound("This layer cannot be served: its document is broken.", parameter="layer")
        return kept.layer

    def layers(self) -> tuple[Layer, ...]:
        """All layers that can be served, by id.

        Raises:
            UpstreamError: the store failed and was never listed.
        """
        self._list(check=True)
        return tuple(kept.layer for _, kept in sorted(self._kept.items()) if kept.layer is not None)

    def problems(self) -> Mapping[str, str]:
        """What is wrong with the documents that could not be read, by id; the last good layer may still be served."""
        found = {layer_id: kept.problem or kept.unreachable for layer_id, kept in sorted(self._kept.items())}
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

    def _check(self, layer_id: str) -> _Kept | None:
        """What the store says of one id now; what is kept stays where the store or the document fails."""
        kept = self._kept.get(layer_id)
        now = self._clock()
        try:
            blob = self._store.read(f"{layer_id}/{DOCUMENT}", unless=kept.version if kept else None)
        except NotFound:
            with self._lock:
                self._kept.pop(layer_id, None)
            return None
        except UpstreamError as error:
            if kept is None:  # nothing is known of it but that it is there
                kept = _Kept(layer=None, version=None, checked=now)
                with self._lock:
                    self._kept[layer_id] = kept
            kept.checked, kept.unreachable = now, error.detail
            return kept
        if blob is None and kept is not None:
            kept.checked, kept.unreachable = now, None
            return kept
        if blob is None:  # a store that answers "unchanged" to a question without a version
            return None
        problem: str | None = None
        layer = kept.layer if kept else None
        try:
            layer = document.parse(
                layer_id, blob.body, version=blob.version, folder=f"{self._store.address}{layer_id}/"
            )
        except BrokenDocument as error:
            problem = error.detail
        found = _Kept(layer=layer, version=blob.version, checked=now, problem=problem)
        with self._lock:
            self._kept[layer_id] = found
        return found

    def _list(self, *, check: bool = False) -> None:
        """Look for new and removed layers, at most once in ``revalidate`` seconds; with ``check`` at known ones too."""
        if not check and self._listed is not None and self._clock() - self._listed < self._revalidate:
            return
        with self._listing:  # the others wait: they asked for what only the listing can tell
            now = self._clock()
            if self._listed is None or now - self._listed >= self._revalidate:
                try:
                    present = {name for name in self._store.folders() if ids.is_id(name)}
                except UpstreamError:
                    if self._listed is None:
                        raise
                    self._listed = now
                    return
                with self._lock:
                    for layer_id in set(self._kept) - present:
                        del self._kept[layer_id]
                new = present - set(self._kept)
                listed = now
            else:
                new, listed = set(), self._listed
            stale = {name for name, kept in list(self._kept.items()) if now - kept.checked >= self._revalidate}
            wanted = sorted(new | (stale if check else set()))
            if len(wanted) <= 2:
                for name in wanted:
                    self._check(name)
            else:
                with ThreadPoolExecutor(_READERS, thread_name_prefix="catalog") as pool:
                    list(pool.map(self._check, wanted))
            self._listed = listed  # only now: whoever finds it set asks what is kept


def open_catalog(address: str, *, revalidate: float = 5.0, settings: Settings | None = None) -> Catalog:
    """The catalog at an address: a directory or ``s3://bucket/sources/``."""
    from app.catalog.stores import open_store

    return Catalog(open_store(address, settings), revalidate=revalidate)
