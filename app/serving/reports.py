"""What was answered is counted and written down: at once where the service failed, else a moment later and many at a
time.

Behind a tile that was just rendered the processor's caches are full of pixels, and all that has to be fetched into them
to write one line takes five times as long as the line itself. Of many lines in a row only the first pays that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import Scope

from app.observing.logs import RequestLog
from app.observing.metrics import Metrics
from app.observing.request import Answer, RequestRecord
from app.serving import monitoring

DELAY = 0.1
"""Seconds after which an answer is written down at the latest."""
MOST = 100
"""Answers that wait for it: to write so many takes a millisecond of the event loop."""


class Reports:
    """The answers of one process. Used from one event loop."""

    def __init__(self, metrics: Metrics, log: RequestLog, client: Callable[[Scope], str]) -> None:
        """Count in the metrics, write into the log, and ask ``client`` who it was."""
        self._counts = monitoring.RequestCounts(metrics) if metrics.wanted else None
        self._log = log
        self._client = client
        self._waiting: list[Answer] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.least = log.least if self._counts is None else 0
        """The least status of an answer that is counted or written."""

    def may_wait(self) -> None:
        """Let answers wait from now on: the event loop that this is called on goes on until `flush` is called."""
        self._loop = asyncio.get_running_loop()

    def add(self, record: RequestRecord, scope: Scope, status: int, size: int, seconds: float) -> None:
        """Report an answer.

        Args:
            record: the request.
            scope: the same, as the server has it.
            status: of the answer.
            size: bytes of its body that were sent.
            seconds: that it took.
        """
        if status >= self._log.least:
            record.client = self._client(scope)  # now: the scope, which is large, need not be kept
        waiting = self._waiting
        waiting.append((record, status, size, seconds, time.time()))
        if status >= 500 or self._loop is None or len(waiting) >= MOST:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(DELAY, self.flush)

    def flush(self) -> None:
        """Write down what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        if self._counts is not None:
            self._counts.add(waiting)
        self._log.write(waiting)

    def close(self) -> None:
        """Write down what waits, and let nothing wait any more."""
        self._loop = None
        self.flush()
