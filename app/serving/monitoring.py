"""What is watched and counted of one service, put together: metrics, watchdog, where the numbers are told."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from app.config.settings import Settings
from app.observing import emf, endpoint, shared_counters
from app.observing import metrics as m
from app.observing.metrics import Metrics
from app.observing.request import STAGES, Answer, RequestRecord
from app.observing.shared_counters import Table
from app.serving import gauges
from app.serving.service import Service, replace_worker
from app.serving.watchdog import Watchdog
from tilery.catalog.catalog import Catalog
from tilery.storage.options import Exchange

logger = logging.getLogger("tilery.metrics")


def metrics_of(settings: Settings) -> Metrics:
    """Return where this process counts: in the table that the workers share, where they do; nowhere if nobody asks."""
    if settings.metrics_port is None and settings.emf_namespace is None:
        return Metrics()
    found, row = (Table(), 0) if shared_counters.shared is None else (shared_counters.shared, shared_counters.own)
    return Metrics(found, None if row is None else found.row(row))


class RequestCounts:
    """What requests add to the metrics, those of one kind added up and written down together: to write the numbers of a
    tile that is in memory each time would be a twentieth of its cost.
    """

    def __init__(self, metrics: Metrics) -> None:
        """Count in these metrics."""
        self._metrics = metrics
        self._stages: tuple[int, ...] = ()
        """Where each stage is counted."""

    def add(self, answers: Iterable[Answer]) -> None:
        """Count requests that were answered."""
        kinds: dict[m.RequestKind, tuple[list[int], list[float]]] = {}
        worked: list[RequestRecord] = []
        for record, status, size, seconds, _ in answers:
            key = (record.route, status, record.how, record.code, record.limited)
            kind = kinds.get(key)
            if kind is None:
                kinds[key] = [size], [seconds]
            else:
                kind[0].append(size)
                kind[1].append(seconds)
            if record.stopwatches and record.how != "wait":
                worked.append(record)
        amounts: list[m.Amount] = []
        for key, (sizes, times) in kinds.items():
            ones, sent, histogram = self._places(key)
            amounts += [(place, len(times)) for place in ones]
            amounts.append((sent, sum(sizes)))
            amounts += m.observed_many(histogram, times)
        for record in worked:
            for place, value in zip(self._stage_places(), record.stages() or (), strict=False):
                if value:
                    amounts += m.observed(place, value)
        if self._metrics.row is not None:
            self._metrics.row.add_all(amounts)

    def _places(self, kind: m.RequestKind) -> tuple[tuple[int, ...], int, int]:
        known = self._metrics.of_requests
        return known.get(kind) or known.setdefault(kind, _places(self._metrics, kind))

    def _stage_places(self) -> tuple[int, ...]:
        self._stages = self._stages or tuple(self._metrics.place(m.STAGE_SECONDS, name) for name in STAGES)
        return self._stages


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
