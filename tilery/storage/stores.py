"""Every store that an engine reads from: servers and their connections, buckets and their clients, fetching threads.

Made once for an engine, and safe under threads and in forked processes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from tilery.errors import SourceDenied, SourceNotFound
from tilery.storage.bytes import whole
from tilery.storage.bytes.local import LocalSource
from tilery.storage.bytes.protocol import ByteSource
from tilery.storage.locations import CloudLocation, FileLocation, HttpLocation, Location, S3Location
from tilery.storage.options import StoreOptions

if TYPE_CHECKING:
    from tilery.storage.bytes.s3 import Buckets
    from tilery.storage.bytes.servers import Servers

FORGET_MISSING = 2.0
"""Seconds for which the answer that an object is missing or denied is repeated without asking again."""
_REMEMBERED = 1024
"""Missing objects that are remembered at most, and lengths of headers."""


class Stores:
    """Stores by location."""

    def __init__(self, options: StoreOptions | None = None, permit: Callable[[str], Location] | None = None) -> None:
        """Reach stores as the options say. Nothing is connected yet.

        Args:
            options: how.
            permit: returns where an address is that a server redirects to, or raises that it may not be read
                (`tilery.storage.policy.Policy.locate`). None: none may be.
        """
        self.options = options or StoreOptions()
        self._permit = permit
        self._missing = _Missing()
        self._headers: dict[Location, int] = {}
        self._lock = Lock()
        self._process = os.getpid()
        self._threads: ThreadPoolExecutor | None = None
        self._servers: Servers | None = None
        self._buckets: Buckets | None = None

    def open(self, location: Location) -> ByteSource:
        """Return the object at a location, open: its size and identity are known, and of a remote one the first bytes.

        Args:
            location: from `tilery.storage.policy.Policy.locate`.

        Raises:
            SourceNotFound: there is no such object.
            SourceDenied: the store refuses it to us.
            SourceRefused: its host has an address that may not be connected to, or redirects to what may not be read.
            UpstreamError: the store failed.
            UpstreamTimeout: the store did not answer in time.
            DeadlineExceeded: the request's time was up first.
        """
        if isinstance(location, FileLocation):
            return LocalSource(location)
        self._missing.check(location)
        header = self._headers.get(location, 0)
        try:
            if isinstance(location, HttpLocation):
                from tilery.storage.bytes.http import open_http

                return open_http(location, self.servers, self.threads, header)
            from tilery.storage.bytes.s3 import open_s3

            return open_s3(location, self.buckets, self.threads, header)
        except (SourceDenied, SourceNotFound) as error:
            self._missing.note(location, error)
            raise

    def expect_header(self, location: Location, length: int) -> None:
        """Remember that the header of an object has so many bytes, as was said elsewhere: opening it fetches them."""
        if isinstance(location, FileLocation) or self._headers.get(location) == length:
            return
        with self._lock:
            if len(self._headers) >= _REMEMBERED:
                self._headers.clear()
            self._headers[location] = length

    def fetch(self, locations: Sequence[Location], most: int) -> list[bytes | None]:
        """Return all bytes of objects that are read once, in their order, with one request for each; those of remote
        ones are fetched at the same time. None: there is no such object.

        Args:
            locations: as `open` takes them.
            most: bytes of an object at most.

        Raises:
            BrokenRaster: an object has more bytes.
            SourceDenied, SourceRefused, UpstreamError, UpstreamTimeout, DeadlineExceeded: as `open`.
        """
        return whole.fetch(self, locations, most)

    def prepare(self, locations: Sequence[S3Location | CloudLocation]) -> None:
        """Make the clients of buckets, whose credentials are then looked up, before anybody waits for them; so are the
        signatures of servers.
        """
        for location in locations:
            self.buckets.of(location)
        if self.signs:
            self.servers.sign()

    @property
    def signs(self) -> bool:
        """Whether there are signatures to be looked up."""
        return any(own.query_from is not None for own in self.options.sources)

    @property
    def threads(self) -> ThreadPoolExecutor:
        """The threads that fetch."""
        self._check_process()
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self.options.fetch_threads, thread_name_prefix="fetch")
            return self._threads

    @property
    def servers(self) -> Servers:
        """The HTTP servers."""
        self._check_process()
        with self._lock:
            if self._servers is None:
                from tilery.storage.bytes.servers import Servers

                self._servers = Servers(self.options, self._permit)
            return self._servers

    @property
    def buckets(self) -> Buckets:
        """The buckets of S3."""
        self._check_process()
        with self._lock:
            if self._buckets is None:
                from tilery.storage.bytes.s3 import Buckets

                self._buckets = Buckets(self.options)
            return self._buckets

    def forget(self) -> None:
        """Drop connections, credentials and threads; what is needed again is made again."""
        with self._lock:
            threads, self._threads = self._threads, None
            servers, self._servers = self._servers, None
            self._buckets = None
            self._missing = _Missing()
        if servers is not None:
            servers.close()
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Close the connections and end the threads."""
        self.forget()

    def _check_process(self) -> None:
        """In a forked process: leave alone what belongs to the parent, whose threads are not here."""
        if self._process != os.getpid():
            self._process, self._lock = os.getpid(), Lock()
            self._threads = self._servers = self._buckets = None


class _Missing:
    """What was missing a moment ago: a map that shows thirty tiles of a missing raster asks the store once."""

    def __init__(self) -> None:
        self._answers: dict[Location, tuple[float, type[SourceDenied | SourceNotFound], str]] = {}
        self._lock = Lock()

    def check(self, location: Location) -> None:
        """Raise again what was raised for this location a moment ago."""
        answer = self._answers.get(location)
        if answer is not None and answer[0] > time.monotonic():
            raise answer[1](answer[2])

    def note(self, location: Location, error: SourceDenied | SourceNotFound) -> None:
        """Remember that there is nothing at a location."""
        with self._lock:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[location] = (time.monotonic() + FORGET_MISSING, type(error), error.detail)
