"""One piece of work for all who ask for the same."""

from __future__ import annotations

import asyncio

import pytest

from app.serving.flight import Flights


def test_many_wait_for_one() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        done = 0
        go = asyncio.Event()

        async def work() -> int:
            nonlocal done
            done += 1
            await go.wait()
            return done

        tasks = [asyncio.create_task(flights.join("key", work)) for _ in range(500)]
        await asyncio.sleep(0)
        assert len(flights) == 1
        go.set()
        results = await asyncio.gather(*tasks)
        assert done == 1
        assert [joined for _, joined in results] == [False] + [True] * 499
        assert {value for value, _ in results} == {1}
        assert len(flights) == 0
        assert await flights.join("key", work) == (2, False)

    asyncio.run(main())


def test_different_keys_fly_alone() -> None:
    async def main() -> None:
        flights: Flights[str] = Flights()

        async def work(name: str) -> str:
            await asyncio.sleep(0)
            return name

        results = await asyncio.gather(*(flights.join(name, lambda name=name: work(name)) for name in "abc"))
        assert results == [("a", False), ("b", False), ("c", False)]

    asyncio.run(main())


def test_a_failure_goes_to_all_and_is_forgotten() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        tries = 0

        async def work() -> int:
            nonlocal tries
            tries += 1
            await asyncio.sleep(0)
            if tries == 1:
                raise ValueError("broken")
            return tries

        results = await asyncio.gather(*(flights.join(1, work) for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["broken"] * 3
        assert await flights.join(1, work) == (2, False)

    asyncio.run(main())


def test_one_who_leaves_does_not_stop_the_others_but_the_last_does() -> None:
    async def main() -> None:
        flights: Flights[int] = Flights()
        cancelled = asyncio.Event()

        async def work() -> int:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return 1

        first = asyncio.create_task(flights.join(1, work))
        second = asyncio.create_task(flights.join(1, work))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not cancelled.is_set()
        assert len(flights) == 1
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await asyncio.wait_for(cancelled.wait(), 5)
        assert len(flights) == 0

    asyncio.run(main())
