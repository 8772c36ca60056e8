"""What is watched and counted of one service, put together: metrics, watchdog, where the numbers are told."""

from __future__ import annotations

import logging
from bisect import bisect_left
from functools import partial

from app.config.settings import Settings
from app.observing import emf, endpoint, shared_counters
from app.observing import metrics as m
from app.observing.metrics import Metrics
from app.observing.request import STAGES, RequestRecord
from app.observing.shared_counters import Table
from app.serving import gauges
from app.serving.service import Service, replace_worker
from app.serving.watchdog import Watchdog
from tilery.catalog.catalog import Catalog
from tilery.storage.options import Exchange

logger = logging.getLogger("tilery.metrics")

_SUMS = 3
"""Numbers of a kind of requests before those of its histogram."""


def metrics_of(settings: Settings) -> Metrics:
    """Return where this process counts: in the table that the workers share, where they do; nowhere if nobody asks."""
    if settings.metrics_port is None and settings.emf_namespace is None:
        return Metrics()
    found, row = (Table(), 0) if shared_counters.shared is None else (shared_counters.shared, shared_counters.own)
    return Metrics(found, None if row is None else found.row(row))


class RequestCounts:
    """What requests add to the metrics, those of one kind added up and written down together: to write the numbers of a
    tile that is in memory each time would be a twentieth of its cost.

    Used from one event loop.
    """

    def __init__(self, metrics: Metrics) -> None:
        """Count in these metrics."""
        self._metrics = metrics
        self._waiting: dict[m.RequestKind, list[float]] = {}
        """Of each kind how many there were, their bytes and seconds, and how many in each bucket of the histogram."""
        self._worked: list[RequestRecord] = []

    def add(self, record: RequestRecord, status: int, size: int, seconds: float) -> None:
        """Count a request that was answered; it is in the metrics after `flush`."""
        key = (record.route, status, record.how, record.code, record.limited)
        sums = self._waiting.get(key)
        if sums is None:
            sums = self._waiting[key] = [0.0] * (_SUMS + len(m.FAST) + 1)
        sums[0] += 1
        sums[1] += size
        sums[2] += seconds
        sums[_SUMS + bisect_left(m.FAST, seconds)] += 1
        if record.stopwatches and record.how != "wait":
            self._worked.append(record)

    def flush(self) -> None:
        """Write down what waits."""
        metrics = self._metrics
        amounts: list[m.Amount] = []
        for key, (requests, size, seconds, *buckets) in self._waiting.items():
            places = metrics.of_requests.get(key)
            if places is None:
                places = metrics.of_requests[key] = _places(metrics, key)
            ones, sent, histogram = places
            amounts += [(place, requests) for place in ones]
            amounts += ((sent, size), *m.observed_many(histogram, buckets, seconds))
        for record in self._worked:
            for name, value in zip(STAGES, record.stages() or (), strict=False):
                if value:
                    amounts += m.observed(metrics.place(m.STAGE_SECONDS, name), value)
        self._waiting, self._worked = {}, []
        if metrics.row is not None:
            metrics.row.add_all(amounts)


def _places(metrics: Metrics, kind: m.RequestKind) -> tuple[tuple[int, ...], int, int]:
    """Return where requests of a kind are counted: one more each, the bytes, the histogram."""
    named, status, how, code, limited = kind
    route = named or "other"
    ones = [metrics.place(m.REQUESTS, route, str(status))]
    if how is not None:
        ones.append(metrics.place(m.SERVED, how))
    if code is not None:
        ones.append(metrics.place(m.PROBLEMS, code, limited or ""))
    return tuple(ones), metrics.place(m.SENT), metrics.place(m.REQUEST_SECONDS, route)


def count_exchange(metrics: Metrics, exchange: Exchange) -> None:
    """Count a request to where rasters are."""
    metrics.count(m.UPSTREAM, exchange.host)
    metrics.count(m.UPSTREAM_BYTES, exchange.host, by=exchange.size)
    metrics.observe(m.UPSTREAM_SECONDS, exchange.seconds, exchange.host)
    if exchange.problem is not None:
        metrics.count(m.UPSTREAM_ERRORS, exchange.host, exchange.problem)


class Monitor:
    """Watches a service as long as its server runs."""

    def __init__(self, settings: Settings, service: Service, catalog: Catalog | None) -> None:
        """Watch as the settings say. Nothing is started yet."""
        self._settings = settings
        self._service = service
        self._sample = partial(gauges.sample, service.metrics, service, catalog, settings.memory or 0)
        found, namespace = service.metrics.table, settings.emf_namespace
        self._emf: emf.EmbeddedMetrics | None = None
        row = 0 if shared_counters.shared is None else shared_counters.own
        if found is not None and namespace is not None and row is not None:
            self._emf = emf.EmbeddedMetrics(namespace, found, row, settings.name)
        self._dog = Watchdog(service.pools, service.metrics, stuck=replace_worker, sample=self.look)

    def start(self) -> None:
        """Watch from now on; called on the event loop."""
        self._dog.start()
        found = self._service.metrics.table
        if found is None:
            return
        port = self._settings.metrics_port
        if endpoint.shared is not None:
            endpoint.start(found, endpoint.shared)
        elif port is not None and shared_counters.shared is None:  # a server without a process that forks
            try:
                endpoint.start(found, endpoint.listen(self._settings.metrics_host, port))
            except OSError:
                logger.exception("nobody can ask for the metrics: port %d cannot be had", port)

    def stop(self) -> None:
        """Watch no more; tell what was not told yet."""
        self._dog.stop()
        if self._emf is not None:
            self._emf.write()

    def look(self) -> None:
        """Write down what there is at this moment; where nothing goes on between requests, called after each."""
        self._sample()
        if self._emf is not None:
            self._emf.write_when_due()
