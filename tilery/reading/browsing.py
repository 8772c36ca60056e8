"""What there is to be read at an address: rasters and folders in a folder, documents in a document of STAC.

Only what the policy allows is ever named. Files are told by their names, and JSON documents by how they begin; no
raster is opened.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from tilery.errors import DeadlineExceeded, OverLimit, TileryError
from tilery.limits import deadline
from tilery.reading.stac import catalog, item
from tilery.reading.stac.catalog import Document
from tilery.storage.bytes.fetching import together
from tilery.storage.listing import Bounds, Child, folder_of, listed, path_of, roots
from tilery.storage.locations import FileLocation, Location
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

RASTERS = (".tif", ".tiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg")
"""Ends of the names of files that are taken for rasters."""
_DOCUMENTS = (".json", ".json.gz")

Kind = Literal["folder", "server", "raster"] | catalog.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that may be read, or looked into."""

    name: str
    url: str
    kind: Kind
    size: int | None = None
    """Bytes."""
    modified: float | None = None
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is at an address."""

    url: str | None
    """None: the list of all that may be read."""
    kind: Kind | None
    found: tuple[Found, ...] = ()
    title: str | None = None
    description: str | None = None
    parent: str | None = None
    """Address of what it is in, where that may be listed. Empty: the list of all that may be read."""
    after: str | None = None
    """Where the next page begins."""
    next_url: str | None = None
    """Address of the document that goes on where this one ends."""
    refused: int = 0
    """Links that lead where nothing may be read."""
    complete: bool = True
    """False where the work became too much before all was looked at."""


def find(
    url: str | None,
    policy: Policy,
    stores: Stores,
    bounds: Bounds,
    *,
    after: str | None = None,
    words: tuple[str, ...] = (),
) -> Listing:
    """Return what there is at an address that the policy allows.

    Args:
        url: of a folder, with a slash at its end, or of a file; None: all that may be read.
        policy: what may be read.
        stores: what it is read by.
        bounds: how much work it may be.
        after: where the page begins, as the one before says.
        words: in a folder: list the files below it in whose paths all words are.

    Raises:
        SourceRefused: the policy does not allow it.
        InvalidParameter: it is no address, or one of a server that lists nothing.
        NotARaster: it is a document of another kind.
        SourceNotFound, SourceDenied, UpstreamError: it cannot be read.
    """
    with deadline.limit(bounds.seconds * 2):
        if url is None:
            return Listing(url=None, kind=None, found=_beginnings(policy, stores))
        if not url.endswith("/") and _is_folder(f"{url}/", policy):
            url = f"{url}/"
        if url.endswith("/"):
            return _folder(url, policy, stores, bounds, after, words)
        if is_raster(url):
            policy.locate(url)
            return Listing(url=url, kind="raster", title=_last(url), parent=parent(url, policy))
        return _document(url, policy, stores, bounds, after)


def _is_folder(url: str, policy: Policy) -> bool:
    """Return whether an address that lacks its slash is a folder's, as far as that is known without asking a store."""
    try:
        folder = folder_of(policy, url)
    except TileryError:
        return False
    if isinstance(folder, FileLocation):
        return Path(path_of(folder)).is_dir()
    return any(root.url == url for root in roots(policy))


def is_raster(url: str) -> bool:
    """Return whether an address is named as rasters are."""
    return url.partition("?")[0].lower().endswith(RASTERS)


def parent(url: str, policy: Policy) -> str | None:
    """Return the address of the folder that something is in, where it may be listed; empty for what stands first."""
    if any(root.url == url for root in roots(policy)):
        return ""
    above = url.partition("?")[0].rstrip("/").rpartition("/")[0] + "/"
    return above if any(root.kind == "folder" and above.startswith(root.url) for root in roots(policy)) else None


def _last(url: str) -> str:
    return url.partition("?")[0].rstrip("/").rpartition("/")[2] or url


def _beginnings(policy: Policy, stores: Stores) -> tuple[Found, ...]:
    """Return everything that the policy names: of files only what turns out to be something."""
    found = []
    for root in roots(policy):
        if root.kind != "file":
            found.append(Found(name=root.url, url=root.url, kind=root.kind))
        elif is_raster(root.url):
            found.append(Found(name=_last(root.url), url=root.url, kind="raster"))
        else:
            kind = _kind_of_document(policy, stores, root.url)
            found += [Found(name=_last(root.url), url=root.url, kind=kind)] if kind is not None else []
    return tuple(found)


