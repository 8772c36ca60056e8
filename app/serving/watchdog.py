"""A thread that looks at the process once a second, whatever the event loop and the compute slots are doing.

It sees what those who hang cannot tell: work that does not come back, with the request that it is for; an event loop
that stands still, with the line of code that it stands at. Where every slot of a kind hangs, nothing will ever be made
by them again, and the process is ended so that another takes its place. It also writes down what gauges show.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from app.observing import metrics as m
from app.observing import request
from app.observing.metrics import Metrics
from app.serving.admission import Admission, Job

logger = logging.getLogger("tilery.watchdog")

INTERVAL = 1.0
"""Seconds between two looks."""
FREEZE = 1.0
"""Seconds for which an event loop may stand still before it is told of."""
LAGS = 15.0
"""Seconds of which the longest lag is shown."""
CLOCK = 5.0
"""Seconds by which the clock of the machine may be set before it is told of."""
_FRAMES = 8
"""Lines of code that are named of an event loop that stands still."""


class Watchdog:
    """Watches one event loop and the slots that are used from it."""

    def __init__(
        self,
        pools: Mapping[str, Admission],
        metrics: Metrics,
        *,
        stuck: Callable[[], None],
        sample: Callable[[], None],
        interval: float = INTERVAL,
    ) -> None:
        """Watch pools of slots.

        Args:
            pools: of compute slots, by name.
            metrics: where it is counted.
            stuck: called, once, when every slot of a pool hangs.
            sample: called with every look; writes down what gauges show.
            interval: seconds between two looks.
        """
        self._pools = pools
        self._metrics = metrics
        self._stuck: Callable[[], None] | None = stuck
        self._sample = sample
        self._interval = interval
        self._told: set[int] = set()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._asked: float | None = None
        self._told_of_freeze = False
        self._lags: deque[tuple[float, float]] = deque()
        self._clock = time.time() - time.monotonic()

    def start(self) -> None:
        """Watch from now on; called on the event loop that is watched."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._end.set()

    def _run(self) -> None:
        before = time.monotonic()
        while not self._end.wait(self._interval):
            now = time.monotonic()
            try:
                self._look(now, late=now - before - self._interval)
            except Exception:
                logger.exception("the watchdog failed")
            before = time.monotonic()

    def _look(self, now: float, *, late: float) -> None:
        """Look at everything once; ``late`` seconds too late, because something kept the interpreter to itself."""
        self._look_at_loop(now, late)
        self._look_at_clock()
        for name, pool in self._pools.items():
            self._look_at_slots(name, pool, now)
        self._sample()

    def _look_at_loop(self, now: float, late: float) -> None:
        loop = self._loop
        if loop is None:
            return
        asked = self._asked
        if asked is None:
            asked = self._asked = now
            try:
                loop.call_soon_threadsafe(self._answered, now)
            except RuntimeError:  # closed: the process is on its way out
                self._end.set()
                return
        waited = now - asked  # the answer may have come by now
        if late > FREEZE:
            self._metrics.count(m.FREEZES)
            logger.warning("the process stood still for %.1f s: native code let no other thread run", late)
        elif waited > FREEZE and not self._told_of_freeze:
            self._told_of_freeze = True
            self._metrics.count(m.FREEZES)
            logger.warning("the event loop has stood still for %.1f s at %s", waited, self._place())
        self._lags.append((now, max(waited, late)))
        self._show_lag(now)

    def _look_at_clock(self) -> None:
        """Tell of a clock that was set: deadlines and caches do not go by it, but signatures do."""
        clock = time.time() - time.monotonic()
        change = clock - self._clock
        if abs(change) > CLOCK:
            self._clock = clock
            self._metrics.count(m.CLOCK_CHANGES)
            logger.warning(
                "the clock of this machine was set by %+.0f s: what is signed may be refused until it is right",
                change,
            )

    def _answered(self, asked: float) -> None:
        """Note how late the event loop is; called on it."""
        now = time.monotonic()
        self._lags.append((now, now - asked))
        self._asked, self._told_of_freeze = None, False

    def _show_lag(self, now: float) -> None:
        while self._lags and now - self._lags[0][0] > LAGS:
            self._lags.popleft()
        self._metrics.set(m.LAG, max((lag for _, lag in tuple(self._lags)), default=0.0))

    def _place(self) -> str:
        """Return the lines of code that the event loop is at, the innermost last."""
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - there is no other way
        if frame is None:
            return "?"
        found = traceback.extract_stack(frame)[-_FRAMES:]
        return " > ".join(f"{one.filename.rpartition('/')[2]}:{one.lineno} {one.name}" for one in found)

    def _look_at_slots(self, name: str, pool: Admission, now: float) -> None:
        jobs = pool.jobs()
        hanging = [job for job in jobs if now - job.began > pool.patience]
        self._metrics.set(m.SLOTS, pool.slots, name)
        self._metrics.set(m.SLOTS_TAKEN, len(jobs), name)
        self._metrics.set(m.SLOTS_HANGING, len(hanging), name)
        self._metrics.set(m.SLOT_AGE, now - min((job.began for job in jobs), default=now), name)
        self._metrics.set(m.QUEUE, pool.waiting, name)
        self._metrics.set(m.QUEUE_LIMIT, pool.queue_length, name)
        for job in hanging:
            if id(job) not in self._told:
                self._tell(job, name, now)
        self._told = {id(job) for each in self._pools.values() for job in each.jobs()} & (
            self._told | {id(job) for job in hanging}
        )
        if len(hanging) == pool.slots and self._stuck is not None:
            stuck, self._stuck = self._stuck, None
            self._metrics.count(m.RECYCLES, "stuck")
            stuck()

    def _tell(self, job: Job[Any], name: str, now: float) -> None:
        record = request.of(job.context)
        work = "work that no request waits for" if record is None else f"{record.request_id} {record.named()}"
        logger.warning("a %s compute slot hangs for %.0f s: %s", name, now - job.began, work)
