"""Which folders may be listed: those that a policy allows to read from, and no others.

A folder is asked for by its address, with a slash at its end. Whether it may be listed is the policy's word alone,
asked about a file in it that need not be there: so a listing has no grammar of addresses of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tilery.errors import InvalidParameter, SourceRefused
from tilery.storage.entries import Directory, Entry, Host, PermittedBucket, PermittedFile
from tilery.storage.locations import CloudLocation, FileLocation, HttpLocation, S3Location
from tilery.storage.policy import Policy

_PROBE = ".folder"
"""Name of a file that need not be there."""

Folder = FileLocation | S3Location | CloudLocation
"""The place of a file in a folder that need not be there: stands for the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One entry of a policy, as a place to begin at."""

    url: str
    kind: Literal["folder", "file", "server"]
    """A folder that can be listed, a single file, or a server that lists nothing."""


def roots(policy: Policy) -> tuple[Root, ...]:
    """Return where one may begin: an entry each, in the order of the policy. ``https://*`` is no place."""
    found = [root for root in map(_root, policy.entries) if root is not None]
    return tuple({root.url: root for root in found}.values())


def _root(entry: Entry) -> Root | None:
    match entry:
        case Directory(real=real):
            return Root(url=f"{real.rstrip('/')}/", kind="folder")
        case PermittedFile(real=real):
            return Root(url=real, kind="file")
        case PermittedBucket(service=service, bucket=bucket, prefix=prefix):
            url = f"{service}://{bucket}/{prefix}"
            is_file = "." in prefix.rpartition("/")[2]  # else the folder of that name: nothing was asked of the store
            return Root(url=url if is_file or url.endswith("/") else f"{url}/", kind="file" if is_file else "folder")
        case Host(scheme=scheme, host=host, port=port, path=path):
            place = HttpLocation(scheme=scheme, host=host, port=port, path=path, query="", listed=True)
            return Root(url=place.url, kind="file" if "." in path.rpartition("/")[2] else "server")
    return None


def folder_of(policy: Policy, url: str) -> Folder:
    """Return what stands for a folder, if its files may be read.

    Args:
        policy: what may be read.
        url: of the folder, with a slash at its end.

    Raises:
        SourceRefused: the policy allows none of its files, or it is hidden.
        InvalidParameter: this is not the address of a folder that can be listed.
    """
    location = policy.locate(f"{url}{_PROBE}")
    if isinstance(location, HttpLocation):
        raise InvalidParameter(
            "A web server does not list its files. Give the address of a raster or of a STAC document.", parameter="url"
        )
    if _is_hidden(policy, location.url.removesuffix(_PROBE)):
        raise SourceRefused("Hidden folders are not listed.", parameter="url")
    return location


def _is_hidden(policy: Policy, folder: str) -> bool:
    """Return whether there is a hidden folder between a folder and where one may begin."""
    ways = [folder[len(root.url) :] for root in roots(policy) if folder.startswith(root.url)]
    return any(part.startswith(".") for part in min(ways, key=len, default="").split("/"))


def prefix_of(folder: S3Location | CloudLocation) -> str:
    """Return what the keys of a folder's objects begin with: nothing, or text that ends with a slash."""
    return folder.key.removesuffix(_PROBE)


def path_of(folder: FileLocation) -> str:
    """Return the real path of a folder of this machine."""
    return folder.path.removesuffix(f"/{_PROBE}") or "/"
