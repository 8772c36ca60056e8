"""What is known of the request at hand: who asks for what, how it was answered, where the time went.

Kept in a variable of the context, which goes with the work into its threads, so that whatever is logged there can name
the request, and so that each part of the service writes down what it alone knows.
"""

from __future__ import annotations

import time
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Protocol, Self

from tilery import stages

STAGES = ("queue", "open", "fetch", "decode", "sample", "render", "encode")
"""What the time of a request's work is made of. ``sample`` is what the others leave: finding the blocks and sampling
them onto the grid, and all that GDAL does where it reads."""
Seconds = tuple[float, float, float, float, float, float, float]
"""Of each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds that some work took."""

    queue: float
    """Until it had a slot."""
    work: float
    """In the slot."""


class Stopwatch:
    """Measures one piece of work: how long it waits, and in which stages it is while it runs.

    Used as a context around the work, in its thread. Can be looked at meanwhile, as when the caller's time is up.
    """

    __slots__ = ("_arrived", "_began", "_ended", "_recording", "_stages")

    def __init__(self, measured: stages.Stages | None = None) -> None:
        """The work arrives now; ``measured`` adds up its stages."""
        self._arrived = time.perf_counter()
        self._began = 0.0
        self._ended = 0.0
        self._stages = measured or stages.Stages()

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

    def seconds(self) -> Seconds:
        """Return what was measured until now, in the order of `STAGES`."""
        began = self._began or time.perf_counter()
        opened, fetched, decoded, rendered, encoded = self._stages.until_now()
        rest = self._work(began) - opened - fetched - decoded - rendered - encoded
        return (began - self._arrived, opened, fetched, decoded, max(0.0, rest), rendered, encoded)

    @property
    def stages(self) -> stages.Stages:
        """What adds up the stages."""
        return self._stages

    def moments(self) -> tuple[float, float, float]:
        """Return when the work arrived, began and ended, as `time.perf_counter` has it; what is not yet is now."""
        began = self._began or time.perf_counter()
        return self._arrived, began, self._ended or time.perf_counter()

    def timing(self) -> Timing:
        """Return how long the work waited and took until now."""
        began = self._began or time.perf_counter()
        return Timing(queue=began - self._arrived, work=self._work(began))

    def _work(self, began: float) -> float:
        if self._ended:
            return self._ended - began
        return time.perf_counter() - began if self._began else 0.0


class Trace(Protocol):
    """What is told to OpenTelemetry of a request (`app.observing.traces`)."""

    def stages(self) -> stages.Stages:
        """Return what measures the stages of some work."""
        ...

    def headers(self) -> str:
        """Return the lines that tell another server of this trace."""
        ...

    def end(self, record: RequestRecord, status: int, size: int) -> None:
        """The request has been answered."""
        ...


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request. Its fields are those of its line in the log (docs/operations.md)."""

    request_id: str
    method: str
    path: str
    trace_id: str | None = None
    client: str | None = None
    access: str | None = None
    """What let it in: the name of a token, of a key."""
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
    trace: Trace | None = None

    def stages(self) -> Seconds | None:
        """Return the seconds of each stage of the work, in the order of `STAGES`; None where there was none."""
        match self.stopwatches:
            case ():
                return None
            case (only,):
                return only.seconds()
        found = [stopwatch.seconds() for stopwatch in self.stopwatches]
        return tuple(map(sum, zip(*found, strict=True)))  # type: ignore[return-value]  # as many as there are stages

    def named(self) -> str:
        """Return method, path and source, as a line about it names it."""
        return " ".join(part for part in (self.method, printable(self.path), printable(self.source or "")) if part)


Answer = tuple[RequestRecord, int, int, float, float]
"""A request that was answered: the status, the bytes of the body that were sent, the seconds from the first byte of the
request to the last of the answer, and when it was, in seconds since 1970. A plain tuple, because one is made for each
line: it takes a third of the time of one with names.
"""


def printable(text: str) -> str:
    """Return a text that cannot begin a line of its own, nor pass for another one."""
    return text if text.isascii() and text.isprintable() else ascii(text)


def escaped(text: str) -> str:
    """Return a text in which what cannot be printed, as line breaks and control characters, is written in escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


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
    record = _current.get()
    stopwatch = Stopwatch(None if record is None or record.trace is None else record.trace.stages())
    note(stopwatch)
    return stopwatch


def note(stopwatch: Stopwatch) -> None:
    """Note with the request at hand that some work is done for it."""
    record = _current.get()
    if record is not None:
        record.stopwatches = (*record.stopwatches, stopwatch)
