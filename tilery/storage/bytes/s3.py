"""Objects in S3, by ranges.

Requests are signed and sent by obstore, which finds credentials itself: in the environment, from the role of the task
or the instance, by web identity. Buckets are named by the policy and the address of the service by a setting, so there
is no address to check here. One store object a bucket is kept, with its connections and credentials.
"""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from obstore.exceptions import (
    BaseError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from app.config.settings import Settings
from tilery.errors import SourceDenied, SourceNotFound, UpstreamError, UpstreamTimeout
from tilery.limits import deadline
from tilery.storage.bytes.fetching import Bulkhead, share
from tilery.storage.bytes.protocol import SourceChanged
from tilery.storage.bytes.remote import First, RemoteSource, Version
from tilery.storage.bytes.s3_environment import credentials_of_profile, region
from tilery.storage.bytes.s3_region import find_region
from tilery.storage.locations import S3Location

if TYPE_CHECKING:
    from obstore import GetOptions

_SEARCH_AGAIN = 60.0
"""Seconds before a bucket's region is asked for again: buckets do not move, but asking may fail."""
_STATUS = re.compile(r"status code: (\d{3})")
_ELSEWHERE = re.compile(r"incorrectly configured region|AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocation")
_TOO_SLOW = re.compile(r"timed out|TimedOut|timeout", re.IGNORECASE)


def open_s3(location: S3Location, settings: Settings) -> RemoteSource:
    """The object, opened with one request.

    Raises:
        SourceNotFound, SourceDenied, UpstreamError, UpstreamTimeout, DeadlineExceeded: as the names say.
    """
    origin = S3Origin(location, buckets(settings).of(location.bucket))
    return RemoteSource(origin, name=location.url, number=settings.fetch_threads)


class Bucket:
    """A bucket: its store, and its share of the threads."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name = name
        self._settings = settings
        self._lock = Lock()
        self._region = region()
        self._search_after = math.inf if settings.s3_endpoint else 0.0
        self.bulkhead = Bulkhead(share(settings.fetch_threads))
        self.store = self._made()

    def found_elsewhere(self) -> bool:
        """Whether the bucket was in another region than was thought, and the store has been made anew for that one."""
        with self._lock:
            if time.monotonic() < self._search_after:
                return False
            found = find_region(self._name, self._region, self._settings)
            self._search_after = time.monotonic() + _SEARCH_AGAIN
            if found is None or found == self._region:
                return False
            self._region = found
            self.store = self._made()
            return True

    def _made(self) -> S3Store:
        settings = self._settings
        config: dict[str, Any] = {"skip_signature": settings.s3_anonymous}
        if settings.s3_endpoint:
            config["endpoint"] = settings.s3_endpoint
        if self._region:
            config["region"] = self._region
        return S3Store(
            self._name,
            config=config,  # type: ignore[arg-type]  # a TypedDict that is made key by key
            client_options={
                "allow_http": (settings.s3_endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=settings.connect_timeout),
                "read_timeout": timedelta(seconds=settings.read_timeout),
                "timeout": timedelta(seconds=settings.deadline),
                "user_agent": "Tilery",
            },
            retry_config={
                "max_retries": settings.fetch_retries,
                "retry_timeout": timedelta(seconds=settings.deadline),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=50),
                    "max_backoff": timedelta(seconds=1),
                    "base": 2,
                },
            },
            credential_provider=None if settings.s3_anonymous else credentials_of_profile(),  # type: ignore[arg-type]
        )


class Buckets:
    """The buckets of this process. There are no more than the policy lists."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets: dict[str, Bucket] = {}
        self._lock = Lock()

    def of(self, name: str) -> Bucket:
        """The bucket of this name."""
        with self._lock:
            if name not in self._buckets:
                self._buckets[name] = Bucket(name, self._settings)
            return self._buckets[name]


@lru_cache(maxsize=4)
def buckets(settings: Settings) -> Buckets:
    """The buckets of this process, for these settings."""
    return Buckets(settings)


class S3Origin:
    """One object of a bucket. Its calls cannot be interrupted: they are made in threads that can be left behind."""

    __slots__ = ("_bucket", "_location")

    interruptible = False

    def __init__(self, location: S3Location, bucket: Bucket) -> None:
        self._location = location
        self._bucket = bucket

    def first(self, length: int) -> First:
        """The first bytes and the version they belong to; see `Origin.first`."""
        try:
            head, version = self._asked({"range": (0, length)})
        except _Empty:
            return First(head=b"", version=Version(size=0))
        return First(head=head, version=version)

    def fetch(self, start: int, length: int, version: Version) -> bytes:
        """Exactly these bytes of this version; see `Origin.fetch`."""
        options: GetOptions = {"range": (start, start + length)}
        if version.strong_etag:
            options["if_match"] = version.strong_etag
        elif version.modified:
            options["if_unmodified_since"] = datetime.fromisoformat(version.modified)
        try:
            data, found = self._asked(options)
        except (SourceNotFound, _Empty):
            raise SourceChanged from None
        if found != version:
            raise SourceChanged
        return data

    def is_same(self, version: Version) -> bool:
        """Whether the bucket still has this version; see `Origin.is_same`."""
        options: GetOptions = {"range": (0, 1)}
        if version.etag:
            options["if_none_match"] = version.etag
        elif version.modified:
            options["if_modified_since"] = datetime.fromisoformat(version.modified)
        try:
            _, found = self._asked(options)
        except NotModifiedError:
            return True
        except _Empty:
            return version.size == 0
        except (SourceNotFound, SourceDenied, SourceChanged):
            return False
        return found == version

    def _asked(self, options: GetOptions) -> tuple[bytes, Version]:
        try:
            return self._got(options)
        except _Misplaced as error:
            if self._bucket.found_elsewhere():
                return self._got(options)
            raise UpstreamError("The store of this source failed to answer.", private=str(error)) from None

    def _got(self, options: GetOptions) -> tuple[bytes, Version]:
        with self._bucket.bulkhead:
            deadline.check()
            try:
                result = self._bucket.store.get(self._location.key, options=options)
                data = bytes(result.bytes())
            except NotModifiedError:
                raise
            except PreconditionError:
                raise SourceChanged from None
            except FileNotFoundError as error:
                raise SourceNotFound("There is no such source.", private=_cause(error)) from None
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise SourceDenied("The store refuses this source.", private=_cause(error)) from None
            except (BaseError, OSError, ValueError) as error:
                raise _failure(_cause(error)) from None
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
    """The error that obstore's text stands for; it has no types for these."""
    status = _STATUS.search(text)
    if status is not None and status[1] == "416":
        return _Empty()
    if _ELSEWHERE.search(text):
        return _Misplaced(text)
    if status is not None and status[1] in {"429", "503"}:
        return UpstreamError("The store of this source is busy.", private=text, retry_after=1)
    if status is None and _TOO_SLOW.search(text):
        return UpstreamTimeout("The store of this source does not answer.", private=text)
    return UpstreamError("The store of this source failed to answer.", private=text)


def _cause(error: Exception) -> str:
    """The first line of obstore's message; the rest is a dump of its structures."""
    return str(error).partition("\n\n")[0][:500]
