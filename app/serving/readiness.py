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
        if self._asking is None:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
            self._asking = self._thread.submit(self._ask)
        asking = self._asking
        try:
            found = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(asking)), 1.5 * PATIENCE)
        except TimeoutError:  # a file system that hangs; the thread goes on, and is waited for next time
            return (Check(name="stores", problem="no answer"),)
        if self._asking is asking:
            self._asking = None
            self._known, self._until = found, self._clock() + SECONDS
        return found

    def _ask(self) -> tuple[Check, ...]:
        return (*self._ask_catalog(), *self._ask_sources())

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
