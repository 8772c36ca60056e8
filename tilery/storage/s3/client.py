"""A bucket's client: requests are signed and sent by obstore, which finds credentials itself.

It knows the variables, the role of a task or an instance, and web identity; what it does not know, the files of AWS's
command line, is read in `tilery.storage.s3.environment`. A bucket that is in another region than was thought is found
when the first request says so.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any, TypeVar

from obstore.exceptions import BaseError
from obstore.store import S3Store

from tilery.storage.options import StoreOptions
from tilery.storage.s3.environment import credentials_of_profile, region
from tilery.storage.s3.region import find_region

T = TypeVar("T")

_SEARCH_AGAIN = 60.0
"""Seconds before a bucket's region is asked for again: buckets do not move, but asking may fail."""
_ELSEWHERE = re.compile(r"incorrectly configured region|AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocation")
_WRONG_CREDENTIALS = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|InvalidClientTokenId"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long requests may take, in seconds, and how often they are tried again."""

    read_timeout: float
    request_timeout: float
    retries: int
    first_pause: float = 0.05
    longest_pause: float = 1.0


class BucketClient:
    """The client of one bucket, or of the part of it below a prefix."""

    def __init__(self, name: str, options: StoreOptions, patience: Patience, *, prefix: str | None = None) -> None:
        """Make the client; no request is sent yet."""
        self._name = name
        self._prefix = prefix
        self._options = options
        self._patience = patience
        self._lock = Lock()
        self._region = region(options.aws)
        self._search_after = math.inf if options.s3_endpoint else 0.0
        self.store = self._made()

    def call(self, request: Callable[[S3Store], T]) -> T:
        """Return what a request gives; it is sent again where the bucket turns out to be in another region.

        Raises:
            obstore.exceptions.BaseError: it failed.
        """
        try:
            return request(self.store)
        except BaseError as error:
            if not is_misplaced(str(error)) or not self.found_elsewhere():
                raise
        return request(self.store)

    def found_elsewhere(self) -> bool:
        """Return whether the bucket was in another region than was thought, and the client is now made for that one."""
        with self._lock:
            if time.monotonic() < self._search_after:
                return False
            found = find_region(self._name, self._region, self._options)
            self._search_after = time.monotonic() + _SEARCH_AGAIN
            if found is None or found == self._region:
                return False
            self._region = found
            self.store = self._made()
            return True

    def _made(self) -> S3Store:
        options, patience = self._options, self._patience
        config: dict[str, Any] = {"skip_signature": options.s3_anonymous}
        if options.s3_endpoint:
            config["endpoint"] = options.s3_endpoint
        if self._region:
            config["region"] = self._region
        credentials = None if options.s3_anonymous else credentials_of_profile(options.aws)
        return S3Store(
            self._name,
            prefix=self._prefix,
            config=config,  # type: ignore[arg-type]  # a TypedDict that is made key by key
            client_options={
                "allow_http": (options.s3_endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=options.connect_timeout),
                "read_timeout": timedelta(seconds=patience.read_timeout),
                "timeout": timedelta(seconds=patience.request_timeout),
                "user_agent": "Tilery",
            },
            retry_config={
                "max_retries": patience.retries,
                "retry_timeout": timedelta(seconds=patience.request_timeout),
                "backoff": {
                    "init_backoff": timedelta(seconds=patience.first_pause),
                    "max_backoff": timedelta(seconds=patience.longest_pause),
                    "base": 2,
                },
            },
            credential_provider=credentials,  # type: ignore[arg-type]  # a union of obstore's own protocols
        )


def is_unknown_to_aws(text: str) -> bool:
    """Return whether an error of obstore says that the credentials are wrong or have expired.

    Any other refusal comes from whoever knows us: without leave to list a bucket, a missing object is refused too.
    """
    return _WRONG_CREDENTIALS.search(text) is not None


def is_misplaced(text: str) -> bool:
    """Return whether an error of obstore says that the bucket is in another region."""
    return _ELSEWHERE.search(text) is not None
