"""One piece of work for all who ask for the same."""

from __future__ import annotations

import asyncio

import pytest

from app.serving.outcome import Outcome, Tell
from app.serving.single_flight import Flights
from tilery.errors import DeadlineExceeded
from tilery.limits import deadline


class Work:
    """Work that ends when the test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self._tell: Tell[int] | None = None

    def __call__(self, tell: Tell[int]) -> Work:
        self.begun += 1
        self._tell = tell
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def end(self, result: int | None = None, error: BaseException | None = None) -> None:
        assert self._tell is not None
        self._tell(Outcome(result=result, error=error))


def test_many_wait_for_one() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        work = Work()
        tasks = [asyncio.create_task(flights.join("key", work)) for _ in range(500)]
        await asyncio.sleep(0)
        assert len(flights) == 1
        work.end(7)
        results = await asyncio.gather(*tasks)
        assert work.begun == 1
        assert [joined for _, joined in results] == [False] + [True] * 499
        assert {value for value, _ in results} == {7}
        assert len(flights) == 0
        again = asyncio.create_task(flights.join("key", work))
        await asyncio.sleep(0)
        work.end(8)
        assert await again == (8, False)

    asyncio.run(main())


def test_different_keys_fly_alone() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        works = [Work() for _ in range(3)]
        tasks = [asyncio.create_task(flights.join(number, work)) for number, work in enumerate(works)]
        await asyncio.sleep(0)
        for number, work in enumerate(works):
            work.end(number)
        assert await asyncio.gather(*tasks) == [(0, False), (1, False), (2, False)]

    asyncio.run(main())


def test_a_failure_goes_to_all_and_is_forgotten() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        work = Work()
        tasks = [asyncio.create_task(flights.join(1, work)) for _ in range(3)]
        await asyncio.sleep(0)
        work.end(error=ValueError("broken"))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["broken"] * 3
        again = asyncio.create_task(flights.join(1, work))
        await asyncio.sleep(0)
        assert work.begun == 2
        work.end(2)
        assert await again == (2, False)

    asyncio.run(main())


def test_what_cannot_be_begun_is_no_flight() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()

        def refused(tell: Tell[int]) -> Work:
            raise ValueError("no room")

        for _ in range(2):
            with pytest.raises(ValueError, match="no room"):
                await flights.join(1, refused)
        assert len(flights) == 0

    asyncio.run(main())


def test_one_who_leaves_does_not_stop_the_others_but_the_last_does() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        work = Work()
        first = asyncio.create_task(flights.join(1, work))
        second = asyncio.create_task(flights.join(1, work))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert work.cancelled == 0
        assert len(flights) == 1
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert work.cancelled == 1
        assert len(flights) == 0
        work.end(1)  # what was under way ends all the same, and disturbs nobody

    asyncio.run(main())


def test_who_joined_late_has_time_of_his_own() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        work = Work()

        async def join(seconds: float) -> tuple[int, bool]:
            with deadline.limit(seconds):
                return await flights.join(1, work)

        tasks = [asyncio.create_task(join(seconds)) for seconds in (0.01, 0.01, 60.0, 60.0)]
        await asyncio.sleep(0.02)
        work.end(error=deadline.exceeded())
        await asyncio.sleep(0)
        assert work.begun == 2
        work.end(7)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results[:2]] == [DeadlineExceeded] * 2
        assert results[2:] == [(7, False), (7, True)]

    asyncio.run(main())


def test_a_second_time_is_the_last() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        work = Work()
        tasks = [asyncio.create_task(flights.join(1, work)) for _ in range(3)]
        for _ in range(2):
            await asyncio.sleep(0)
            work.end(error=deadline.exceeded())
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [DeadlineExceeded] * 3
        assert work.begun == 2
        assert len(flights) == 0

    asyncio.run(main())


def test_who_leaves_in_the_moment_of_the_answer_cancels_nothing() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        work = Work()
        task = asyncio.create_task(flights.join("key", work))
        await asyncio.sleep(0)
        work.end(result=1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (work.cancelled, len(flights)) == (0, 0)
        again = asyncio.create_task(flights.join("key", work))
        await asyncio.sleep(0)
        work.end(result=2)
        assert await again == (2, False)

    asyncio.run(main())
