"""May this process get requests? Whether the catalog and the sources answer, and whether work hangs.

The stores are asked at most once in a few seconds, by one thread of its own, however often somebody wants to know: a
store that does not answer holds up no request, and no compute slot is needed to find out.

A catalog that is out of reach takes the process out of the balancer, and so do sources of which none is left. One
source of several does not: the others can be served, and where all processes lose the same source, taking them all out
would make an outage of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tilery.catalog.catalog import Catalog
from tilery.engine import Engine
from tilery.errors import TileryError
from tilery.limits import deadline
from tilery.storage import reach
from tilery.storage.policy import Policy

logger = logging.getLogger("tilery.readiness")

SECONDS = 5.0
"""For which an answer is repeated."""
PATIENCE = 4.0
"""Seconds that stores have to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that requests need."""

    name: str
    problem: str = ""
    """What is wrong, in words that tell nobody where things are; empty: nothing."""
    needed: bool = True
    """False: requests are to come all the same."""

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problem


_NO_ANSWER = (Check(name="stores", problem="no answer"),)


class Readiness:
    """Looks at what requests need. Used from one event loop."""

    def __init__(
        self,
        *,
        catalog: Catalog | None,
        policy: Policy,
        engine: Engine,
        hanging: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at a catalog, where there is one, at the sources that a policy names, and at work that hangs."""
        self._catalog = catalog
        self._places = policy.named()
        self._engine = engine
        self._hanging = hanging
        self._clock = clock
        self._asking: Future[tuple[Check, ...]] | None = None
        self._answer: asyncio.Future[tuple[Check, ...]] | None = None
        """The same for the event loop: one for all who wait for it."""
        self._patient_until = 0.0
        """When those who wait for it are told that there is no answer; later ones are told at once."""
        self._thread: ThreadPoolExecutor | None = None
        self._known: tuple[Check, ...] = ()
        self._until = float("-inf")

    async def checks(self) -> tuple[Check, ...]:
        """Return what was looked at, stores first; at most `SECONDS` old."""
        hanging = self._hanging()
        slots = Check(name="slots", problem=f"{hanging} threads hang" if hanging else "")
        return (*await self._stores(), slots)

    async def _stores(self) -> tuple[Check, ...]:
        if self._clock() < self._until or (self._catalog is None and not self._places):
            return self._known
        try:
            answer = self._asked()
        except RuntimeError:  # no thread can be had
            logger.exception("the stores cannot be asked")
            return _NO_ANSWER
        await asyncio.wait((answer,), timeout=max(0.0, self._patient_until - self._clock()))
        if not answer.done():  # a file system that hangs; the thread goes on, and its answer counts when it comes
            return _NO_ANSWER
        found = answer.result()
        if self._answer is answer:
            self._asking = self._answer = None
            self._known, self._until = found, self._clock() + SECONDS
        return found

    def _asked(self) -> asyncio.Future[tuple[Check, ...]]:
        """Ask the stores, unless that is under way, and return what comes of it."""
        if self._asking is None:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
            self._asking = self._thread.submit(self._ask)
            self._patient_until = self._clock() + 1.5 * PATIENCE
        if self._answer is None or self._answer.get_loop() is not asyncio.get_running_loop():
            self._answer = asyncio.wrap_future(self._asking)
        return self._answer

    def _ask(self) -> tuple[Check, ...]:
        """Ask all stores. Raises nothing: what nobody expected is no answer, and the next time it is asked anew."""
        try:
            return (*self._ask_catalog(), *self._ask_sources())
        except Exception:
            logger.exception("the stores cannot be asked")
            return _NO_ANSWER

    def _ask_catalog(self) -> tuple[Check, ...]:
        if self._catalog is None:
            return ()
        try:
            with deadline.limit(PATIENCE):
                self._catalog.reach()
        except TileryError as error:
            logger.warning("the catalog cannot be reached: %s", error.private or error.detail)
            return (Check(name="catalog", problem="out of reach"),)
        return (Check(name="catalog"),)

    def _ask_sources(self) -> tuple[Check, ...]:
        if not self._places:
            return ()
        lost = reach.unreachable(self._places, self._engine.stores, seconds=PATIENCE)
        for place, problem in lost:
            logger.warning("a source cannot be reached: %s: %s", place.private_name, problem)
        problem = f"{len(lost)} of {len(self._places)} out of reach" if lost else ""
        return (Check(name="sources", problem=problem, needed=len(lost) == len(self._places)),)
