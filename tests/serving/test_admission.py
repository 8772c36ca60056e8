"""Slots and the queue before them: who gets in, who waits, who is sent away, who leaves."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import pytest

from app.process import native
from app.serving.admission import Admission
from app.serving.outcome import Outcome
from tilery.errors import Busy, DeadlineExceeded
from tilery.limits import deadline


class Gate:
    """Work that runs until it is let go."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.opened.wait(10)
        with self._lock:
            self.running -= 1
        return threading.current_thread().name


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.opened.set()


async def until(condition: Callable[[], object]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to that")


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def test_as_many_at_a_time_as_there_are_slots(gate: Gate) -> None:
    async def main() -> None:
        admission = Admission(2, 10)
        jobs = [asyncio.create_task(admission.run(gate)) for _ in range(5)]
        await until(lambda: gate.running == 2)
        assert (admission.running, admission.waiting) == (2, 3)
        gate.opened.set()
        names = await asyncio.gather(*jobs)
        assert all(name.startswith("render") for name in names)
        assert gate.most == 2
        assert (admission.running, admission.waiting) == (0, 0)

    run(main)


def test_a_full_queue_refuses_at_once(gate: Gate) -> None:
    async def main() -> None:
        admission = Admission(1, 1)
        jobs = [asyncio.create_task(admission.run(gate)) for _ in range(2)]
        await until(lambda: admission.waiting == 1)
        with pytest.raises(Busy) as caught:
            await admission.run(lambda: "never")
        assert caught.value.retry_after == 1
        gate.opened.set()
        await asyncio.gather(*jobs)
        assert await admission.run(lambda: "later") == "later"

    run(main)


def test_first_come_first_served() -> None:
    async def main() -> None:
        admission = Admission(1, 10)
        order: list[int] = []
        await asyncio.gather(*(admission.run(partial(order.append, number)) for number in range(6)))
        assert order == list(range(6))

    run(main)


def test_whoever_leaves_is_told_nothing_when_his_time_is_up(gate: Gate) -> None:
    async def main() -> None:
        admission = Admission(1, 2)
        first = asyncio.create_task(admission.run(gate))
        await until(lambda: admission.running == 1)
        told: list[Outcome[str]] = []
        with deadline.limit(60):
            job = admission.start(lambda: "never", told.append)
        assert job.timer is not None
        timer = job.timer
        job.cancel()
        assert timer.cancelled()
        assert admission.waiting == 0
        gate.opened.set()
        await first
        assert told == []

    run(main)


def test_whoever_leaves_the_queue_is_never_run(gate: Gate) -> None:
    async def main() -> None:
        admission = Admission(1, 2)
        first = asyncio.create_task(admission.run(gate))
        ran: list[str] = []
        second = asyncio.create_task(admission.run(lambda: ran.append("second")))
        third = asyncio.create_task(admission.run(lambda: ran.append("third")))
        await until(lambda: admission.waiting == 2)
        second.cancel()
        await until(lambda: admission.waiting == 1)
        gate.opened.set()
        await asyncio.gather(first, third)
        assert ran == ["third"]
        assert admission.running == 0

    run(main)


def test_a_slot_is_taken_until_its_thread_is_done_even_when_nobody_waits(gate: Gate) -> None:
    async def main() -> None:
        admission = Admission(1, 5)
        first = asyncio.create_task(admission.run(gate))
        await until(lambda: gate.running == 1)
        first.cancel()
        await asyncio.sleep(0)
        assert admission.running == 1
        second = asyncio.create_task(admission.run(lambda: "second"))
        await until(lambda: admission.waiting == 1)
        gate.opened.set()
        assert await second == "second"

    run(main)


def test_the_deadline_passes_in_the_queue(gate: Gate) -> None:
    async def main() -> None:
        admission = Admission(1, 5)
        first = asyncio.create_task(admission.run(gate))
        await until(lambda: gate.running == 1)
        with deadline.limit(0.02), pytest.raises(DeadlineExceeded):
            await admission.run(lambda: "never")
        assert admission.waiting == 0
        gate.opened.set()
        await first

    run(main)


def test_the_deadline_passes_in_the_slot_and_work_knows_it(gate: Gate) -> None:
    async def main() -> None:
        admission = Admission(1, 5)
        known: list[float] = []

        def work() -> None:
            known.append(deadline.remaining())
            gate()

        with deadline.limit(0.2), pytest.raises(DeadlineExceeded):
            await admission.run(work)
        assert known[0] <= 0.2
        assert admission.running == 1
        gate.opened.set()
        await until(lambda: admission.running == 0)

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the whole process's")
def test_who_computes_lets_the_event_loop_have_the_processor_first() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def main() -> int:
        return await Admission(1, 1).run(niceness)

    before = niceness()
    assert asyncio.run(main()) == min(before + native.BEHIND, 19)
    assert niceness() == before


def test_failures_come_back_as_they_are_and_free_the_slot() -> None:
    async def main() -> None:
        admission = Admission(1, 0)

        def fail(error: BaseException) -> None:
            raise error

        for error in (ValueError("x"), TimeoutError("of a library"), KeyError("y")):
            with pytest.raises(type(error)) as caught:
                await admission.run(partial(fail, error))
            assert caught.value is error
        assert admission.running == 0

    run(main)


def test_a_closed_house_says_that_it_is_busy() -> None:
    async def main() -> None:
        admission = Admission(1, 0)
        admission.close()
        with pytest.raises(Busy):
            await admission.run(lambda: None)
        assert admission.running == 0

    run(main)


def test_who_waits_has_the_answer_also_when_it_cannot_be_kept() -> None:
    async def main() -> None:
        admission = Admission(1, 1)
        told, ends, surprises = asyncio.Event(), list[bool](), list[BaseException]()
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: surprises.append(context["exception"]))

        class Turn:
            def begin(self) -> None:
                """It is to be done."""

            def end(self) -> None:
                ends.append(True)

        def keep(result: str) -> None:
            raise MemoryError(result)

        answers: list[str | None] = []

        def tell(outcome: Outcome[str]) -> None:
            answers.append(outcome.result)
            told.set()

        admission.start(lambda: "made", tell, keep, Turn())
        await asyncio.wait_for(told.wait(), 10)
        assert (answers, ends) == (["made"], [True])
        assert [str(error) for error in surprises] == ["made"]
        assert admission.running == 0

    run(main)
