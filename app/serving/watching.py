"""What is watched and counted of one service, put together: metrics, watchdog, where the numbers are told."""

from __future__ import annotations

import logging
from functools import partial

from app.config.settings import Settings
from app.observing import emf, endpoint, table
from app.observing import metrics as m
from app.observing.metrics import Metrics
from app.observing.request import STAGES, Answer, RequestRecord
from app.observing.table import Table
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
    found, row = (Table(), 0) if table.shared is None else (table.shared, table.own)
    return Metrics(found, None if row is None else found.row(row))


def count_request(metrics: Metrics, answer: Answer) -> None:
    """Count a request that was answered."""
    row, record, seconds = metrics.row, answer.record, answer.seconds
    if row is None:
        return
    key = (record.route, answer.status, record.how, record.code, record.limited)
    places = metrics.of_requests.get(key)
    if places is None:
        places = metrics.of_requests[key] = _places(metrics, record, answer.status)
    ones, sent, histogram = places
    amounts = [(place, 1.0) for place in ones]
    amounts += ((sent, answer.size), *m.observed(histogram, seconds))
    if record.how != "wait" and (stages := record.stages()) is not None:
        for name, value in zip(STAGES, stages, strict=True):
            if value:
                amounts += m.observed(metrics.place(m.STAGE_SECONDS, name), value)
    row.add_all(amounts)


def _places(metrics: Metrics, record: RequestRecord, status: int) -> tuple[tuple[int, ...], int, int]:
    """Return where requests like this one are counted: one more each, the bytes, the histogram."""
    route = record.route or "other"
    ones = [metrics.place(m.REQUESTS, route, str(status))]
    if record.how is not None:
        ones.append(metrics.place(m.SERVED, record.how))
    if record.code is not None:
        ones.append(metrics.place(m.PROBLEMS, record.code, record.limited or ""))
    return tuple(ones), metrics.place(m.SENT), metrics.place(m.REQUEST_SECONDS, route)


def count_exchange(metrics: Metrics, exchange: Exchange) -> None:
    """Count a request to where rasters are."""
    metrics.count(m.UPSTREAM, exchange.host)
    metrics.count(m.UPSTREAM_BYTES, exchange.host, by=exchange.size)
    metrics.observe(m.UPSTREAM_SECONDS, exchange.seconds, exchange.host)
    if exchange.problem is not None:
        metrics.count(m.UPSTREAM_ERRORS, exchange.host, exchange.problem)


class Watch:
    """Watches a service as long as its server runs."""

    def __init__(self, settings: Settings, service: Service, catalog: Catalog | None) -> None:
        """Watch as the settings say. Nothing is started yet."""
        self._settings = settings
        self._service = service
        self._sample = partial(gauges.sample, service.metrics, service, catalog, settings.memory or 0)
        found, namespace = service.metrics.table, settings.emf_namespace
        self._emf: emf.EmbeddedMetrics | None = None
        row = 0 if table.shared is None else table.own
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
        elif port is not None and table.shared is None:  # a server without a process that forks
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
