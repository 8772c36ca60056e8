"""Room for work: as many renders at a time as there are slots, a short queue before them, and no more.

A slot is a thread. Who finds them all taken waits in line; who finds the line full is told so at once, because a queue
that grows only turns load into timeouts. Whoever leaves, by disconnecting or by its deadline, gives up its place.

A tile takes a millisecond or two, so the way to a thread and back counts: whoever waits is told by a call and not by a
chain of tasks and futures, each of which would cost another turn of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, Generic, Protocol, TypeVar

from app.process import native
from app.serving.outcome import Outcome, Tell, awaited
from tilery.errors import Busy
from tilery.limits import deadline

T = TypeVar("T")

RETRY_AFTER = 1
"""Seconds after which a refused client may come again: a queue of 64 tiles is worked off in about that time."""


class Turn(Protocol[T]):
    """What has a say in whether work is to be done now that there is a slot for it. Asked on the event loop."""

    def begin(self) -> Outcome[T] | float | None:
        """Return the outcome where the work need not be done, seconds after which to ask again, or None: do it."""
        ...

    def end(self) -> None:
        """The work is over, well or not, or was refused."""
        ...


class Job(Generic[T]):
    """A piece of work in its slot or on the way there."""

    __slots__ = ("_admission", "_tell", "after", "began", "context", "pause", "timer", "turn", "work")

    def __init__(
        self,
        admission: Admission,
        work: Callable[[], T],
        tell: Tell[T],
        after: Callable[[T], None] | None,
        turn: Turn[T] | None,
    ) -> None:
        """Made by `Admission.start`."""
        self._admission = admission
        self._tell: Tell[T] | None = tell
        self.work = work
        self.after = after
        self.turn = turn
        self.context: Context = copy_context()  # the deadline in force goes with it
        self.began = math.inf
        """Moment of `time.monotonic` at which it got its slot."""
        self.timer: asyncio.TimerHandle | None = None
        self.pause: asyncio.TimerHandle | None = None
        """Until its turn is asked again; it holds neither a slot nor a place in the queue meanwhile."""

    def cancel(self) -> None:
        """Take it out of the queue. Once in its slot it goes on: a thread cannot be ended from outside."""
        self._admission.abandon(self)

    def tell(self, outcome: Outcome[T]) -> None:
        """Tell whoever waits, the first time."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(outcome)


