"""A folder of a bucket, listed.

S3 lists a folder a thousand names at a time, and obstore gives all of them or none. So a folder is listed whole for a
moment; one that is too large for that is walked through in the order of its keys, from the one after which the page
begins, past the insides of its folders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from tilery.errors import SourceDenied, SourceNotFound, UpstreamError
from tilery.limits import deadline
from tilery.storage.listing.values import Bounds, Child, FolderPage, Spent, Wanted, matches
from tilery.storage.s3 import failures
from tilery.storage.s3.client import BucketClient

if TYPE_CHECKING:
    from obstore import ObjectMeta

    from tilery.storage.bytes.s3 import Bucket

T = TypeVar("T")

_WHOLE = 2.0
"""Seconds for the whole listing of a folder."""
_CHUNK = 1000
"""Keys of one answer, as S3 gives them."""
_EVERY = 64
"""Keys between two looks at the clock."""
_LAST = "\U0010ffff"
"""What comes after every other character in a key."""


def page(bucket: Bucket, prefix: str, wanted: Wanted, bounds: Bounds, after: str | None) -> FolderPage:
    """Return the children of a folder whose names come next; ``prefix`` ends with a slash, or is empty.

    Raises:
        SourceNotFound, SourceDenied, UpstreamError: the folder cannot be listed.
    """
    spent = Spent(bounds)
    with _failures():
        whole = _whole(bucket, prefix, spent)
        if whole == [] and prefix:
            raise SourceNotFound("There is no such folder.", parameter="url")
        children: list[Child] = []
        seen = after
        for child in whole if whole is not None else _walked(bucket, prefix, spent, after):
            if after is not None and child.name <= after:
                continue
            if _is_shown(child.name, wanted):
                if len(children) == bounds.limit:
                    return FolderPage(children=tuple(children), after=seen)
                children.append(child)
            seen = child.name
    cut = whole is None and spent.is_too_much
    return FolderPage(children=tuple(children), after=seen if cut else None)


def search(bucket: Bucket, prefix: str, wanted: Wanted, bounds: Bounds, words: tuple[str, ...]) -> FolderPage:
    """Return the objects below a folder in whose keys all words are, in the order of their keys.

    Raises:
        SourceDenied, UpstreamError: the folder cannot be listed.
    """
    spent = Spent(bounds)
    found: list[Child] = []
    with _failures():
        for chunk in _chunks(bucket, prefix, spent, None):
            for meta in deadline.paced(chunk, _EVERY):
                name = meta["path"][len(prefix) :]
                hidden = name.startswith(".") or "/." in name
                if not hidden and _is_shown(name.rpartition("/")[2], wanted) and matches(words, name):
                    if len(found) == bounds.limit:
                        return FolderPage(children=tuple(found), complete=False)
                    found.append(_child(meta, prefix))
    return FolderPage(children=tuple(found), complete=not spent.is_too_much)


def _whole(bucket: Bucket, prefix: str, spent: Spent) -> list[Child] | None:
    """Return all children of a folder, sorted by name; None where there are too many to be listed in a moment."""

    async def listed(store: Any) -> Any:
        return await asyncio.wait_for(
            obstore.list_with_delimiter_async(store, prefix.rstrip("/") or None), min(_WHOLE, spent.seconds_left)
        )

    try:
        found = _called(bucket, lambda store: asyncio.run(listed(store)))
    except TimeoutError:
        return None
    folders = (Child(name=f"{path.rstrip('/')[len(prefix) :]}/") for path in found["common_prefixes"])
    return sorted((*folders, *(_child(meta, prefix) for meta in found["objects"])), key=lambda child: child.name)


def _walked(bucket: Bucket, prefix: str, spent: Spent, after: str | None) -> Iterator[Child]:
    """Yield the children of a folder after a name, in the order of their keys, until it is too much."""
    while True:
        again = False
        for chunk in _chunks(bucket, prefix, spent, after):
            for number, meta in enumerate(chunk):
                name = meta["path"][len(prefix) :]
                folder, slash, _ = name.partition("/")
                if not slash:
                    after = name
                    yield _child(meta, prefix)
                    continue
                if after != f"{folder}/":
                    after = f"{folder}/"
                    yield Child(name=after)
                if number == len(chunk) - 1 and len(chunk) == _CHUNK:
                    again = True  # it is a large folder: what else is in it is not looked at
            if again:
                break
        if not again or spent.is_too_much:
            return


def _chunks(bucket: Bucket, prefix: str, spent: Spent, after: str | None) -> Iterator[Sequence[ObjectMeta]]:
    """Yield the objects below a folder in the order of their keys, an answer of the store at a time, until it is too
    much.
    """
    offset = None if after is None else f"{prefix}{after}{_LAST if after.endswith('/') else ''}"
    stream = _called(
        bucket, lambda store: _begun(obstore.list(store, prefix.rstrip("/") or None, offset=offset, chunk_size=_CHUNK))
    )
    for chunk in stream:
        spent.requests += 1
        spent.names += len(chunk)
        yield chunk
        if spent.is_too_much:
            return


def _begun(chunks: Iterable[T]) -> Iterator[T]:
    """Return the same, after its first part was fetched, so that it may be asked for again in another region."""
    rest = iter(chunks)
    return chain(list(islice(rest, 1)), rest)


def _called(bucket: Bucket, request: Callable[[Any], T]) -> T:
    """Return what a request to a bucket gives, which may turn out to be in another region."""
    client = bucket.client
    return client.call(request) if isinstance(client, BucketClient) else request(client.store)


def _child(meta: ObjectMeta, prefix: str) -> Child:
    return Child(name=meta["path"][len(prefix) :], size=meta["size"], modified=meta["last_modified"].timestamp())


def _is_shown(name: str, wanted: Wanted) -> bool:
    return not name.startswith(".") and name.isprintable() and (name.endswith("/") or wanted(name))


@contextmanager
def _failures() -> Iterator[None]:
    """Obstore's exceptions as ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceNotFound("There is no such folder.", parameter="url", private=str(error)[:300]) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        said = failures.meaning(str(error)) or "The store does not let this server list this folder."
        raise SourceDenied(said, parameter="url", private=failures.for_operator(str(error))) from None
    except BaseError as error:
        said = failures.meaning(str(error)) or "The store failed to list this folder."
        if "invalid path" in str(error):
            said = "An object in this folder has a key that cannot be listed: with '..', '//' or control characters."
        raise UpstreamError(said, private=failures.for_operator(str(error))) from None
