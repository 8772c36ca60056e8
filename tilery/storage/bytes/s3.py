"""Objects in S3, by ranges.

Requests are signed and sent by obstore, with the credentials that `tilery.storage.s3` finds. Buckets are named by the
policy and the address of the service by a setting, so there is no address to check here. One store object a bucket, or
a part of it with options of its own, is kept, with its connections and credentials.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from obstore.exceptions import (
    BaseError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from tilery.errors import SourceDenied, SourceNotFound, TileryError, UpstreamError, UpstreamTimeout
from tilery.limits import deadline
from tilery.storage.bytes.fetching import Bulkhead, share
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.bytes.remote import First, RemoteSource, Version
from tilery.storage.locations import CloudLocation, S3Location
from tilery.storage.options import Exchange, StoreOptions
from tilery.storage.s3 import failures
from tilery.storage.s3.client import BucketClient, RetryPolicy, is_misplaced
from tilery.storage.source_options import SourceOptions

if TYPE_CHECKING:
    from obstore import GetOptions

    from tilery.storage.clouds import CloudClient

_STATUS = re.compile(r"status code: (\d{3})")
_TOO_SLOW = re.compile(r"timed out|TimedOut|timeout", re.IGNORECASE)


def open_s3(
    location: S3Location | CloudLocation, buckets: Buckets, threads: ThreadPoolExecutor, header: int = 0
) -> RemoteSource:
    """Return the object, opened with one request; of another cloud's store too, which obstore reads alike. ``header``
    is as `RemoteSource` takes it.

    Raises:
        SourceNotFound, SourceDenied, UpstreamError, UpstreamTimeout, DeadlineExceeded: as the names say.
    """
    return RemoteSource(S3Origin(location, buckets.of(location)), name=location.url, threads=threads, header=header)


class Bucket:
    """A bucket, or a part of it that is reached in a way of its own: its client, and its share of the threads."""

    def __init__(
        self, location: S3Location | CloudLocation, options: StoreOptions, own: SourceOptions | None = None
    ) -> None:
        patience = RetryPolicy(
            read_timeout=options.read_timeout, request_timeout=options.request_timeout, retries=options.fetch_retries
        )
        self.observe = options.observe
        self.client: BucketClient | CloudClient
        if isinstance(location, S3Location):
            self.client = BucketClient(location.bucket, options, patience, own=own)
        else:
            from tilery.storage.clouds import CloudClient

            self.client = CloudClient(location, options, patience, own)
        self.bulkhead = Bulkhead(share(options.fetch_threads))


class Buckets:
    """The buckets of an engine. There are no more than the policy lists."""

    def __init__(self, options: StoreOptions) -> None:
        """Reach buckets as the options say."""
        self._options = options
        self._buckets: dict[tuple[str, str, str | None], Bucket] = {}
        self._lock = Lock()

    def of(self, location: S3Location | CloudLocation) -> Bucket:
        """Return the bucket of an object."""
        own = self._options.of(location)
        service = "s3" if isinstance(location, S3Location) else location.service
        key = (service, location.bucket, own.address if own is not None else None)
        with self._lock:
            if key not in self._buckets:
                self._buckets[key] = Bucket(location, self._options, own)
            return self._buckets[key]


class S3Origin:
    """One object of a bucket. Its calls cannot be interrupted: they are made in threads that can be left behind."""

    __slots__ = ("_bucket", "_location")

    interruptible = False

    def __init__(self, location: S3Location | CloudLocation, bucket: Bucket) -> None:
        self._location = location
        self._bucket = bucket

    def first(self, length: int) -> First:
        """Return the first bytes and the version they belong to; see `Origin.first`."""
        try:
            head, version = self._get({"range": (0, length)})
        except _Empty:
            return First(head=b"", version=Version(size=0))
        return First(head=head, version=version)

    def fetch(self, start: int, length: int, version: Version) -> bytes:
        """Return exactly these bytes of this version; see `Origin.fetch`."""
        options: GetOptions = {"range": (start, start + length)}
        if version.strong_etag:
            options["if_match"] = version.strong_etag
        elif version.modified:
            options["if_unmodified_since"] = datetime.fromisoformat(version.modified)
        try:
            data, found = self._get(options)
        except (SourceNotFound, _Empty):
            raise SourceChanged from None
        if found != version:
            raise SourceChanged
        return data

    def is_same(self, version: Version) -> bool:
        """Return whether the bucket still has this version; see `Origin.is_same`."""
        options: GetOptions = {"range": (0, 1)}
        if version.etag:
            options["if_none_match"] = version.etag
        elif version.modified:
            options["if_modified_since"] = datetime.fromisoformat(version.modified)
        try:
            _, found = self._get(options)
        except NotModifiedError:
            return True
        except _Empty:
            return version.size == 0
        except (SourceNotFound, SourceDenied, SourceChanged):
            return False
        return found == version

    def _get(self, options: GetOptions) -> tuple[bytes, Version]:
        try:
            return self._got(options)
        except _Misplaced as error:
            if self._bucket.client.found_elsewhere():
                return self._got(options)
            raise UpstreamError(private=str(error)) from None

    def _got(self, options: GetOptions) -> tuple[bytes, Version]:
        observe = self._bucket.observe
        if observe is None:
            return self._asked(options)
        began = time.monotonic()
        size, problem = 0, None
        try:
            data, version = self._asked(options)
            size = len(data)
        except TileryError as error:
            problem = error.code
            raise
        finally:
            observe(Exchange(host="bucket", seconds=time.monotonic() - began, size=size, problem=problem))
        return data, version

    def _asked(self, options: GetOptions) -> tuple[bytes, Version]:
        with self._bucket.bulkhead:
            deadline.check()
            try:
                result = self._bucket.client.store.get(self._location.key, options=options)
                data = bytes(result.bytes())
            except NotModifiedError:
                raise
            except PreconditionError:
                raise SourceChanged from None
            except FileNotFoundError as error:
                raise SourceNotFound(private=_private(error)) from None
            except (PermissionDeniedError, UnauthenticatedError) as error:
                if failures.lacks_credentials(str(error)):
                    raise _failure(str(error)) from None
                raise SourceDenied("The store refuses this source.", private=_private(error)) from None
            except (BaseError, OSError, ValueError) as error:
                raise _failure(str(error)) from None
        meta = result.meta
        modified = meta["last_modified"]
        return data, Version(
            size=meta["size"], etag=meta["e_tag"], modified=modified.astimezone(UTC).isoformat() if modified else None
        )


class _Empty(Exception):
    """The object has not a single byte, so that no range of it can be had."""


class _Misplaced(Exception):
    """The bucket is in another region."""


def _failure(text: str) -> Exception:
    """Return the error that obstore's text stands for; it has no types for these."""
    if failures.lacks_credentials(text) and (said := failures.meaning(text)):
        return UpstreamError(said, private=failures.for_operator(text))
    status, private = _STATUS.search(text), failures.for_operator(text)
    if status is not None and status[1] == "416":
        return _Empty()
    if is_misplaced(text):
        return _Misplaced(text)
    if status is not None and status[1] in {"429", "503"}:
        return UpstreamError("The store of this source is busy.", private=private, retry_after=1)
    if status is None and _TOO_SLOW.search(text):
        return UpstreamTimeout(private=private)
    return UpstreamError(private=private)


def _private(error: Exception) -> str:
    """Return what an operator needs to know of why an object cannot be had."""
    text = str(error)
    return f"{failures.meaning(text) or ''} {failures.for_operator(text)}".strip()
