"""Blocks decoded by several threads where cores would be idle, and by one where they would not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.config import settings
from tilery.reading.grid import workers


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    workers._cores.cache_clear()
    workers._pool.cache_clear()
    yield
    monkeypatch.undo()
    settings.get.cache_clear()
    workers._cores.cache_clear()
    workers._pool.cache_clear()


def helped(monkeypatch: pytest.MonkeyPatch, cores: int) -> bool:
    """Whether two jobs ran at the same time."""
    monkeypatch.setenv("TILERY_CORES", str(cores))
    settings.get.cache_clear()
    together = threading.Barrier(2)
    met: list[bool] = []

    def job() -> None:
        try:
            together.wait(1.0 if cores > 1 else 0.1)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)

    list(workers.in_parallel(job, [(), ()]))
    return all(met)


def test_a_lone_read_uses_idle_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert helped(monkeypatch, cores=2)


def test_a_worker_with_one_core_keeps_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not helped(monkeypatch, cores=1)
