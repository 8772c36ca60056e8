"""Keys that are looked up again before they run out, in the background: no request waits for them, but the first."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tilery.storage.s3.environment import Credential

_log = logging.getLogger("tilery.storage")
_log.addHandler(logging.NullHandler())  # where nobody keeps a log, as at a terminal, the error is told by who meets it

KEPT = timedelta(seconds=330)
"""For how long obstore is told that keys are good, so that it asks again: it does so 300 seconds before the end."""
SPARE = 300.0
"""Seconds before keys run out, or a quarter of their life where that is shorter, at which new ones are looked up."""
AGAIN = 10.0
"""Seconds before a look-up that failed is made again in the background; twice as many after each further failure."""
_LONGEST = 300.0
_REMEMBERED = 1.0
"""Seconds for which the failure of a look-up that a request waited for is repeated."""


class Refreshing:
    """What gives obstore the keys at hand. Safe under threads."""

    def __init__(self, look_up: Callable[[], Credential]) -> None:
        """Give the keys that a look-up finds. The first look-up begins at once, in a thread that ends with this."""
        self._look_up = look_up
        self._held: Credential | None = None
        self._failure: tuple[float, Exception] | None = None
        self._failures = 0
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        over = threading.Event()
        weakref.finalize(self, over.set)
        threading.Thread(target=_keep, args=(weakref.ref(self), over), name="credentials", daemon=True).start()

    def __call__(self) -> Credential:
        """Return keys that are good, as obstore takes them: those at hand, unless there are none.

        Raises:
            Exception: what the look-up raised, where there are none.
        """
        if self._process != os.getpid():
            self._begin()  # the parent's thread is not here
        held = self._held
        if held is None or _left(held) <= 0:
            with self._lock:
                held = self._held
                if held is None or _left(held) <= 0:
                    held = self._looked_up()
        soon = datetime.now(UTC) + KEPT
        expires = held["expires_at"]
        return {**held, "expires_at": soon if expires is None else min(soon, expires)}

    def refresh(self) -> float:
        """Look the keys up anew, and return in how many seconds to do so again."""
        try:
            found: Credential | None = None
            with self._lock:
                if self._held is None:  # whoever waits for the first has them then
                    found = self._looked_up()
            found = found or self._look_up()
        except Exception as error:  # noqa: BLE001 - whatever it is: the keys at hand are used as long as they are good
            self._failures += 1
            _log.log(
                logging.WARNING if self._failures == 1 else logging.DEBUG,
                "Keys of AWS could not be looked up: %s",
                error,
            )
            pause: float = AGAIN * 2 ** min(self._failures - 1, 16)
            return min(pause, _LONGEST)
        self._held = found
        self._failures = 0
        return _until_next(found)

    def _looked_up(self) -> Credential:
        if self._failure is not None and time.monotonic() < self._failure[0]:
            raise self._failure[1]
        try:
            self._held = self._look_up()
        except Exception as error:
            self._failure = (time.monotonic() + _REMEMBERED, error)
            raise
        return self._held


def _keep(reference: weakref.ref[Refreshing], over: threading.Event) -> None:
    while (keys := reference()) is not None:
        seconds = keys.refresh()
        del keys
        if over.wait(min(seconds, threading.TIMEOUT_MAX)):
            return


def _left(keys: Credential) -> float:
    """Return seconds for which keys are good."""
    expires = keys["expires_at"]
    return float("inf") if expires is None else (expires - datetime.now(UTC)).total_seconds()


def _until_next(keys: Credential) -> float:
    left = _left(keys)
    return max(left - min(SPARE, left / 4), 1.0)
