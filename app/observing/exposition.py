"""The numbers of all workers in the format that Prometheus reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.observing.metrics import ALL, FAST, Metric
from app.observing.shared_counters import Table
from tilery import __version__

MEDIA_TYPE = CONTENT_TYPE_LATEST
_BOUNDS = (*(f"{bound:g}" for bound in FAST), "+Inf")

Labels = tuple[str, ...]
Values = tuple[float, ...]


def text(table: Table) -> bytes:
    """Return all metrics as text."""
    return generate_latest(_Numbers(table))


def gathered(table: Table) -> dict[str, dict[Labels, Values]]:
    """Return the numbers of all rows put together, by metric and labels; those of one worker each have its number as a
    label more.
    """
    found: dict[str, dict[Labels, list[Values]]] = defaultdict(lambda: defaultdict(list))
    for entry in table.read():
        name, *labels = entry.name.split("\0")
        metric = ALL.get(name)
        if metric is None:
            continue
        if metric.kind == "gauge" and metric.together == "worker":
            labels = [*labels, str(entry.row)]
        found[name][tuple(labels)].append(entry.values)
    return {
        name: {labels: _together(ALL[name], values) for labels, values in rows.items()} for name, rows in found.items()
    }


def _together(metric: Metric, rows: list[Values]) -> Values:
    largest = metric.kind == "gauge" and metric.together == "largest"
    return tuple((max if largest else sum)(column) for column in zip(*rows, strict=True))


class _Numbers(Collector):
    def __init__(self, table: Table) -> None:
        self._table = table

    def collect(self) -> Iterator[Family]:
        build = GaugeMetricFamily("tilery_build_info", "1, with the version that runs.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        numbers = gathered(self._table)
        for name, metric in ALL.items():
            yield _family(metric, numbers.get(name, {}))


def _family(metric: Metric, rows: dict[Labels, Values]) -> Family:
    labels = list(metric.labels)
    family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if metric.kind == "histogram":
        family = HistogramMetricFamily(metric.name, metric.help, labels=labels)
        for values, numbers in sorted(rows.items()):
            counts = accumulate(numbers[:-1])
            family.add_metric(values, list(zip(_BOUNDS, counts, strict=True)), sum_value=numbers[-1])
        return family
    if metric.kind == "counter":
        family = CounterMetricFamily(metric.name, metric.help, labels=labels)
    else:
        labels += ["worker"] if metric.together == "worker" else []
        family = GaugeMetricFamily(metric.name, metric.help, labels=labels)
    if not labels and not rows and metric.kind == "counter":
        rows = {(): (0.0,)}  # so that a first event is an increase and not a beginning
    for values, numbers in sorted(rows.items()):
        family.add_metric(values, numbers[0])
    return family
