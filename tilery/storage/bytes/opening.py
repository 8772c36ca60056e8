"""Opens sources of every kind."""

from __future__ import annotations

import time
from threading import Lock

from app.config import settings as environment
from app.config.settings import Settings
from tilery.errors import SourceDenied, SourceNotFound
from tilery.storage.bytes.local import LocalSource
from tilery.storage.bytes.protocol import ByteSource
from tilery.storage.locations import FileLocation, HttpLocation, Location

FORGET_MISSING = 2.0
"""Seconds for which the answer that an object is missing or denied is repeated without asking again."""
_KEPT = 1024


class _Missing:
    """What was missing a moment ago: a map that shows thirty tiles of a missing raster asks the store once."""

    def __init__(self) -> None:
        self._answers: dict[tuple[Location, Settings], tuple[float, type[SourceDenied | SourceNotFound], str]] = {}
        self._lock = Lock()

    def check(self, key: tuple[Location, Settings]) -> None:
        answer = self._answers.get(key)
        if answer is not None and answer[0] > time.monotonic():
            raise answer[1](answer[2])

    def note(self, key: tuple[Location, Settings], error: SourceDenied | SourceNotFound) -> None:
        with self._lock:
            if len(self._answers) >= _KEPT:
                self._answers.clear()
            self._answers[key] = (time.monotonic() + FORGET_MISSING, type(error), error.detail)


_missing = _Missing()


def open_source(location: Location, settings: Settings | None = None) -> ByteSource:
    """The object at this location, opened: its size and identity are known, and of a remote one the first bytes.

    Args:
        location: from `tilery.storage.policy.Policy.locate`.
        settings: not those of the process.

    Raises:
        SourceNotFound: there is no such object.
        SourceDenied: the store refuses it to us.
        SourceRefused: its host has an address that may not be connected to, or answers with a redirect.
        UpstreamError: the store failed.
        UpstreamTimeout: the store did not answer in time.
        DeadlineExceeded: the request's time was up first.
    """
    if isinstance(location, FileLocation):
        return LocalSource(location)
    settings = settings or environment.get()
    key = (location, settings)
    _missing.check(key)
    try:
        if isinstance(location, HttpLocation):
            from tilery.storage.bytes.http import open_http

            return open_http(location, settings)
        from tilery.storage.bytes.s3 import open_s3

        return open_s3(location, settings)
    except (SourceDenied, SourceNotFound) as error:
        _missing.note(key, error)
        raise
