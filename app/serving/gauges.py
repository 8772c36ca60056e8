"""What gauges show of one process: written down once a second by the watchdog."""

from __future__ import annotations

from app.observing import metrics as m
from app.observing.metrics import Metrics
from app.process import budget
from app.serving.service import Service
from tilery.catalog.catalog import Catalog


def sample(metrics: Metrics, service: Service, catalog: Catalog | None, ceiling: int) -> None:
    """Write down what there is at this moment.

    Args:
        metrics: where to.
        service: what is looked at.
        catalog: the same, where there is one.
        ceiling: bytes of memory beyond which the process is replaced.
    """
    if not metrics.wanted:
        return
    engine, memory = service.engine, service.memory
    metrics.set(m.RESIDENT, budget.resident())
    metrics.set(m.MEMORY_LIMIT, ceiling)
    metrics.set(m.WORK, memory.held)
    metrics.set(m.UNSENT, memory.waiting_to_be_sent)
    metrics.set(m.WORK_LIMIT, memory.total)
    metrics.set(m.BLOCKS, engine.blocks.held)
    metrics.set(m.BLOCKS_LIMIT, engine.blocks.capacity)
    metrics.set(m.TILES, service.cache.size)
    metrics.set(m.TILES_LIMIT, service.cache.capacity)
    metrics.set(m.DATASETS, len(engine.datasets))
    metrics.set(m.FLIGHTS, service.flights)
    if catalog is not None:
        metrics.set(m.CATALOG_PROBLEMS, len(catalog.problems()))
    if service.tile_store is not None:
        metrics.set(m.STORE_RESTING, service.tile_store.resting)
