"""How work ended, and how those who wait for it are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """A result, or what was raised instead."""

    result: T | None = None
    error: BaseException | None = None

    def settle(self, future: asyncio.Future[T]) -> None:
        """Give it to a future, unless nobody waits for that any more."""
        if future.done():
            return
        if self.error is None:
            future.set_result(cast("T", self.result))
        else:
            future.set_exception(self.error)


Tell = Callable[[Outcome[T]], None]
"""Called once, on the event loop."""


class Work(Protocol):
    """Work under way that can be given up."""

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        ...


Start = Callable[[Tell[T]], Work]
"""Begins something and says whom to tell."""


async def awaited(start: Start[T]) -> T:
    """Return the result of what ``start`` begins; cancelled with the task that waits."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    work = start(lambda outcome: outcome.settle(future))
    try:
        return await future
    except asyncio.CancelledError:
        work.cancel()
        raise
