"""STAC Catalogs, Collections and lists of Items, as far as finding rasters in them needs it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tilery.errors import NotARaster
from tilery.reading.stac.item import resolved
from tilery.storage.locations import Location

Kind = Literal["stac-catalog", "stac-collection", "stac-item", "stac-items", "mosaic"]

MOST_BYTES = 4 << 20
"""Bytes of a document; one with ten thousand links has two million."""
HEAD = 64 << 10
"""Bytes that a document is told by."""
MOST_LINKS = 50_000
"""Links of a document that are looked at."""

_TYPE = re.compile(rb'"type"\s*:\s*"(Catalog|Collection|FeatureCollection|Feature)"')
_KINDS: Mapping[str, Kind] = {
    "Catalog": "stac-catalog",
    "Collection": "stac-collection",
    "Feature": "stac-item",
    "FeatureCollection": "stac-items",
}
_CHILDREN: Mapping[str, Kind] = {
    "child": "stac-catalog",
    "item": "stac-item",
    "items": "stac-items",
    "data": "stac-catalog",
}
"""Relations of links that lead further down, and what is there."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A way from one document to another."""

    url: str
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document with links in it."""

    kind: Kind
    title: str | None
    description: str | None
    links: tuple[Link, ...]
    next: str | None = None
    """Address of the document that goes on where this one ends."""
    fields: Mapping[str, Any]
    """All of it."""


def kind_of(head: bytes) -> Kind | None:
    """Return what a JSON document is, by how it begins; None for what is neither of STAC nor a mosaic."""
    if b'"mosaicjson"' in head:
        return "mosaic"
    if b'"stac_version"' not in head:
        return None
    found = _TYPE.search(head)
    if found is not None:
        return _KINDS[found[1].decode()]
    return "stac-collection" if b'"extent"' in head else "stac-catalog"  # before STAC 1.0 they had no type


def parse(content: bytes, base: Location) -> Document:
    """Return what a document says, with the addresses of its links as callers could write them.

    Args:
        content: its bytes.
        base: where it is, which relative addresses begin at.

    Raises:
        NotARaster: it is no document of STAC.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise NotARaster("This is no raster, and no document of STAC: it is not JSON.", parameter="url") from None
    kind = kind_of(content) if isinstance(found, dict) else None
    if kind is None or kind == "mosaic" or not isinstance(found, dict):
        raise NotARaster("This is neither a raster nor a document of STAC.", parameter="url")
    if isinstance(found.get("type"), str):
        kind = _KINDS.get(found["type"], kind)
    written = found.get("links")
    links = [link for link in written if isinstance(link, dict)] if isinstance(written, list) else []
    more = next((link for link in links if link.get("rel") == "next" and _is_get(link)), None)
    listed = _features(found, base) if kind == "stac-items" else _children(links, base)
    return Document(
        kind=kind,
        title=_text(found.get("title")) or _text(found.get("id")),
        description=_text(found.get("description")),
        links=tuple(listed[:MOST_LINKS]),
        next=_address(more, base) if more is not None else None,
        fields=found,
    )


def _children(links: list[Json], base: Location) -> list[Link]:
    found = []
    for link in links:
        relation, url = link.get("rel"), _address(link, base)
        if isinstance(relation, str) and relation in _CHILDREN and url:
            name = _text(link.get("title")) or _name(url)
            found.append(Link(url=url, name=name, kind=_CHILDREN[relation]))
    return found


def _features(document: Json, base: Location) -> list[Link]:
    """Return the Items of a list, which name their own addresses."""
    found = []
    features = document.get("features")
    for item in features if isinstance(features, list) else []:
        links = item.get("links") if isinstance(item, dict) else None
        own = next((x for x in links or [] if isinstance(x, dict) and x.get("rel") == "self"), None)
        url = _address(own, base) if own is not None else None
        if url:
            found.append(Link(url=url, name=_text(item.get("id")) or _name(url), kind="stac-item"))
    return found


def _address(link: Json, base: Location) -> str | None:
    href = link.get("href")
    return resolved(base, href) if isinstance(href, str) and href else None


def _is_get(link: Json) -> bool:
    return str(link.get("method", "GET")).upper() == "GET"


def _name(url: str) -> str:
    """Return what a document without a title is called: its file's name, or its folder's where all have the
    same name.
    """
    parts = [part for part in url.partition("?")[0].split("/") if part]
    if len(parts) > 1 and parts[-1] in ("catalog.json", "collection.json", "item.json"):
        return parts[-2]
    return parts[-1] if parts else url


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
