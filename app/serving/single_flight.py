"""One render that many wait for: while a key is being worked on, whoever asks for it joins in."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from functools import partial
from typing import Generic, TypeVar

from app.serving.outcome import Outcome, Start, Work
from tilery.errors import DeadlineExceeded
from tilery.limits import deadline

T = TypeVar("T")


class _Flight(Generic[T]):
    __slots__ = ("passengers", "work")

    def __init__(self) -> None:
        self.work: Work | None = None
        self.passengers: list[asyncio.Future[T]] = []


class Flights(Generic[T]):
    """The work under way, by key. Used from one event loop."""

    def __init__(self) -> None:
        """No flights."""
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def join(self, key: Hashable, start: Start[T]) -> tuple[T, bool]:
        """Return the result of what ``start`` begins now, or of what is under way for this key; and whether it was
        under way.

        When the last of those who wait goes away the work is cancelled, so that it leaves the queue. A failure goes to
        all who wait and is not remembered. What ``start`` raises is raised here.

        Work has the time of the one for whom it began. Who joined later and has time left, when that is up, begins
        anew, once.
        """
        again = False
        while True:
            flight = self._flights.get(key)
            joined = flight is not None
            if flight is None:
                flight = _Flight()
                flight.work = start(partial(self._land, key, flight))
                self._flights[key] = flight
            passenger: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            flight.passengers.append(passenger)
            try:
                return await passenger, joined
            except DeadlineExceeded:
                if again or not joined:
                    raise
                deadline.check()
                again = True
            except asyncio.CancelledError:
                if passenger in flight.passengers:
                    flight.passengers.remove(passenger)
                    if not flight.passengers:
                        self._forget(key, flight)
                        if flight.work is not None:
                            flight.work.cancel()
                raise

    def _land(self, key: Hashable, flight: _Flight[T], outcome: Outcome[T]) -> None:
        self._forget(key, flight)
        passengers, flight.passengers = flight.passengers, []
        for passenger in passengers:
            outcome.settle(passenger)

    def _forget(self, key: Hashable, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def __len__(self) -> int:
        """Return how many flights are under way."""
        return len(self._flights)
