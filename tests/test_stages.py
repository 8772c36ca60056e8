"""Where the time of work goes, measured where it passes."""

from __future__ import annotations

import contextlib
import contextvars
import threading

import pytest

from tilery import stages


class Clock:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(stages, "time", found)
    return found


def test_a_stage_inside_of_another_counts_for_itself(clock: Clock) -> None:
    found = stages.Stages()
    with stages.recording(found), stages.stage(stages.OPEN):
        clock.now += 1
        with stages.stage(stages.FETCH):
            clock.now += 2
            with stages.stage(stages.DECODE):
                clock.now += 4
        clock.now += 8
    assert found.seconds == [9, 2, 4, 0, 0]
    assert found.until_now() == found.seconds


def test_a_stage_under_way_is_seen_from_outside(clock: Clock) -> None:
    found = stages.Stages()
    with stages.recording(found), stages.stage(stages.OPEN):
        with contextlib.suppress(ValueError), stages.stage(stages.FETCH):
            clock.now += 2
            assert found.until_now()[stages.FETCH] == 2
            raise ValueError("broken")
        assert found.until_now()[stages.FETCH] == 2


def test_threads_add_up_and_nobody_else_is_recorded(clock: Clock) -> None:
    found = stages.Stages()

    with stages.recording(found):
        context = contextvars.copy_context()
    with stages.stage(stages.RENDER):
        clock.now += 1

    def in_context() -> None:
        with stages.stage(stages.DECODE):
            clock.now += 3

    thread = threading.Thread(target=context.run, args=(in_context,))
    thread.start()
    thread.join()
    assert found.seconds == [0, 0, 3, 0, 0]
