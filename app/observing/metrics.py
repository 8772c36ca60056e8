"""What is counted and measured, each with its name and what it means, and how a part of the service does it.

Names are Prometheus's way: seconds and bytes, ``_total`` for what only grows. docs/operations.md says what to make of
them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.observing.shared_counters import Row, Table

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
"""Upper bounds of histograms, in seconds."""
_CELLS = len(FAST) + 2
"""Numbers of a histogram: a count for each bound and one for what is beyond, and the sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One kind of number."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    together: Literal["sum", "largest", "worker"] = "sum"
    """What becomes of the gauges of several workers: their sum; the largest, where all tell the same thing; or one of
    each, with the label ``worker``."""

    @property
    def additive(self) -> bool:
        """True when its numbers outlive the worker."""
        return self.kind != "gauge"


ALL: dict[str, Metric] = {}
"""Every metric by name, in the order in which they are shown."""


def _counter(name: str, help_: str, *labels: str) -> Metric:
    return _known(Metric(name=f"tilery_{name}_total", kind="counter", help=help_, labels=labels))


def _histogram(name: str, help_: str, *labels: str) -> Metric:
    return _known(Metric(name=f"tilery_{name}_seconds", kind="histogram", help=help_, labels=labels))


def _gauge(name: str, help_: str, *labels: str, together: Literal["sum", "largest", "worker"] = "worker") -> Metric:
    return _known(Metric(name=f"tilery_{name}", kind="gauge", help=help_, labels=labels, together=together))


def _known(metric: Metric) -> Metric:
    ALL[metric.name] = metric
    return metric


REQUESTS = _counter("requests", "Requests answered, by route and status (499: the caller had gone).", "route", "status")
REQUEST_SECONDS = _histogram("request", "From the request to the last byte of its answer.", "route")
SENT = _counter("response_bytes", "Bytes of the bodies of answers.")
PROBLEMS = _counter(
    "problems", "Problem documents, by code, and by parameter where that was over its limit.", "code", "parameter"
)
SERVED = _counter("served", "How answers about rasters came about: hit, known, stored, wait, miss.", "how")
STAGE_SECONDS = _histogram("stage", "Time of work by stage; sample is what the others leave.", "stage")

TILE_STORE = _counter("tile_store", "Questions to the tile store by what came of them.", "operation", "outcome")

SLOTS = _gauge("compute_slots", "Threads for work; local: rasters on disk, remote: those in stores.", "pool")
SLOTS_TAKEN = _gauge("compute_slots_taken", "Those at work.", "pool")
SLOTS_HANGING = _gauge("compute_slots_hanging", "Those whose work should have come back long ago.", "pool")
SLOT_AGE = _gauge("oldest_work_seconds", "Time since the work that is longest under way began.", "pool")
QUEUE = _gauge("queue_length", "Requests that wait for a slot.", "pool")
QUEUE_LIMIT = _gauge("queue_limit", "Requests that may wait.", "pool")
FLIGHTS = _gauge("flights", "Renders under way that others may wait for.")

UPSTREAM = _counter("upstream_requests", "Requests to where rasters are: s3, listed, public.", "host")
UPSTREAM_BYTES = _counter("upstream_bytes", "Bytes that came back.", "host")
UPSTREAM_ERRORS = _counter("upstream_errors", "Requests that failed, by the code of the problem.", "host", "code")
UPSTREAM_SECONDS = _histogram("upstream", "Time of requests to where rasters are.", "host")

LAG = _gauge("event_loop_lag_seconds", "How late the event loop was, at most, in the last 15 s.")
FREEZES = _counter("event_loop_freezes", "Times that the event loop stood still for more than a second.")
CLOCK_CHANGES = _counter("clock_changes", "Times that the clock of the machine was set.")
RESIDENT = _gauge("memory_bytes", "Memory that the process holds.")
MEMORY_LIMIT = _gauge("memory_limit_bytes", "Memory beyond which it is replaced; 0: it never is.")
WORK = _gauge("work_bytes", "Memory that requests under way were given.")
UNSENT = _gauge("unsent_bytes", "Answers that their clients have not read yet.")
WORK_LIMIT = _gauge("work_limit_bytes", "Memory for requests under way and unsent answers.")
BLOCKS = _gauge("block_cache_bytes", "Decoded blocks that are kept.", together="largest")
BLOCKS_LIMIT = _gauge("block_cache_limit_bytes", "Decoded blocks that may be kept.", together="largest")
TILES = _gauge("tile_cache_bytes", "Finished tiles that are kept.", together="largest")
TILES_LIMIT = _gauge("tile_cache_limit_bytes", "Finished tiles that may be kept.", together="largest")
DATASETS = _gauge("open_datasets", "Rasters that are open.")

CATALOG_PROBLEMS = _gauge("catalog_problems", "Layers whose document cannot be read or is broken.", together="largest")
STORE_RESTING = _gauge("tile_store_resting", "1 while the tile store is left alone after failures.")
WORKERS = _gauge("workers", "Processes that serve.", together="sum")
RECYCLES = _counter("recycles", "Workers replaced: grown, hanging, stuck.", "reason")
DEATHS = _counter("worker_deaths", "Workers that died unasked, as when memory runs out.")


Amount = tuple[int, float]
"""What is added to a number, behind its place."""
RequestKind = tuple[str | None, int, str | None, str | None, str | None]
"""What requests that are counted together have in common: route, status, how they came about, the code of the problem,
the parameter that was over its limit."""


class Metrics:
    """Where one process counts; nowhere, where nobody wants to know."""

    def __init__(self, table: Table | None = None, row: Row | None = None) -> None:
        """Count in a row of a table; without them, not at all."""
        self.table = table
        self.row = row
        self._places: dict[tuple[str, ...], int] = {}
        self.of_requests: dict[RequestKind, tuple[tuple[int, ...], int, int]] = {}
        """Where requests of one kind are counted, for `app.serving.monitoring`."""

    @property
    def wanted(self) -> bool:
        """True when anything is counted."""
        return self.row is not None

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        if self.row is not None:
            self.row.add(self.place(metric, *labels), by)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Say what a gauge shows."""
        if self.row is not None:
            self.row.set(self.place(metric, *labels), value)

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Add to a histogram."""
        if self.row is not None:
            self.row.add_all(observed(self.place(metric, *labels), seconds))

    def place(self, metric: Metric, *labels: str) -> int:
        """Return where a metric with these labels is counted; 0: nowhere."""
        key = (metric.name, *labels)
        place = self._places.get(key)
        if place is None:
            cells = _CELLS if metric.kind == "histogram" else 1
            place = 0 if self.row is None else self.row.place("\0".join(key), cells, additive=metric.additive)
            self._places[key] = place
        return place


def observed(place: int, seconds: float) -> tuple[Amount, Amount]:
    """Return what is added to the histogram at a place."""
    if not place:
        return (0, 0.0), (0, 0.0)
    return (place + bisect_left(FAST, seconds), 1.0), (place + _CELLS - 1, seconds)


def observed_many(place: int, values: Sequence[float]) -> Iterator[Amount]:
    """Return what many, in seconds, add to the histogram at a place."""
    if not place:
        return
    if len(values) < len(FAST):
        counts = Counter(bisect_left(FAST, value) for value in values)
        yield from ((place + number, count) for number, count in counts.items())
    else:
        ordered, before = sorted(values), 0
        for number, bound in enumerate((*FAST, math.inf)):
            behind = bisect_right(ordered, bound, before)
            if behind > before:
                yield place + number, behind - before
                before = behind
    yield place + _CELLS - 1, sum(values)
