"""The objects of a store by their keys, all of them found by the policy and read by our own byte sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from tilery.errors import BrokenRaster, InvalidParameter, SourceDenied, SourceNotFound
from tilery.limits import memory, untrusted_json
from tilery.reading.dataset import Resources
from tilery.reading.zarr.source import base, inside
from tilery.storage.bytes.protocol import ByteSource
from tilery.storage.locations import FileLocation, Location

MOST_METADATA = 16 << 20
"""Bytes of a metadata document; consolidated ones of large stores have some hundred thousand."""
PARSED = 12
"""Bytes that a document takes for each of its own while it is parsed."""
_DEEPEST = 64
"""Levels of lists and objects in a document."""
_LONGEST = 512
"""Characters of a path within a store."""
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\?#%]")

Json = dict[str, Any]


def clean(path: str, parameter: str) -> str:
    """Return the path of a group or an array within its store, without slashes at its ends.

    Raises:
        InvalidParameter: it is none, or leads out of the store.
    """
    found = path.strip("/")
    parts = found.split("/") if found else []
    if len(found) > _LONGEST or _UNFIT.search(found) or any(part.strip(".") == "" for part in parts):
        raise InvalidParameter(f"This is no path within a Zarr store: {path[:64]!r}.", parameter=parameter)
    return found


def joined(*parts: str) -> str:
    """Return a key made of paths, of which some may be empty."""
    return "/".join(part for part in parts if part)


class StoredObjects:
    """What a store holds. Safe under threads."""

    def __init__(self, engine: Resources, location: Location) -> None:
        """Read from the store whose anchor is at a location."""
        self.engine = engine
        self.base = base(location)
        self.is_local = isinstance(location, FileLocation)

    def locate(self, key: str) -> Location:
        """Return where an object is.

        Raises:
            SourceRefused: the policy does not allow it.
        """
        return self.engine.locate(inside(self.base, key))

    def open(self, key: str) -> ByteSource | None:
        """Return an object, open; None where there is none."""
        try:
            return self.engine.stores.open(self.locate(key))
        except SourceNotFound:
            return None

    def open_some(self, keys: Sequence[str]) -> list[ByteSource | None]:
        """Return objects, open, side by side. A store that hides what is missing may deny all but one."""
        denied: list[SourceDenied] = []

        def attempt(key: str) -> ByteSource | None:
            try:
                return self.open(key)
            except SourceDenied as error:
                denied.append(error)
                return None

        jobs = [partial(attempt, key) for key in keys]
        found = [job() for job in jobs] if self.is_local else self.engine.parts.run(jobs)
        if denied and not any(found):
            raise denied[0]
        return found

    def fetch(self, keys: Sequence[str], most: int) -> list[bytes | None]:
        """Return whole objects; see `tilery.storage.stores.Stores.fetch`."""
        return self.engine.stores.fetch([self.locate(key) for key in keys], most)


def document(opened: ByteSource) -> Json:
    """Return the metadata document that an object is.

    Raises:
        BrokenRaster: it is none.
    """
    if opened.size > MOST_METADATA:
        raise BrokenRaster(
            f"The metadata of the store have more than {MOST_METADATA} bytes.", parameter="url", limit=MOST_METADATA
        )
    memory.need(PARSED * opened.size)
    content = opened.read(0, opened.size)
    try:
        found = untrusted_json.parse(content, deepest=_DEEPEST)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BrokenRaster("The metadata of the store are not JSON that can be read.", parameter="url")
    return found
