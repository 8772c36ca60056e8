"""Blocks decoded by several threads where cores would be idle, and by one where they would not."""

from __future__ import annotations

import threading

from tilery.reading.grid.workers import Workers


def helped(cores: int) -> bool:
    """Return whether two jobs ran at the same time."""
    together = threading.Barrier(2)
    met: list[bool] = []

    def job() -> None:
        try:
            together.wait(1.0 if cores > 1 else 0.1)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)

    workers = Workers(cores)
    list(workers.in_parallel(job, [(), ()]))
    workers.close()
    return all(met)


def test_a_lone_read_uses_idle_cores() -> None:
    assert helped(cores=2)


def test_a_worker_with_one_core_keeps_to_it() -> None:
    assert not helped(cores=1)
