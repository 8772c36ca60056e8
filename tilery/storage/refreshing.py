"""What runs out, as keys do, looked up again before it does, in the background: no request but the first waits."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_log = logging.getLogger("tilery.storage")
_log.addHandler(logging.NullHandler())  # where nobody keeps a log, as at a terminal, the error is told by who meets it

SPARE = 300.0
"""Seconds before something runs out, or a quarter of its life where that is shorter, at which it is looked up anew."""
AGAIN = 10.0
"""Seconds before a look-up that failed is made again in the background; twice as many after each further failure."""
_LONGEST = 300.0
_REMEMBERED = 1.0
"""Seconds for which the failure of a look-up that a request waited for is repeated."""


class Refreshing(Generic[T]):
    """What a look-up finds, at hand. Safe under threads."""

    def __init__(self, look_up: Callable[[], T], *, expires: Callable[[T], datetime | None], what: str) -> None:
        """Have what a look-up finds. The first one begins at once, in a thread that ends with this.

        Args:
            look_up: finds it, or raises.
            expires: returns when what was found runs out; None: it does not.
            what: the log calls it so.
        """
        self._look_up = look_up
        self._expires = expires
        self._what = what
        self._held: T | None = None
        self._failure: tuple[float, Exception] | None = None
        self._failures = 0
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._first = True
        over = threading.Event()
        weakref.finalize(self, over.set)
        threading.Thread(target=_keep, args=(weakref.ref(self), over), name="credentials", daemon=True).start()

    def held(self) -> T:
        """Return what is at hand; it is looked up where that is nothing, or has run out.

        Raises:
            Exception: what the look-up raised.
        """
        if self._process != os.getpid():
            self._begin()  # the parent's thread is not here
        held = self._held
        if held is None or self._left(held) <= 0:
            with self._lock:
                held = self._held
                if held is None or self._left(held) <= 0:
                    held = self._looked_up()
        return held

    def refresh(self) -> float:
        """Look it up anew, and return in how many seconds to do so again."""
        try:
            found: T | None = None
            with self._lock:
                if self._held is None:  # whoever waits for the first has it then
                    found = self._looked_up()
                elif self._first and self._left(self._held) > 0:  # a request was before this thread
                    found = self._held
                self._first = False
            found = self._look_up() if found is None else found
        except Exception as error:  # noqa: BLE001 - whatever it is: what is at hand is used as long as it is good
            self._failures += 1
            _log.log(
                logging.WARNING if self._failures == 1 else logging.DEBUG,
                "%s could not be looked up: %s",
                self._what,
                error,
            )
            pause: float = AGAIN * 2 ** min(self._failures - 1, 16)
            return min(pause, _LONGEST)
        self._held = found
        self._failures = 0
        left = self._left(found)
        return max(left - min(SPARE, left / 4), 1.0)

    def _left(self, held: T) -> float:
        """Return seconds for which something is good."""
        expires = self._expires(held)
        return float("inf") if expires is None else (expires - datetime.now(UTC)).total_seconds()

    def _looked_up(self) -> T:
        if self._failure is not None and time.monotonic() < self._failure[0]:
            raise self._failure[1]
        try:
            self._held = found = self._look_up()
        except Exception as error:
            self._failure = (time.monotonic() + _REMEMBERED, error)
            raise
        return found


def _keep(reference: weakref.ref[Refreshing[Any]], over: threading.Event) -> None:
    while (kept := reference()) is not None:
        seconds = kept.refresh()
        del kept
        if over.wait(min(seconds, threading.TIMEOUT_MAX)):
            return