class Admission:
    """The compute slots of this process. Used from one event loop at a time."""

    def __init__(
        self,
        slots: int,
        queue_length: int,
        *,
        patience: float = math.inf,
        name: str = "render",
    ) -> None:
        """Run up to ``slots`` pieces of work at a time and let ``queue_length`` more wait.

        Args:
            slots: threads.
            queue_length: places in the queue.
            patience: seconds after which work is taken to hang: a thread cannot be ended from outside.
            name: of its threads.
        """
        self.patience = patience
        self._running: set[Job[Any]] = set()
        self.slots = slots
        self.queue_length = queue_length
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix=name, initializer=native.step_back)
        self._queue: deque[Job[Any]] = deque()

    @property
    def running(self) -> int:
        """Slots that are taken."""
        return len(self._running)

    @property
    def oldest(self) -> float:
        """Seconds since the work that is longest under way began; 0 when there is none."""
        now = time.monotonic()
        return now - min((job.began for job in self.jobs()), default=now)

    @property
    def hanging(self) -> int:
        """Slots whose work should have come back long ago."""
        now = time.monotonic()
        return sum(now - job.began > self.patience for job in self.jobs())

    def jobs(self) -> tuple[Job[Any], ...]:
        """Return the work in the slots; may be asked by any thread."""
        return tuple(self._running)  # in one step, as far as threads can tell

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    def start(
        self,
        work: Callable[[], T],
        tell: Tell[T],
        after: Callable[[T], None] | None = None,
        turn: Turn[T] | None = None,
    ) -> Job[T]:
        """Have ``work`` done in a slot's thread under the deadline in force, now or when its turn comes.

        The slot is taken until the thread is done, whether anybody still waits or not.

        Args:
            work: blocks; runs in the thread.
            tell: gets the outcome, on the event loop, once: the result, what was raised, or `DeadlineExceeded`.
            after: gets the result, on the event loop, also when the time was up before.
            turn: is asked whether the work is to be done at all, when there is a slot for it.

        Raises:
            Busy: every slot is taken and the queue is full.
            DeadlineExceeded: the time is up already.
        """
        left = deadline.remaining()
        job = Job(self, work, tell, after, turn)
        if len(self._running) < self.slots:
            self._begin(job)
        else:
            self._wait(job)
        if not math.isinf(left):
            job.timer = asyncio.get_running_loop().call_later(left, self._late, job)
        return job

    async def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, done in a slot's thread under the deadline in force.

        Raises:
            Busy: every slot is taken and the queue is full.
            DeadlineExceeded: the time was up, in the queue or in the slot.
        """
        return await awaited(lambda tell: self.start(work, tell))

    def abandon(self, job: Job[Any]) -> None:
        """Forget a piece of work that has not begun."""
        if job.timer is not None:
            job.timer.cancel()
            job.timer = None
        if job.pause is not None:
            job.pause.cancel()
            job.pause = None
        with contextlib.suppress(ValueError):
            self._queue.remove(job)

    def close(self) -> None:
        """Take no more work; what runs is finished by its threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait(self, job: Job[Any]) -> None:
        if len(self._queue) >= self.queue_length:
            raise Busy("The server is busy. Try again in a moment.", retry_after=RETRY_AFTER)
        self._queue.append(job)

    def _begin(self, job: Job[Any]) -> None:
        """Let a piece of work have its slot, if it is to be done now."""
        if self._has_turn(job):
            self._submit(job)

    def _has_turn(self, job: Job[Any]) -> bool:
        found = job.turn.begin() if job.turn is not None else None
        if found is None:
            return True
        loop = asyncio.get_running_loop()
        if isinstance(found, Outcome):
            loop.call_soon(job.tell, found)  # whoever starts it may not be ready to hear
        else:
            job.pause = loop.call_later(found, self._ask_again, job)
        return False

    def _ask_again(self, job: Job[Any]) -> None:
        job.pause = None
        if not self._has_turn(job):
            return
        try:
            self._submit(job) if len(self._running) < self.slots else self._wait(job)
        except Busy as error:
            job.tell(Outcome(error=error))

    def _submit(self, job: Job[Any]) -> None:
        loop = asyncio.get_running_loop()

        def do() -> None:
            outcome: Outcome[Any]
            try:
                outcome = Outcome(result=job.work())
            except BaseException as error:  # noqa: BLE001 - handed over to whoever waits
                outcome = Outcome(error=error)
            with contextlib.suppress(RuntimeError):  # the loop has gone with its process: nobody is left to tell
                loop.call_soon_threadsafe(self._finish, job, outcome)

        try:
            self._pool.submit(job.context.run, do)
        except RuntimeError:
            if job.turn is not None:
                job.turn.end()
            raise Busy("The server is stopping.", retry_after=RETRY_AFTER) from None
        job.began = time.monotonic()
        self._running.add(job)

    def _finish(self, job: Job[Any], outcome: Outcome[Any]) -> None:
        self._running.discard(job)
        while self._queue and len(self._running) < self.slots:
            following = self._queue.popleft()
            try:
                self._begin(following)
            except Busy as error:
                following.tell(Outcome(error=error))
        try:
            if job.after is not None and outcome.error is None:
                job.after(outcome.result)
        finally:  # who waits, here or in other workers, has his answer all the same
            if job.turn is not None:
                job.turn.end()
            job.tell(outcome)

    def _late(self, job: Job[Any]) -> None:
        job.timer = None
        self.abandon(job)
        job.tell(Outcome(error=deadline.exceeded()))
