"""What lies in a folder that may be read: of this machine or of a bucket, a page at a time, with bounded work."""

from __future__ import annotations

from dataclasses import replace

from tilery.errors import TileryError
from tilery.storage.listing.folders import Folder, Root, folder_of, path_of, prefix_of, roots
from tilery.storage.listing.values import Bounds, Child, FolderPage, Wanted
from tilery.storage.locations import FileLocation
from tilery.storage.policy import Policy
from tilery.storage.stores import Stores

__all__ = ["Bounds", "Child", "FolderPage", "Root", "folder_of", "listed", "path_of", "roots"]


def listed(
    url: str,
    policy: Policy,
    stores: Stores,
    *,
    wanted: Wanted,
    bounds: Bounds,
    after: str | None = None,
    words: tuple[str, ...] = (),
) -> FolderPage:
    """Return what is in a folder, or with ``words`` the files below it in whose paths they all are.

    Args:
        url: of the folder, with a slash at its end.
        policy: what may be read; nothing else is listed.
        stores: what buckets are reached by.
        wanted: says of a file's name whether it is listed.
        bounds: how much work it may be.
        after: the name after which the page begins.
        words: folded as `str.casefold` does.

    Raises:
        SourceRefused: the policy does not allow it.
        InvalidParameter: it is no folder that can be listed.
        SourceNotFound, SourceDenied, UpstreamError: it cannot be listed.
    """
    folder: Folder = folder_of(policy, url)
    if isinstance(folder, FileLocation):
        from tilery.storage.listing import local

        path = path_of(folder)
        if words:
            return local.search(path, policy, wanted, bounds, words)
        return local.page(path, policy, wanted, bounds, after)
    from tilery.storage.listing import buckets

    bucket, prefix = stores.buckets.of(folder), prefix_of(folder)
    if words:
        found = buckets.search(bucket, prefix, wanted, bounds, words)
    else:
        found = buckets.page(bucket, prefix, wanted, bounds, after)
    return replace(found, children=tuple(child for child in found.children if _is_allowed(policy, url, child)))


def _is_allowed(policy: Policy, url: str, child: Child) -> bool:
    """Return whether a file, or some file of a folder, may be read by its address."""
    try:
        if child.is_folder:
            folder_of(policy, f"{url}{child.name}")
        else:
            policy.locate(f"{url}{child.name}")
    except TileryError:
        return False
    return True
