"""What sources in stores have in common: the first bytes kept, ranges merged, fetched at the same time and verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from tilery import stages
from tilery.errors import UpstreamError
from tilery.limits import compute_slots
from tilery.storage.bytes.fetching import elsewhere, together
from tilery.storage.bytes.protocol import identity_of
from tilery.storage.bytes.ranges import Fetch, plan

T = TypeVar("T")

HEAD = 64 << 10
"""Bytes that opening fetches: they hold the header of nearly every Cloud-Optimized GeoTIFF."""
_BEHIND = 16 << 10
"""Bytes behind a header that are fetched with it: who reads it reads on a bit."""
LONGEST_HEAD = 1 << 20
"""Bytes that opening fetches at most, of an object whose header is said to be longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a store says that tells one version of an object from another."""

    size: int
    etag: str | None = None
    """With its quotes, as the store gave it; weak ones begin with ``W/``."""
    modified: str | None = None
    """The time of the last change, as the store gave it."""

    @property
    def strong_etag(self) -> str | None:
        """The ETag, if it changes with every byte."""
        return None if self.etag is None or self.etag.startswith("W/") else self.etag


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What opening an object gave."""

    head: bytes
    version: Version


class Origin(Protocol):
    """One object in a store, as requests see it. Safe to use from many threads."""

    @property
    def interruptible(self) -> bool:
        """Whether calls end with the deadline by themselves. If not they are made in another thread."""
        ...

    def first(self, length: int) -> First:
        """Return the first bytes, ``length`` or as many as there are, and the version they belong to."""
        ...

    def fetch(self, start: int, length: int, version: Version) -> bytes:
        """Return exactly these bytes of exactly this version, which has them.

        Raises:
            SourceChanged: there is another version, or none.
        """
        ...

    def is_same(self, version: Version) -> bool:
        """Return whether the store still has this version."""
        ...


class RemoteSource:
    """An object in a store. Its first bytes are kept; all others are fetched each time they are read."""

    __slots__ = ("_head", "_origin", "_threads", "_version", "identity", "local_path", "open_path", "size")

    def __init__(self, origin: Origin, *, name: str, threads: ThreadPoolExecutor, header: int = 0) -> None:
        """Open the object with a single request.

        Args:
            origin: the object.
            name: its whole address.
            threads: those that fetch for all objects.
            header: bytes of its header, where that is known. They are kept until the first bytes behind it are read.
        """
        self._origin = origin
        self._threads = threads
        length = max(HEAD, min(header + _BEHIND, LONGEST_HEAD)) if header else HEAD
        first = self._call(lambda: origin.first(length))
        self._head = first.head
        self._version = first.version
        self.size = first.version.size
        version = first.version
        # A store that says nothing of its versions at all: the header has to tell them apart.
        told = (version.etag, version.modified) if version.etag or version.modified else (first.head[:HEAD],)
        self.identity = identity_of(name, version.size, *told)
        self.local_path: str | None = None
        self.open_path: str | None = None

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from ``start``; see `ByteSource.read`."""
        end = min(start + length, self.size)
        if end <= len(self._head):
            return self._head[start:end]
        return self._call(lambda: self._fetch(start, end - start)) if end > start else b""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range; see `ByteSource.read_many`."""
        results = [b""] * len(ranges)
        missing: list[tuple[int, int]] = []
        for place, (start, length) in enumerate(ranges):
            end = min(start + length, self.size)
            if end <= len(self._head):
                results[place] = self._head[start:end]
                missing.append((start, 0))
            else:
                missing.append((start, max(0, end - start)))
        fetches = plan(missing)
        if fetches:
            jobs = [partial(self._fetch, fetch.start, fetch.length) for fetch in fetches]
            with stages.stage(stages.FETCH), compute_slots.released():
                done = together(jobs, self._threads, take_part=self._origin.interruptible)
            for fetch, data in zip(fetches, done, strict=True):
                _share_out(fetch, data, results)
            if len(self._head) > HEAD:
                self._head = self._head[:HEAD]
        return results

    def refresh(self) -> bool:
        """Return whether the store still has what was opened; one request without a body."""
        return self._call(lambda: self._origin.is_same(self._version))

    def close(self) -> None:
        """Do nothing: connections belong to the store, not to its objects."""

    def _call(self, job: Callable[[], T]) -> T:
        with stages.stage(stages.FETCH), compute_slots.released():
            return job() if self._origin.interruptible else elsewhere(job, self._threads)

    def _fetch(self, start: int, length: int) -> bytes:
        data = self._origin.fetch(start, length, self._version)
        if len(data) != length:
            raise UpstreamError("The store of this source sent too few bytes.", private=f"{len(data)} of {length}")
        return data


def _share_out(fetch: Fetch, data: bytes, results: list[bytes]) -> None:
    for place, offset, length in fetch.wanted:
        results[place] = data if length == len(data) else data[offset : offset + length]