def _folder(
    url: str, policy: Policy, stores: Stores, bounds: Bounds, after: str | None, words: tuple[str, ...]
) -> Listing:
    page = listed(url, policy, stores, wanted=_is_wanted, bounds=bounds, after=after, words=words)
    kinds = _kinds(url, page.children, policy, stores)
    found = [
        Found(
            name=child.name.rstrip("/"), url=f"{url}{child.name}", kind=kind, size=child.size, modified=child.modified
        )
        for child, kind in zip(page.children, kinds, strict=True)
        if kind is not None
    ]
    found.sort(key=lambda one: one.kind != "folder")
    return Listing(
        url=url,
        kind="folder",
        found=tuple(found),
        title=_last(url),
        parent=parent(url, policy),
        after=page.after,
        complete=page.complete,
    )


def _is_wanted(name: str) -> bool:
    return name.lower().endswith((*RASTERS, *_DOCUMENTS))


def _kinds(url: str, children: Sequence[Child], policy: Policy, stores: Stores) -> list[Kind | None]:
    """Return what each child is; None for a document that is of no use here."""

    def kind(child: Child) -> Kind | None:
        if child.is_folder:
            return "folder"
        if is_raster(child.name):
            return "raster"
        return _kind_of_document(policy, stores, f"{url}{child.name}")

    remote = not isinstance(policy.locate(f"{url}.folder"), FileLocation)
    if not remote:
        return [kind(child) for child in deadline.paced(children)]
    # each document is a request to the store, which a thread waits for
    documents = [number for number, child in enumerate(children) if child.name.lower().endswith(_DOCUMENTS)]
    answers = together([partial(kind, children[number]) for number in documents], stores.threads, take_part=True)
    looked_at = dict(zip(documents, answers, strict=True))
    return [looked_at[n] if n in looked_at else kind(child) for n, child in enumerate(children)]


def _kind_of_document(policy: Policy, stores: Stores, url: str) -> Kind | None:
    """Return what a JSON document is, by how it begins; None where it is of no use here, or cannot be read."""
    try:
        head = _read(policy.locate(url), stores, catalog.HEAD)
    except DeadlineExceeded:
        raise
    except TileryError:
        return None
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(31).decompress(head, catalog.HEAD)
        except zlib.error:
            return None
    return catalog.kind_of(head)


def _read(location: Location, stores: Stores, most: int) -> bytes:
    with closing(stores.open(location)) as source:
        return source.read(0, min(source.size, most))


def _document(url: str, policy: Policy, stores: Stores, bounds: Bounds, after: str | None) -> Listing:
    """Return what a document of STAC leads to; a raster where it is no JSON at all."""
    location = policy.locate(url)
    above = parent(url, policy)
    head = _read(location, stores, catalog.HEAD)
    kind = catalog.kind_of(head)
    if kind == "mosaic" or not head.lstrip().startswith(b"{"):
        return Listing(url=url, kind=kind or "raster", title=_last(url), parent=above)
    content = head if len(head) < catalog.HEAD else _read(location, stores, catalog.MOST_BYTES + 1)
    if len(content) > catalog.MOST_BYTES:
        raise OverLimit("The document is too long to be listed.", parameter="url", limit=catalog.MOST_BYTES)
    document = catalog.parse(content, location)
    links = _assets(content, location) if document.kind == "stac-item" else _links(document)
    permitted = [one for one in deadline.paced(links) if _permits(policy, one.url)]
    start = int(after) if after and after.isascii() and after.isdigit() and len(after) < 10 else 0
    end = start + bounds.limit
    return Listing(
        url=url,
        kind=document.kind,
        found=tuple(permitted[start:end]),
        title=document.title or _last(url),
        description=document.description,
        parent=above,
        after=str(end) if end < len(permitted) else None,
        next_url=document.next if document.next and _permits(policy, document.next) else None,
        refused=len(links) - len(permitted),
    )


def _links(document: Document) -> list[Found]:
    return [Found(name=link.name, url=link.url, kind=link.kind) for link in document.links]


def _assets(content: bytes, location: Location) -> list[Found]:
    """Return the assets of an Item that can be rasters."""
    assets = item.parse(content).assets
    return [Found(name=name, url=asset.address(location), kind="raster") for name, asset in assets.items()]


def _permits(policy: Policy, url: str) -> bool:
    try:
        policy.locate(url)
    except TileryError:
        return False
    return True
