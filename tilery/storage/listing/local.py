"""A folder of this machine, listed. Hidden files are left out, and links to folders: one may lead round in circles."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator

from tilery.errors import SourceDenied, SourceNotFound, TileryError, UpstreamError
from tilery.limits import deadline
from tilery.storage.listing.values import Bounds, Child, FolderPage, Spent, Wanted, matches
from tilery.storage.policy import Policy

_EVERY = 64
"""Names between two looks at the clock."""


def page(folder: str, policy: Policy, wanted: Wanted, bounds: Bounds, after: str | None) -> FolderPage:
    """Return the children of a folder whose names come next.

    All names are looked at, since a file system has no order, but only those of one page are kept.

    Raises:
        SourceNotFound, SourceDenied, UpstreamError: the folder cannot be listed.
    """
    spent = Spent(bounds)
    names = (name for name in _names(folder, spent) if (after is None or name > after) and _is_shown(name, wanted))
    first = heapq.nsmallest(bounds.limit + 1, names)
    shown = first[: bounds.limit]
    children = tuple(child for child in (_child(folder, name, policy) for name in shown) if child is not None)
    return FolderPage(
        children=children,
        after=shown[-1] if len(first) > bounds.limit else None,
        complete=not spent.is_too_much,
    )


def search(folder: str, policy: Policy, wanted: Wanted, bounds: Bounds, words: tuple[str, ...]) -> FolderPage:
    """Return the files below a folder in whose paths all words are; folders nearest to it come first.

    Raises:
        SourceNotFound, SourceDenied, UpstreamError: the folder cannot be listed.
    """
    spent = Spent(bounds)
    found: list[Child] = []
    for path in _walked(folder, spent):
        if len(found) > bounds.limit:
            break
        if _is_shown(path.rpartition("/")[2], wanted) and matches(words, path):
            child = _child(folder, path, policy)
            found += [child] if child is not None else []
    complete = len(found) <= bounds.limit and not spent.is_too_much
    found.sort(key=lambda child: child.name)
    return FolderPage(children=tuple(found[: bounds.limit]), complete=complete)


def _walked(folder: str, spent: Spent) -> Iterator[str]:
    """Yield the files below a folder, those nearest to it first, until it is too much."""
    waiting = [""]
    while waiting:
        below: list[str] = []
        for inner in waiting:
            try:
                for name in _names(f"{folder}/{inner}".rstrip("/"), spent):
                    if not name.endswith("/"):
                        yield inner + name
                    elif not name.startswith("."):
                        below.append(inner + name)
            except (SourceNotFound, SourceDenied):
                if not inner:
                    raise  # a folder within may have gone, or be somebody else's
            if spent.is_too_much:
                return
        waiting = sorted(below)


def _names(folder: str, spent: Spent) -> Iterator[str]:
    """Yield the names of a folder as they come, folders with a slash at their end, until it is too much."""
    try:
        with os.scandir(folder) as entries:
            for entry in deadline.paced(entries, _EVERY):
                spent.names += 1
                try:
                    is_folder = entry.is_dir(follow_symlinks=False)
                except OSError:
                    continue
                yield f"{entry.name}/" if is_folder else entry.name
                if spent.names % _EVERY == 0 and spent.is_too_much:
                    return
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound("There is no such folder.", parameter="url", private=folder) from None
    except PermissionError as error:
        raise SourceDenied("This folder may not be read.", parameter="url", private=str(error)) from None
    except OSError as error:
        raise UpstreamError("The folder cannot be read.", private=str(error)) from None


def _is_shown(name: str, wanted: Wanted) -> bool:
    """Return whether a name is of what is listed; one that cannot be written in an address is not."""
    return not name.startswith(".") and name.isprintable() and (name.endswith("/") or wanted(name))


def _child(folder: str, name: str, policy: Policy) -> Child | None:
    """Return what is said of a file or folder; None where the policy does not allow it, or it has gone."""
    if name.endswith("/"):
        return Child(name=name)
    try:
        location = policy.locate(f"{folder}/{name}")
        found = os.stat(location.url)  # noqa: PTH116  a path is text here
    except (TileryError, OSError):
        return None
    return Child(name=name, size=found.st_size, modified=found.st_mtime)
