"""Room for work: as many renders at a time as there are slots, a short queue before them, and no more.

A slot is a thread. Who finds them all taken waits in line; who finds the line full is told so at once, because a queue
that grows only turns load into timeouts. Whoever leaves, by disconnecting or by its deadline, gives up its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from app import deadline
from app.errors import Busy

T = TypeVar("T")

RETRY_AFTER = 1
"""Seconds after which a refused client may come again: a queue of 64 tiles is worked off in about that time."""


class Admission:
    """The render slots of this process. Used from one event loop at a time."""

    def __init__(
        self,
        slots: int,
        queue_length: int,
        *,
        patience: float = math.inf,
        stuck: Callable[[], None] | None = None,
    ) -> None:
        """Run up to ``slots`` pieces of work at a time and let ``queue_length`` more wait.

        Args:
            slots: threads.
            queue_length: places in the queue.
            patience: seconds after which work is taken to hang: a thread cannot be ended from outside.
            stuck: called, once, when every slot hangs and somebody had to be refused for it.
        """
        self._patience = patience
        self._stuck = stuck
        self._begun: list[float] = []
        self.slots = slots
        self.queue_length = queue_length
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="render")
        self._free = slots
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def running(self) -> int:
        """Slots that are taken."""
        return self.slots - self._free

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def run(self, work: Callable[[], T], after: Callable[[T], None] | None = None) -> T:
        """What ``work`` returns, done in a slot's thread under the deadline in force.

        A caller that stops waiting does not free the slot: the thread does, when it is done.

        Args:
            work: blocks; runs in the thread.
            after: gets the result on the event loop, also when nobody waits for it any more.

        Raises:
            Busy: every slot is taken and the queue is full.
            DeadlineExceeded: the time was up, in the queue or in the slot.
        """
        deadline.check()
        if self._free:
            self._free -= 1
        else:
            await self._wait_in_line()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        began = time.monotonic()
        self._begun.append(began)

        def do() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - handed over to whoever waits
                _tell(loop, self._fail, began, done, error)
            else:
                _tell(loop, self._finish, began, done, result, after)

        try:
            self._pool.submit(copy_context().run, do)  # the deadline in force goes with it
        except RuntimeError:
            self._begun.remove(began)
            self._release()
            raise Busy("The server is stopping.", retry_after=RETRY_AFTER) from None
        return await _in_time(done)

    def close(self) -> None:
        """Take no more work; what runs is finished by its threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _wait_in_line(self) -> None:
        """Return with a slot taken."""
        if len(self._queue) >= self.queue_length:
            self._look_for_life()
            raise Busy("The server is busy. Try again in a moment.", retry_after=RETRY_AFTER)
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await _in_time(turn)
        except BaseException:
            self._leave(turn)
            raise

    def _leave(self, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self._release()  # the slot came in the same moment: pass it on
        else:
            with contextlib.suppress(ValueError):
                self._queue.remove(turn)

    def _look_for_life(self) -> None:
        """Tell whoever wants to know when no slot will ever be free again."""
        if self._stuck is not None and time.monotonic() - max(self._begun, default=math.inf) > self._patience:
            stuck, self._stuck = self._stuck, None
            stuck()

    def _finish(
        self, began: float, done: asyncio.Future[Any], result: Any, after: Callable[[Any], None] | None
    ) -> None:
        self._begun.remove(began)
        self._release()
        if after is not None:
            after(result)
        if not done.done():
            done.set_result(result)

    def _fail(self, began: float, done: asyncio.Future[Any], error: BaseException) -> None:
        self._begun.remove(began)
        self._release()
        if not done.done():
            done.set_exception(error)

    def _release(self) -> None:
        """Give the slot to the first in line, or back."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


async def _in_time(future: asyncio.Future[T]) -> T:
    """The future's result.

    Raises:
        DeadlineExceeded: the deadline in force passed first. The future is cancelled then.
    """
    left = deadline.end() - time.monotonic()
    try:
        await asyncio.wait((future,), timeout=None if math.isinf(left) else max(left, 0.0))
    except BaseException:
        future.cancel()
        raise
    if not future.done():
        future.cancel()
        raise deadline.exceeded()
    return future.result()


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Call back on the loop; when it has gone with its process there is nobody left to tell."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *arguments)
