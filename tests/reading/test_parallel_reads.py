"""Parts of a source at the same time: as many compute as there are slots, and a failure is the first one's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from tilery.limits.compute_slots import ComputeSlots
from tilery.reading.parallel_reads import ParallelReads


def test_results_come_in_order_and_jobs_wait_together() -> None:
    together = threading.Barrier(4, timeout=10)

    def job(number: int) -> int:
        together.wait()  # never comes through unless all four are under way
        return number

    parts = ParallelReads()
    assert parts.run([partial(job, number) for number in range(4)]) == [0, 1, 2, 3]
    parts.close()


@pytest.mark.parametrize("number", [1, 2])
def test_no_more_compute_than_there_are_slots(number: int) -> None:
    computing, most, lock = 0, 0, threading.Lock()

    def job() -> None:
        nonlocal computing, most
        with lock:
            computing += 1
            most = max(most, computing)
        time.sleep(0.005)
        with lock:
            computing -= 1

    slots, parts = ComputeSlots(number), ParallelReads()
    with slots.taken():
        parts.run([job] * 6)
    assert most <= number
    with slots.taken():  # all were given back
        parts.run([job] * 2)
    parts.close()


def test_the_first_failure_is_raised() -> None:
    def fail() -> None:
        raise ValueError("no")

    jobs: list[Callable[[], None]] = [lambda: None, fail, lambda: None]
    parts = ParallelReads()
    with pytest.raises(ValueError, match="no"):
        parts.run(jobs)
    parts.close()
