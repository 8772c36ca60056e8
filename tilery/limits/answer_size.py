"""How large the answer to the request under way may be, where something that carries it has a limit.

Set once where a request comes in, known on every floor below; without a limit it is infinite. It belongs to the request
as the deadline does, and goes with it into the threads.
"""

from __future__ import annotations

import math
from contextvars import ContextVar, Token
from types import TracebackType

_most: ContextVar[float] = ContextVar("answer_size", default=math.inf)


class limit:  # noqa: N801  it is read as a verb: `with limit(6 << 20):`
    """A context in which the body of an answer may have `size` bytes at most."""

    __slots__ = ("_size", "_token")

    def __init__(self, size: float) -> None:
        self._size = size
        self._token: Token[float] | None = None

    def __enter__(self) -> None:
        """Set the limit."""
        self._token = _most.set(self._size)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Restore the limit that was in force before."""
        if self._token is not None:
            _most.reset(self._token)


def most() -> float:
    """Return bytes that the body of the answer may have; infinity where nothing limits it."""
    return _most.get()
