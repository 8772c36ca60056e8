"""Until when the work at hand may go on, known to everything that waits for it.

A request sets its limit once; reading, fetching and retrying ask what is left of it instead of carrying a number
through every signature. The limit belongs to a context: work handed to another thread takes it along when it is run in
a copy of the context (`contextvars.copy_context`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TypeVar

from tilery.errors import DeadlineExceeded

T = TypeVar("T")

_end: ContextVar[float] = ContextVar("deadline", default=math.inf)


class limit:  # noqa: N801  it is read as a verb: `with limit(5):`
    """A context in which the work may take `seconds` at most, and never longer than the context around it allows."""

    __slots__ = ("_end", "_token")

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._token: Token[float] | None = None

    def __enter__(self) -> None:
        """Shorten the deadline in force."""
        self._token = _end.set(min(self._end, _end.get()))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Restore the deadline that was in force before."""
        if self._token is not None:
            _end.reset(self._token)


def remaining() -> float:
    """Return seconds that are left, infinity where nothing limits the work.

    Raises:
        DeadlineExceeded: none are left.
    """
    left = _end.get() - time.monotonic()
    if left <= 0:
        raise exceeded()
    return left


def check() -> None:
    """Check that time is left.

    Raises:
        DeadlineExceeded: none is left.
    """
    remaining()


def paced(items: Iterable[T], every: int = 16) -> Iterator[T]:
    """Yield the items, for a long loop in a thread: now and then the deadline is checked and the event loop let go on.

    Without, it would wait 5 ms each time that it wants the interpreter's lock.

    Raises:
        DeadlineExceeded: none is left.
    """
    for number, item in enumerate(items):
        if number % every == 0:
            check()
            time.sleep(0)
        yield item


def exceeded() -> DeadlineExceeded:
    """Return the error that says that the time is up."""
    return DeadlineExceeded("The request took longer than the server allows.")
