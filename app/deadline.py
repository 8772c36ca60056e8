"""Until when the work at hand may go on, known to everything that waits for it.

A request sets its limit once; reading, fetching and retrying ask what is left of it instead of carrying a number
through every signature. The limit belongs to a context: work handed to another thread takes it along when it is run in
a copy of the context (`contextvars.copy_context`).
"""

from __future__ import annotations

import math
import time
from contextvars import ContextVar, Token
from types import TracebackType

from app.errors import DeadlineExceeded

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
    """Seconds that are left, infinity where nothing limits the work.

    Raises:
        DeadlineExceeded: none are left.
    """
    left = _end.get() - time.monotonic()
    if left <= 0:
        raise exceeded()
    return left


def check() -> None:
    """Nothing, as long as time is left.

    Raises:
        DeadlineExceeded: none is left.
    """
    remaining()


def exceeded() -> DeadlineExceeded:
    """The error that says that the time is up."""
    return DeadlineExceeded("The request took longer than the server allows.")
