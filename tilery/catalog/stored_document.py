"""A layer as it stands in a store: the key of its document, and the document as a `Layer`."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from tilery.catalog import document, ids
from tilery.catalog.layer import Layer
from tilery.storage.objects import Blob, Entry, Store

DOCUMENT = "index.json"

_parsing = threading.Lock()
"""Many threads wait for a store, and one at a time takes the interpreter's lock."""


def key(layer_id: str) -> str:
    """Return the key of a layer's document."""
    return f"{layer_id}/{DOCUMENT}"


def parsed(store: Store, layer_id: str, blob: Blob) -> Layer:
    """Return the layer that a document says.

    Raises:
        BrokenDocument: it says none.
    """
    with _parsing:
        return document.parse(layer_id, blob.body, version=blob.version, folder=f"{store.address}{layer_id}/")


def documents(store: Store) -> Iterator[Entry]:
    """Return the documents that there are, in no particular order; none is read.

    Raises:
        UpstreamError: the store cannot be listed.
    """
    return (entry for entry in store.named(DOCUMENT, _leads_to_layers) if ids.is_id(entry.key.rpartition("/")[0]))


def _leads_to_layers(folder: str) -> bool:
    return ids.is_id(folder) or ids.is_folder(folder)
