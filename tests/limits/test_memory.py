"""One budget of bytes for all requests of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest

from tilery.errors import Busy, DeadlineExceeded, TooMuchWork
from tilery.limits import compute_slots, deadline, memory
from tilery.limits.memory import SMALL, Memory

MIB = 1 << 20


class Request(threading.Thread):
    """A request that takes some memory and keeps it until it is told to end."""

    def __init__(self, budget: Memory, *sizes: int, seconds: float = 20) -> None:
        super().__init__(daemon=True)
        self.budget = budget
        self.sizes = sizes
        self.seconds = seconds
        self.has = threading.Event()
        self.end = threading.Event()
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        copy_context().run(self._run)

    def _run(self) -> None:
        try:
            with deadline.limit(self.seconds), self.budget.work():
                for size in self.sizes:
                    memory.need(size)
                self.has.set()
                self.end.wait(20)
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.failure = error

    def finish(self) -> None:
        self.end.set()
        self.join(20)


def until(check: Callable[[], Any]) -> None:
    limit = time.monotonic() + 10
    while not check():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_who_finds_no_room_waits_for_it_in_line() -> None:
    budget = Memory(100 * MIB)
    first = Request(budget, 60 * MIB)
    assert first.has.wait(10)
    second = Request(budget, 50 * MIB)
    until(lambda: len(budget._waiting) == 1)
    third = Request(budget, 30 * MIB)  # would fit, but has come later
    until(lambda: len(budget._waiting) == 2)
    assert not second.has.is_set()
    assert not third.has.is_set()
    small = Request(budget, SMALL)  # as small as a tile: never waits
    assert small.has.wait(10)
    first.finish()
    assert second.has.wait(10)
    assert third.has.wait(10)
    assert budget.held == 80 * MIB + SMALL
    for request in (second, third, small):
        request.finish()
    assert budget.held == 0


def test_two_who_need_more_do_not_wait_for_each_other() -> None:
    budget = Memory(100 * MIB)
    both = [Request(budget, 40 * MIB, 70 * MIB) for _ in range(2)]
    until(lambda: any(request.has.is_set() for request in both))
    for request in sorted(both, key=lambda found: not found.has.is_set()):
        assert request.has.wait(10)
        request.finish()
        assert request.failure is None
    assert budget.held == 0


def test_a_request_larger_than_all_is_refused_and_what_it_had_is_free() -> None:
    budget = Memory(100 * MIB)
    request = Request(budget, 20 * MIB, 90 * MIB)
    request.finish()
    assert isinstance(request.failure, TooMuchWork)
    assert request.failure.limit == 75 * MIB
    assert budget.held == 0


def test_answers_that_wait_to_be_sent_take_room_from_work() -> None:
    budget = Memory(100 * MIB)
    budget.unsent(60 * MIB)
    assert budget.crowded
    request = Request(budget, 50 * MIB)
    until(lambda: budget._waiting)
    budget.unsent(-30 * MIB)
    assert request.has.wait(10)
    assert not budget.crowded
    request.finish()


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LONGEST_WAIT", 0.05)
    budget = Memory(100 * MIB)
    first = Request(budget, 70 * MIB)
    assert first.has.wait(10)
    second = Request(budget, 70 * MIB)
    second.join(10)
    assert isinstance(second.failure, Busy)
    assert second.failure.retry_after
    third = Request(budget, 70 * MIB, seconds=0.01)
    third.join(10)
    assert isinstance(third.failure, DeadlineExceeded)
    first.finish()
    assert budget.held == 0
    assert not budget._waiting


def test_who_waits_for_memory_lets_others_compute() -> None:
    budget, slots = Memory(100 * MIB), compute_slots.ComputeSlots(1)
    first = Request(budget, 70 * MIB)
    assert first.has.wait(10)
    got = threading.Event()

    def wait() -> None:
        with slots.taken(), budget.work():
            memory.need(70 * MIB)
            got.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    until(lambda: budget._waiting)
    with deadline.limit(10), slots.taken():  # the only slot is free meanwhile
        assert not got.is_set()
    first.finish()
    assert got.wait(10)
    waiting.join(10)


def test_without_a_budget_nothing_is_counted() -> None:
    memory.need(1 << 60)


class Process:
    """What a process holds, as the test says."""

    def __init__(self, resident: int) -> None:
        self.ceiling = 200 * MIB
        self.held = resident
        self.freed = 0
        self.cached = 0
        self.given_back = False

    def resident(self) -> int:
        return self.held + self.freed + self.cached

    def give_back(self) -> None:
        self.given_back = True
        self.freed = 0

    def empty(self) -> None:
        self.freed = self.cached = 0


def test_what_the_process_holds_besides_leaves_less_room() -> None:
    process = Process(130 * MIB)
    budget = Memory(100 * MIB, process)
    first = Request(budget, 40 * MIB)
    assert first.has.wait(10)
    process.held += 40 * MIB  # what it was given, it has taken
    second = Request(budget, 40 * MIB)  # within the budget, and past what the process may hold
    until(lambda: budget._waiting and process.given_back)
    small = Request(budget, SMALL)
    assert small.has.wait(10)
    small.finish()
    assert not second.has.is_set()
    process.held -= 20 * MIB  # and nobody says so
    assert second.has.wait(10)
    for request in (first, second):
        request.finish()
        assert request.failure is None
    assert budget.held == 0


def test_what_was_freed_and_kept_by_the_allocator_is_given_back_first() -> None:
    process = Process(100 * MIB)
    process.freed = 60 * MIB
    budget = Memory(100 * MIB, process)
    first = Request(budget, 40 * MIB)
    assert first.has.wait(10)
    assert not process.given_back
    second = Request(budget, 40 * MIB)
    assert second.has.wait(10)
    assert process.freed == 0
    for request in (first, second):
        request.finish()


def test_caches_make_room_for_a_request_that_runs_alone_and_for_nobody_else() -> None:
    process = Process(100 * MIB)
    process.cached = 40 * MIB
    budget = Memory(150 * MIB, process)
    first = Request(budget, 40 * MIB)
    assert first.has.wait(10)
    process.held += 40 * MIB
    second = Request(budget, 80 * MIB)
    until(lambda: process.given_back)
    assert not second.has.wait(0.3)
    assert process.cached
    process.held -= 40 * MIB
    first.finish()
    assert second.has.wait(10)
    assert not process.cached
    second.finish()
    assert not budget.is_starved


def test_no_request_is_let_in_that_the_process_has_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LONGEST_WAIT", 0.3)
    process = Process(170 * MIB)
    budget = Memory(100 * MIB, process)
    fitting = Request(budget, 20 * MIB)
    assert fitting.has.wait(10)
    larger = Request(budget, 40 * MIB)
    larger.join(10)
    assert isinstance(larger.failure, Busy)
    assert not budget.is_starved, "it would not have been alone"
    fitting.finish()
    larger = Request(budget, 40 * MIB)
    larger.join(10)
    assert isinstance(larger.failure, Busy)
    assert budget.is_starved


def test_who_waits_for_slow_readers_starves_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LONGEST_WAIT", 0.3)
    budget = Memory(100 * MIB, Process(0))
    budget.unsent(70 * MIB)
    request = Request(budget, 40 * MIB)
    request.join(10)
    assert isinstance(request.failure, Busy)
    assert not budget.is_starved


def test_what_is_left_to_another_process_is_not_given_away() -> None:
    budget = Memory(100 * MIB, Process(100 * MIB))
    budget.leave(50 * MIB)
    large = Request(budget, 60 * MIB)
    until(lambda: budget._waiting)
    fitting = Request(budget, SMALL)
    assert fitting.has.wait(10)
    assert not large.has.wait(0.2)
    large.sizes = ()
    fitting.finish()


def test_memory_not_yet_taken_is_not_taken_for_free() -> None:
    process = Process(90 * MIB)
    budget = Memory(150 * MIB, process)
    first = Request(budget, 60 * MIB)
    assert first.has.wait(10)  # has taken nothing yet
    second = Request(budget, 60 * MIB)
    until(lambda: budget._waiting)
    assert not second.has.wait(0.3)
    first.finish()
    assert second.has.wait(10)
    second.finish()


def test_the_most_of_some_seconds_counts_and_not_a_moment_with_much_not_yet_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    process = Process(100 * MIB)
    budget = Memory(150 * MIB, process)
    assert budget._look_beside(process.resident()) == 100 * MIB
    budget._held = 80 * MIB  # given and not yet taken
    clock += memory.REMEMBERED - 1
    assert budget._look_beside(process.resident()) == 100 * MIB
    budget._held = 60 * MIB
    clock += 2
    assert budget._look_beside(process.resident()) == 40 * MIB
    clock += memory.REMEMBERED - 1
    process.held = 30 * MIB
    assert budget._look_beside(process.resident()) == 30 * MIB
    clock += 2
    assert budget._look_beside(process.resident()) == -30 * MIB


def test_threads_of_one_request_give_back_all_that_they_were_given() -> None:
    budget = Memory(1 << 30)
    both = threading.Barrier(2, timeout=10)
    give_back = budget._give_back

    def together(grant: Any) -> None:
        give_back(grant)
        both.wait()

    with budget.work():
        budget._give_back = together  # type: ignore[method-assign]
        threads = [
            threading.Thread(target=copy_context().run, args=(memory.need, size)) for size in (64 * MIB, 65 * MIB)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        budget._give_back = give_back  # type: ignore[method-assign]
        assert budget.held >= 64 * MIB
    assert budget.held == 0
