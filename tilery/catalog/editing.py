"""Changes to a layer's document that somebody else's change in between does not get lost by.

Each is noted in the index of the layers, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tilery.catalog import document, ids, index
from tilery.catalog.stored_document import DOCUMENT
from tilery.did_you_mean import hint
from tilery.errors import (
    BrokenDocument,
    Conflict,
    InvalidParameter,
    LayerNotFound,
    NotFound,
    PreconditionFailed,
)
from tilery.storage.objects import Store

_TRIES = 5
_REMOVED = {"format": 1 << 30, "removed": True}
"""A document for the moment between a layer and none: of a format that nobody reads, so that the last one is served."""

Holds = Callable[[str], bool]
"""Says of a document's version whether it is the one that the caller means to change."""


def read(store: Store, layer_id: str) -> tuple[dict[str, Any], str]:
    """Return a layer's document as it is written, and its version.

    Raises:
        LayerNotFound: there is none.
        BrokenDocument: it is not a JSON object.
    """
    try:
        blob = store.read(f"{ids.requested(layer_id)}/{DOCUMENT}")
    except NotFound:
        blob = None
    if blob is None:
        raise LayerNotFound(parameter="layer")
    try:
        found = json.loads(blob.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BrokenDocument("The document is not a JSON object.")
    return found, blob.version


Change = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes another document of one, which it leaves alone."""


def edit(store: Store, layer_id: str, change: Change) -> dict[str, Any]:
    """Return the document after a change, written only over the one that was changed; see `edited`."""
    return edited(store, layer_id, change)[0]


def edited(store: Store, layer_id: str, change: Change, *, holds: Holds = lambda _: True) -> tuple[dict[str, Any], str]:
    """Return the document after a change and its version, written only over the one that was changed.

    Raises:
        LayerNotFound, BrokenDocument: as `read`; or the change would break the document.
        PreconditionFailed: it does not hold what the caller says of the version.
        Conflict: others change it all the time.
    """
    for _ in range(_TRIES):
        before, version = read(store, layer_id)
        if not holds(version):
            raise _another()
        after = change(before)
        body = document.encode(after)
        document.parse(layer_id, body, version=version, folder=f"{store.address}{layer_id}/")
        try:
            return after, _write(store, layer_id, body, version)
        except Conflict:
            continue
    raise Conflict("The layer's document is being changed by somebody else all the time; try again.")


def _another() -> PreconditionFailed:
    return PreconditionFailed("The layer was changed by somebody else meanwhile. Read it again.", parameter="If-Match")


def add(store: Store, layer_id: str, written: Mapping[str, Any], *, replace: bool = False) -> str:
    """Write the document of a layer; return its version.

    Raises:
        BrokenDocument: it is none.
        Conflict: there is such a layer, and it is not to be replaced.
    """
    body = document.encode(written)
    document.parse(layer_id, body, version="new", folder=f"{store.address}{layer_id}/")
    try:
        return _write(store, layer_id, body, "any" if replace else "new")
    except Conflict:
        raise Conflict(f"There is a layer {layer_id} already; --replace takes its place.", parameter="layer") from None


def _write(store: Store, layer_id: str, body: bytes, expected: str) -> str:
    written = store.write(
        f"{layer_id}/{DOCUMENT}", body, media_type="application/json", cache_control="no-cache", expected=expected
    )
    index.note(store, layer_id)
    return written


def files(store: Store, layer_id: str) -> list[str]:
    """Return keys of all files of a layer, the document's first; also of one whose document is broken or was never
    written.

    Those of layers in a folder of the same name are not among them.

    Raises:
        LayerNotFound: there is nothing under that id.
    """
    keys = [entry.key for entry in store.entries(f"{ids.requested(layer_id)}/")]
    others = tuple(f"{folder}/" for key in keys if (folder := _layer_of(key)) not in (None, layer_id))
    found = [key for key in keys if not key.startswith(others)]
    if not found:
        raise LayerNotFound(parameter="layer")
    first = f"{layer_id}/{DOCUMENT}"
    return sorted(found, key=lambda key: key != first)


def _layer_of(key: str) -> str | None:
    """Return the id whose document a key is."""
    folder, _, name = key.rpartition("/")
    return folder if name == DOCUMENT and ids.is_id(folder) else None


def remove(store: Store, layer_id: str, *, holds: Holds | None = None) -> int:
    """Return number of files that were removed: the document first, so that nobody meets a layer with half of its
    files.

    With ``holds`` only the document that it holds for: it is written over first, which a store does on that condition,
    and none removes.

    Raises:
        LayerNotFound: there is nothing under that id.
        PreconditionFailed: it does not hold what the caller says of the version.
    """
    if holds is not None:
        version = read(store, layer_id)[1]
        if not holds(version):
            raise _another()
        try:
            _write(store, layer_id, document.encode(_REMOVED), version)
        except Conflict:
            raise _another() from None
    keys = files(store, layer_id)
    for key in keys:
        store.remove(key)
        if key == f"{layer_id}/{DOCUMENT}":
            index.note(store, layer_id)
    return len(keys)


def set_style(
    store: Store, layer_id: str, name: str, render: Mapping[str, Any], title: str | None = None
) -> dict[str, Any]:
    """Return the document with a style added or replaced."""
    return edit(store, layer_id, with_style(name, render, title))


def drop_style(store: Store, layer_id: str, name: str) -> dict[str, Any]:
    """Return the document without a style.

    Raises:
        InvalidParameter: it has none of that name.
    """
    return edit(store, layer_id, without_style(name))


def with_style(name: str, render: Mapping[str, Any], title: str | None = None) -> Change:
    """Return the change that adds a style or replaces it.

    Raises:
        InvalidParameter: no style can be called so.
    """
    if not document.is_style_name(name):
        raise InvalidParameter(document.WRONG_STYLE_NAME, parameter="style")

    def change(found: dict[str, Any]) -> dict[str, Any]:
        style = {"render": dict(render)} | ({"title": title} if title else {})
        return found | {"styles": {**_styles(found), name: style}}

    return change


def without_style(name: str) -> Change:
    """Return the change that takes a style away; it raises InvalidParameter where there is none of that name."""

    def change(found: dict[str, Any]) -> dict[str, Any]:
        styles = _styles(found)
        if styles.pop(name, None) is None:
            raise InvalidParameter(f"The layer has no style '{name}'.{hint(name, styles)}", parameter="style")
        return found | {"styles": styles}

    return change


def with_render(render: Mapping[str, Any]) -> Change:
    """Return the change of the parameters for requests that give none."""
    return lambda found: found | {"render": dict(render)}


def _styles(found: Mapping[str, Any]) -> dict[str, Any]:
    styles = found.get("styles") or {}
    if not isinstance(styles, dict):
        raise BrokenDocument("The document's styles are not an object.", parameter="styles")
    return dict(styles)


def set_render(store: Store, layer_id: str, render: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with other parameters for requests that give none."""
    return edit(store, layer_id, with_render(render))


def render_of(text: str) -> dict[str, Any]:
    """Return render parameters from a query string, ``rescale=0,3000&colormap_name=viridis``; repeats become lists.

    Raises:
        InvalidParameter: not a query string, or a parameter that says where pixels are and not how they look.
    """
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text.lstrip("?"), keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        raise InvalidParameter("Render parameters are written as in a URL: name=value&name=value.") from None
    for name, value in pairs:
        if name in ("assets", "bidx", "rescale", "sel"):
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    try:
        document.query(found)
    except BrokenDocument as error:
        raise InvalidParameter(error.detail, parameter="render") from None
    return found
