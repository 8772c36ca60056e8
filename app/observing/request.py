"""What is known of the request at hand: who asks for what, how it was answered, where the time went.

Kept in a variable of the context, which goes with the work into its threads, so that whatever is logged there can name
the request, and so that each part of the service writes down what it alone knows.
"""

from __future__ import annotations

import time
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Self

from tilery import stages

STAGES = ("queue", "open", "fetch", "decode", "sample", "render", "encode")
"""What the time of a request's work is made of. ``sample`` is what the others leave: finding the blocks and sampling
them onto the grid, and all that GDAL does where it reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds that the stages of some work took."""

    queue: float
    """Until it had a slot."""
    work: float
    """In the slot; the stages below are parts of it."""
    open: float = 0.0
    fetch: float = 0.0
    decode: float = 0.0
    render: float = 0.0
    encode: float = 0.0

    @property
    def sample(self) -> float:
        """What the other stages leave of the work."""
        return max(0.0, self.work - self.open - self.fetch - self.decode - self.render - self.encode)


class Stopwatch:
    """Measures one piece of work: how long it waits, and in which stages it is while it runs.

    Used as a context around the work, in its thread. Can be looked at meanwhile, as when the caller's time is up.
    """

    __slots__ = ("_arrived", "_began", "_ended", "_recording", "_stages")

    def __init__(self) -> None:
        """The work arrives now."""
        self._arrived = time.perf_counter()
        self._began = 0.0
        self._ended = 0.0
        self._stages = stages.Stages()

    def __enter__(self) -> Self:
        """The work begins."""
        self._began = time.perf_counter()
        self._recording = stages.recording(self._stages)
        self._recording.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """It has ended."""
        self._recording.__exit__(None, None, None)
        self._ended = time.perf_counter()

    def timing(self) -> Timing:
        """Return what was measured until now."""
        began = self._began or time.perf_counter()
        ended = self._ended or (time.perf_counter() if self._began else began)
        opened, fetched, decoded, rendered, encoded = self._stages.seconds
        return Timing(
            queue=began - self._arrived,
            work=ended - began,
            open=opened,
            fetch=fetched,
            decode=decoded,
            render=rendered,
            encode=encoded,
        )


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request. Its fields are those of its line in the log (docs/operations.md)."""

    request_id: str
    method: str
    path: str
    trace_id: str | None = None
    client: str | None = None
    route: str | None = None
    source: str | None = None
    """Where the raster is, without secrets."""
    layer: str | None = None
    tile: str | None = None
    how: str | None = None
    code: str | None = None
    """Of the problem that it was answered with."""
    limited: str | None = None
    """The parameter that was over its limit."""
    gdal_lines: int = 0
    """Errors and warnings of GDAL so far."""
    stopwatches: tuple[Stopwatch, ...] = ()
    """Of the work that was done for it."""

    def stages(self) -> dict[str, float] | None:
        """Return the seconds of each stage of the work; None where there was none."""
        if not self.stopwatches:
            return None
        found = [stopwatch.timing() for stopwatch in self.stopwatches]
        return {name: sum(getattr(timing, name) for timing in found) for name in STAGES}

    def named(self) -> str:
        """Return method, path and source, as a line about it names it."""
        return " ".join(part for part in (self.method, printable(self.path), printable(self.source or "")) if part)


def printable(text: str) -> str:
    """Return a text that cannot begin a line of its own, nor pass for another one."""
    return text if text.isascii() and text.isprintable() else ascii(text)


_current: ContextVar[RequestRecord | None] = ContextVar("request", default=None)

current = _current.get
"""Return the request at hand; None where there is none."""
begin = _current.set
"""Have a request at hand; what comes back is for `end`."""
end = _current.reset


def of(context: Context) -> RequestRecord | None:
    """Return the request that a context belongs to."""
    return context.get(_current)


def measured() -> Stopwatch:
    """Return a stopwatch for work that arrives now, and note it with the request at hand."""
    stopwatch = Stopwatch()
    note(stopwatch)
    return stopwatch


def note(stopwatch: Stopwatch) -> None:
    """Note with the request at hand that some work is done for it."""
    record = _current.get()
    if record is not None:
        record.stopwatches = (*record.stopwatches, stopwatch)
