"""Objects that are read once and as a whole, as the chunks of an array store are: one request for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from tilery import stages
from tilery.errors import BrokenRaster, SourceNotFound
from tilery.limits import compute_slots
from tilery.storage.bytes.fetching import together
from tilery.storage.bytes.local import LocalSource
from tilery.storage.locations import FileLocation, HttpLocation, Location

if TYPE_CHECKING:
    from tilery.storage.bytes.remote import Origin
    from tilery.storage.stores import Stores


def fetch(stores: Stores, locations: Sequence[Location], most: int) -> list[bytes | None]:
    """Return all bytes of objects; see `tilery.storage.stores.Stores.fetch`."""
    found: list[bytes | None] = [None] * len(locations)
    remote: list[tuple[int, Location, Origin]] = []
    with stages.stage(stages.FETCH):
        for place, location in enumerate(locations):
            if isinstance(location, FileLocation):
                found[place] = _of_file(location, most)
            else:
                remote.append((place, location, _origin(stores, location)))
        if remote:
            jobs = [partial(_of_store, origin, location, most) for _, location, origin in remote]
            interruptible = all(origin.interruptible for _, _, origin in remote)
            with compute_slots.released():
                fetched = together(jobs, stores.threads, take_part=interruptible)
            for (place, _, _), data in zip(remote, fetched, strict=True):
                found[place] = data
    return found


def _origin(stores: Stores, location: Location) -> Origin:
    if isinstance(location, HttpLocation):
        from tilery.storage.bytes.http import HttpOrigin

        return HttpOrigin(location, stores.servers)
    if isinstance(location, FileLocation):
        raise TypeError("a file is in no store")
    from tilery.storage.bytes.s3 import S3Origin

    return S3Origin(location, stores.buckets.of(location))


def _of_file(location: FileLocation, most: int) -> bytes | None:
    try:
        source = LocalSource(location)
    except SourceNotFound:
        return None
    if source.size > most:
        raise _too_long(location, source.size, most)
    return source.read(0, source.size)


def _of_store(origin: Origin, location: Location, most: int) -> bytes | None:
    try:
        first = origin.first(most)
    except SourceNotFound:
        return None
    if first.version.size > most:
        raise _too_long(location, first.version.size, most)
    return first.head


def _too_long(location: Location, size: int, most: int) -> BrokenRaster:
    return BrokenRaster(
        "A part of the raster has more bytes than it can have.",
        parameter="url",
        limit=most,
        private=f"{location.private_name}: {size}",
    )
