"""The numbers of a worker as lines of the log that CloudWatch makes metrics of: no agent, no port, no call of AWS.

The Embedded Metric Format (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
CloudWatch_Embedded_Metric_Format_Specification.html): one JSON object a line, which names those of its fields that are
metrics. Each metric costs by the month, so only those that alarms and dashboards are made of are named; every other
number is in the line as well, for Logs Insights.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable

from app.observing.logs import RAW
from app.observing.metrics import ALL, FAST, Metric
from app.observing.shared_counters import Entry, Table

SECONDS = 60.0
"""Between two lines of a worker."""
QUANTILES = (50, 95, 99)
_MILLISECONDS, _BYTES, _COUNT = "Milliseconds", "Bytes", "Count"
NAMED = {
    "Requests": _COUNT,
    "Errors4xx": _COUNT,
    "Errors5xx": _COUNT,
    "Refused": _COUNT,
    "RequestP50": _MILLISECONDS,
    "RequestP95": _MILLISECONDS,
    "RequestP99": _MILLISECONDS,
    "CacheHits": _COUNT,
    "Renders": _COUNT,
    "UpstreamErrors": _COUNT,
    "UpstreamBytes": _BYTES,
    "EventLoopLag": _MILLISECONDS,
    "Memory": _BYTES,
    "QueueLength": _COUNT,
    "SlotsHanging": _COUNT,
    "CatalogProblems": _COUNT,
    "Recycles": _COUNT,
}
"""Fields that are metrics, and their units."""
REFUSALS = ("busy", "over_limit", "too_much_work", "answer_too_large", "deadline_exceeded", "too_many_guesses")
"""Codes of problems by which a limit shows."""

logger = logging.getLogger(RAW)

Values = tuple[float, ...]


class EmbeddedMetrics:
    """Writes what one row has counted since the line before."""

    def __init__(self, namespace: str, table: Table, row: int, service: str) -> None:
        """Write metrics of that namespace, of one row of the table, for a service of that name."""
        self._namespace = namespace
        self._table = table
        self._row = row
        self._service = service
        self._before: dict[str, Values] = {}
        self._due = time.monotonic() + SECONDS

    def write_when_due(self) -> None:
        """Write a line if a minute has passed."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + SECONDS
            self.write()

    def write(self) -> None:
        """Write a line."""
        logger.info(json.dumps(self.line(), separators=(",", ":")))

    def line(self) -> dict[str, object]:
        """Return the fields of a line; what is counted is what came since the one before."""
        found = {entry.name: entry for entry in self._table.read() if entry.row == self._row}
        changed = {name: self._change(entry) for name, entry in found.items()}
        self._before = {name: entry.values for name, entry in found.items() if entry.additive}
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [["Service"]],
            "Metrics": [{"Name": name, "Unit": unit} for name, unit in NAMED.items()],
        }
        return {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
            "Service": self._service,
            **_named(changed),
            **_all(changed),
        }

    def _change(self, entry: Entry) -> Values:
        before = self._before.get(entry.name)
        if before is None or not entry.additive:
            return entry.values
        return tuple(value - old for value, old in zip(entry.values, before, strict=True))


def _named(changed: dict[str, Values]) -> dict[str, float]:
    """Return the fields that are metrics."""
    requests = _of(changed, "tilery_requests_total")
    by_class = {digit: sum(v[0] for labels, v in requests if labels[-1][:1] == digit) for digit in "1245"}
    problems = _of(changed, "tilery_problems_total")
    served = {labels[0]: v[0] for labels, v in _of(changed, "tilery_served_total")}
    seconds = _sum(v for _, v in _of(changed, "tilery_request_seconds"))
    latencies = {f"RequestP{q}": 1000 * quantile(seconds, q / 100) for q in QUANTILES}
    return {
        "Requests": sum(v[0] for _, v in requests),
        "Errors4xx": by_class["4"],
        "Errors5xx": by_class["5"],
        "Refused": sum(v[0] for labels, v in problems if labels[0] in REFUSALS),
        **latencies,
        "CacheHits": sum(served.get(how, 0.0) for how in ("hit", "known", "stored")),
        "Renders": served.get("miss", 0.0),
        "UpstreamErrors": _total(changed, "tilery_upstream_errors_total"),
        "UpstreamBytes": _total(changed, "tilery_upstream_bytes_total"),
        "EventLoopLag": 1000 * _total(changed, "tilery_event_loop_lag_seconds"),
        "Memory": _total(changed, "tilery_memory_bytes"),
        "QueueLength": _total(changed, "tilery_queue_length"),
        "SlotsHanging": _total(changed, "tilery_compute_slots_hanging"),
        "CatalogProblems": _total(changed, "tilery_catalog_problems"),
        "Recycles": _total(changed, "tilery_recycles_total"),
    }


def _all(changed: dict[str, Values]) -> dict[str, float]:
    """Return every number under its name in Prometheus, labels behind it; of histograms the sum and the count."""
    fields: dict[str, float] = {}
    for name, numbers in changed.items():
        metric = ALL.get(name.partition("\0")[0])
        if metric is None:
            continue
        if metric.kind == "histogram":
            fields[_field(metric, name, "_count")] = sum(numbers[:-1])
            fields[_field(metric, name, "_sum")] = round(numbers[-1], 6)
        else:
            fields[_field(metric, name)] = round(numbers[0], 6)
    return fields


def _field(metric: Metric, name: str, suffix: str = "") -> str:
    return "_".join((metric.name + suffix, *(part for part in name.split("\0")[1:] if part)))


def _of(changed: dict[str, Values], metric: str) -> list[tuple[list[str], Values]]:
    return [(name.split("\0")[1:], numbers) for name, numbers in changed.items() if name.partition("\0")[0] == metric]


def _total(changed: dict[str, Values], metric: str) -> float:
    return sum(numbers[0] for _, numbers in _of(changed, metric))


def _sum(rows: Iterable[Values]) -> Values:
    return tuple(map(sum, zip(*rows, strict=True)))


def quantile(histogram: Values, share: float) -> float:
    """Return a quantile of a histogram, between the bounds of its bucket as if all in it were spread evenly, which is
    what Prometheus does; 0 of an empty one, and of what is beyond the last bound that bound.
    """
    counts = histogram[:-1]
    wanted = share * sum(counts)
    seen = lower = 0.0
    for bound, count in zip(FAST, counts, strict=False):
        if count and seen + count >= wanted:
            return lower + (bound - lower) * (wanted - seen) / count
        seen += count
        lower = bound
    return FAST[-1] if sum(counts) else 0.0
