"""A dead worker is started again at once, a worker that keeps dying is not."""

from __future__ import annotations

from app.process.crash_guard import CrashGuard


def test_one_death_costs_no_wait_and_a_loop_ends() -> None:
    guard = CrashGuard()
    assert [guard.died(float(second)) for second in range(6)] == [0.0, 1.0, 2.0, 4.0, 4.0, None]


def test_deaths_long_ago_are_forgotten() -> None:
    guard = CrashGuard(most=2, window=60)
    assert [guard.died(second) for second in (0.0, 61.0, 122.0, 130.0, 140.0)] == [0.0, 0.0, 0.0, 1.0, None]
