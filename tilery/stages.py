"""How long the stages of the work at hand take: opening, fetching, decoding, rendering, encoding.

Measured where they happen and added up for whoever wants to know (`recording`); without one it costs a look at a
variable. A stage inside of another counts for itself alone: what a raster fetches while it is opened is fetching. Time
of threads that work side by side for one request is added up too, so that the stages together may be more than the
request took.
"""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar, Token
from types import TracebackType

OPEN, FETCH, DECODE, RENDER, ENCODE = range(5)
NAMES = ("open", "fetch", "decode", "render", "encode")
"""Of the stages above, in their order."""


class Stages:
    """Seconds by stage. Safe under threads."""

    __slots__ = ("_lock", "now", "seconds")

    def __init__(self) -> None:
        """Begin with no time measured, in seconds, for any stage."""
        self.seconds = [0.0] * len(NAMES)
        self.now: tuple[int, float] | None = None
        """The stage that was entered last and has not ended, and when."""
        self._lock = threading.Lock()

    def until_now(self) -> list[float]:
        """Return the seconds, with those of a stage that has not ended."""
        found, now = list(self.seconds), self.now
        if now is not None:
            found[now[0]] += time.perf_counter() - now[1]
        return found

    def add(self, which: int, seconds: float, began: float) -> None:  # noqa: ARG002 - who notes moments needs it
        """Add what was measured of a stage, without those inside of it.

        Args:
            which: the stage.
            seconds: that it took.
            began: when it was entered, as `time.perf_counter` has it.
        """
        with self._lock:
            self.seconds[which] += seconds


class _Inner(threading.local):
    """Of each thread: seconds of the stages inside of the one that it is in."""

    seconds = 0.0


_current: ContextVar[Stages | None] = ContextVar("stages", default=None)
_inner = _Inner()


class recording:  # noqa: N801  it is read as a verb: `with recording(stages):`
    """A context in which stages are added to ``stages``; it goes with the context into other threads."""

    __slots__ = ("_stages", "_token")

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._token: Token[Stages | None] | None = None

    def __enter__(self) -> None:
        """Begin to record."""
        self._token = _current.set(self._stages)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Go back to who recorded before."""
        if self._token is not None:
            _current.reset(self._token)


class stage:  # noqa: N801  the same: `with stage(FETCH):`
    """A context whose time counts as a stage, without that of stages inside of it."""

    __slots__ = ("_before", "_began", "_outer", "_stages", "_which")

    def __init__(self, which: int) -> None:
        self._which = which

    def __enter__(self) -> None:
        """Begin to measure, where somebody wants to know."""
        self._stages = _current.get()
        if self._stages is not None:
            self._outer = _inner.seconds
            _inner.seconds = 0.0
            self._began = time.perf_counter()
            self._before = self._stages.now
            self._stages.now = (self._which, self._began)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Add what was measured."""
        if self._stages is not None:
            seconds = time.perf_counter() - self._began
            self._stages.now = self._before
            self._stages.add(self._which, seconds - _inner.seconds, self._began)
            _inner.seconds = self._outer + seconds
