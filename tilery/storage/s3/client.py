"""A bucket's client: requests are signed and sent by obstore.

It takes keys from variables itself; those that run out are looked up in the background, so that no request waits for
them (`tilery.storage.s3.credentials`). A bucket that is in another region than was thought is found when the first
request says so.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from obstore.exceptions import BaseError
from obstore.store import S3Store

from tilery.storage.options import StoreOptions
from tilery.storage.s3.credential_refresh import Refreshing
from tilery.storage.s3.credentials import look_up_of
from tilery.storage.s3.environment import Credential, region
from tilery.storage.s3.region import find_region
from tilery.storage.source_options import SourceOptions, proxied

if TYPE_CHECKING:
    from obstore.store import RetryConfig

T = TypeVar("T")

_SEARCH_AGAIN = 60.0
"""Seconds before a bucket's region is asked for again: buckets do not move, but asking may fail."""
_ELSEWHERE = re.compile(r"incorrectly configured region|AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocation")
_WRONG_CREDENTIALS = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|InvalidClientTokenId"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long requests may take, in seconds, and how often they are tried again."""

    read_timeout: float
    request_timeout: float
    retries: int
    first_pause: float = 0.1
    longest_pause: float = 2.0

    def retry_config(self) -> RetryConfig:
        """Return the same in obstore's words."""
        return {
            "max_retries": self.retries,
            "retry_timeout": timedelta(seconds=self.request_timeout),
            "backoff": {
                "init_backoff": timedelta(seconds=self.first_pause),
                "max_backoff": timedelta(seconds=self.longest_pause),
                "base": 2,
            },
        }


class BucketClient:
    """The client of one bucket, or of the part of it below a prefix."""

    def __init__(
        self,
        name: str,
        options: StoreOptions,
        patience: RetryPolicy,
        *,
        prefix: str | None = None,
        own: SourceOptions | None = None,
    ) -> None:
        """Make the client; no request is sent yet.

        Args:
            name: of the bucket.
            options: how stores are reached.
            patience: how long to wait.
            prefix: of the part that is meant.
            own: how this one is reached, where that differs.
        """
        self._name = name
        options = options if own is None else _with(options, own)
        self._own = own
        self._credentials = _credentials(options, own)
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
        if self._own is not None and self._own.requester_pays:
            config["request_payer"] = True
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
                **proxied(self._own),
            },
            retry_config=patience.retry_config(),
            credential_provider=self._credentials,  # type: ignore[arg-type]  # a union of obstore's own protocols
        )


def _credentials(options: StoreOptions, own: SourceOptions | None) -> Callable[[], Credential] | None:
    """Return what gives keys. None: obstore takes them from variables, or there are none to be used."""
    look_up = None if options.s3_anonymous else look_up_of(options.aws, own)
    if look_up is None or (own is not None and own.keys and not own.role):
        return look_up  # what is written down does not run out
    return Refreshing(look_up)


def _with(options: StoreOptions, own: SourceOptions) -> StoreOptions:
    """Return the options with what is said of one source in the place of what is said of all."""
    aws = dict(options.aws)
    if own.region:
        aws["AWS_REGION"] = own.region
    if own.profile:
        aws["AWS_PROFILE"] = own.profile
        if not own.region:
            aws.pop("AWS_REGION", None)  # the profile has one of its own
    keyed = own.anonymous is None and (own.keys or own.profile or own.role)
    anonymous = False if keyed else own.anonymous
    return replace(
        options,
        s3_endpoint=own.endpoint or options.s3_endpoint,
        s3_anonymous=options.s3_anonymous if anonymous is None else anonymous,
        aws=aws,
    )


def is_unknown_to_aws(text: str) -> bool:
    """Return whether an error of obstore says that the credentials are wrong or have expired.

    Any other refusal comes from whoever knows us: without leave to list a bucket, a missing object is refused too.
    """
    return _WRONG_CREDENTIALS.search(text) is not None


def is_misplaced(text: str) -> bool:
    """Return whether an error of obstore says that the bucket is in another region."""
    return _ELSEWHERE.search(text) is not None
