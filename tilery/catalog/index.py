"""The index of a catalog: one object beside the layers that lists them all, so that nobody has to read them all.

Whoever writes a layer notes it in the index afterwards. The index is written only over the one that was read before the
layer's document was, and else all of it is done again: so of two who write at once, whoever comes last has read what
the other wrote. An index that is wrong or missing hides no layer for long, since who lists layers compares it with the
documents that there are (`tilery.catalog.listing`).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from tilery.catalog import stored_document
from tilery.catalog.geopackage import BrokenIndex, LayerTable
from tilery.catalog.layer import Layer
from tilery.errors import BrokenDocument, Conflict, NotFound, TileryError, UpstreamError
from tilery.storage.objects import Store

logger = logging.getLogger("tilery.catalog.index")

NAME = "layers.gpkg"
"""Key of the index; no layer can have it, because of the full stop."""
_MEDIA_TYPE = "application/geopackage+sqlite3"
_TRIES = 40
_LONGEST_PAUSE = 1.0
"""Seconds between two tries at most."""
_READERS = 16
"""Documents read at a time."""
_FEW = 2
"""Documents for which no threads are made."""
_CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broken:
    version: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What came of reading documents."""

    broken: dict[str, str] = field(default_factory=dict)
    """What is wrong with the documents that say no layer, by id."""
    unreachable: dict[str, str] = field(default_factory=dict)
    """What went wrong in reading others; they are still to be read."""


def load(store: Store, *, unless: str | None = None) -> tuple[LayerTable | None, str] | None:
    """Return the index and its version; no index and ``new``, or the version of a broken one; None where it is
    ``unless``.

    Raises:
        UpstreamError: the store failed.
    """
    try:
        blob = store.read(NAME, unless=unless)
    except NotFound:
        return None, "new"
    if blob is None:
        return None
    try:
        return LayerTable(blob.body), blob.version
    except BrokenIndex as error:
        logger.warning("the index of the layers is left alone: %s; 'tilery layers index' makes another", error.private)
        return None, blob.version


def note(store: Store, layer_id: str) -> None:
    """Note in the index what a layer's document says now, after it was written or removed.

    Never fails: the layer is written already, and whoever lists layers finds out by himself.
    """
    try:
        _written(store, layer_id)
    except TileryError as error:
        logger.warning("the index of the layers was not written: %s", error.private or error.detail)


def rebuild(store: Store) -> tuple[int, Read]:
    """Make the index anew of all documents. Returns the number of layers in it, and what could not be read.

    Raises:
        UpstreamError, StoreFull: the store failed.
        Conflict: others write it all the time.
    """
    table, found = LayerTable(), Read()
    try:
        for attempt in range(_TRIES):
            version = _version(store)
            table.begin_comparison()
            table.see(stored_document.documents(store))
            table.compare()
            latest = read(store, table)
            found.broken.update(latest.broken)
            found.unreachable.clear()
            found.unreachable.update(latest.unreachable)
            if _put(store, table, version, attempt):
                return table.count(), found
    finally:
        table.close()
    raise Conflict("The index of the layers is being written by somebody else all the time; try again.")


def read(
    store: Store,
    table: LayerTable,
    layers: Iterable[str] | None = None,
    *,
    lock: AbstractContextManager[object] | None = None,
) -> Read:
    """Read the documents of a table that are to be read, of all layers or of these; hold the lock to use the table."""
    lock = lock or nullcontext()
    with lock:
        waiting = table.pending(layers)
    found = Read()
    if len(waiting) <= _FEW:
        outcomes = [_document(store, layer_id) for layer_id in waiting]
        with lock:
            _note_all(table, waiting, outcomes, found)
        return found
    with ThreadPoolExecutor(_READERS, thread_name_prefix="catalog") as pool:
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            outcomes = list(pool.map(partial(_document, store), chunk))
            with lock:
                _note_all(table, chunk, outcomes, found)
    return found


def _document(store: Store, layer_id: str) -> Layer | TileryError | _Broken:
    """Return what a layer's document says, or why it cannot be told."""
    try:
        blob = store.read(stored_document.key(layer_id))
    except (NotFound, UpstreamError) as error:
        return error
    if blob is None:
        return NotFound()
    try:
        return stored_document.parsed(store, layer_id, blob)
    except BrokenDocument as error:
        return _Broken(version=blob.version, problem=error.detail)


def _note_all(
    table: LayerTable, layers: Iterable[str], outcomes: Iterable[Layer | TileryError | _Broken], found: Read
) -> None:
    for layer_id, outcome in zip(layers, outcomes, strict=True):
        if isinstance(outcome, Layer):
            table.put(outcome)
        elif isinstance(outcome, _Broken):
            table.note_broken(layer_id, outcome.version)
            found.broken[layer_id] = outcome.problem
        elif isinstance(outcome, NotFound):
            table.drop(layer_id)
        else:
            found.unreachable[layer_id] = outcome.detail


def _written(store: Store, layer_id: str) -> None:
    for attempt in range(_TRIES):
        loaded = load(store)
        table, version = loaded if loaded is not None else (None, "new")
        if table is None:
            rebuild(store)  # it reads what has just been written, too
            return
        try:
            try:
                blob = store.read(stored_document.key(layer_id))
            except NotFound:
                blob = None
            if blob is None:
                table.drop(layer_id)
            elif table.version(layer_id) == blob.version:
                return
            else:
                table.put(stored_document.parsed(store, layer_id, blob))
            if _put(store, table, version, attempt):
                return
        except BrokenDocument:
            return  # somebody broke it meanwhile, and a list goes on with what it was
        finally:
            table.close()
    raise Conflict("The index of the layers is being written by somebody else all the time.")


def _version(store: Store) -> str:
    """Return the version of whatever index there is."""
    try:
        blob = store.read(NAME)
    except NotFound:
        return "new"
    return "new" if blob is None else blob.version


def _put(store: Store, table: LayerTable, version: str, attempt: int) -> bool:
    """Return True when the table is the index now; False after a pause when somebody else's is."""
    try:
        store.write(NAME, table.encoded(), media_type=_MEDIA_TYPE, cache_control="no-cache", expected=version)
    except Conflict:
        longest = min(0.01 * 2**attempt, _LONGEST_PAUSE)
        time.sleep(random.uniform(0, longest))  # noqa: S311 - it keeps two writers apart and no secret
        return False
    return True
