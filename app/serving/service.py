"""The way of a request: is its answer known to the caller, in memory, under way? If not, make it, in its turn."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from app.config.settings import Settings
from app.observing import metrics as m
from app.observing import request as request_
from app.observing.metrics import Metrics
from app.observing.request import Stopwatch
from app.process import budget, native
from app.process.own_memory import own_memory
from app.serving import etag, render, tile_store_tier
from app.serving.admission import Admission, Job
from app.serving.answer_cache import AnswerCache
from app.serving.encoded import Encoded
from app.serving.outcome import Tell
from app.serving.served import Served
from app.serving.single_flight import Flights
from app.serving.tile_store import StoredTile, TileStore
from app.serving.worker_flight import WorkerFlight
from tilery import arena
from tilery.arena import Arena
from tilery.engine import Engine
from tilery.limits import deadline
from tilery.limits.compute_slots import ComputeSlots
from tilery.limits.memory import Memory
from tilery.reading.reader import Reader
from tilery.reading.source import Source

T = TypeVar("T")

logger = logging.getLogger("tilery.request")

DISCONNECT_CHECK_AFTER = 0.05
"""Seconds of waiting after which a caller may be found gone."""
HANGING = 2.0
"""Deadlines after which work that has not come back is taken to hang."""
_IO_THREADS = 4
"""Threads for what makes no picture: listings, changes of the catalog."""
_IO_QUEUE = 16
DEFAULT_WORK = 512 << 20
"""Bytes that requests under way may take where nothing says how much memory there is."""
LEAST_BLOCKS = 4 << 20
"""Bytes of decoded blocks that a process keeps which is on its way out."""
DEFAULT_TILE_CACHE = 32 << 20
"""Bytes of answers kept where nothing says how much memory there is."""


class CallerGone(Exception):
    """The caller went away: there is nobody left to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    encoded: Encoded
    etag: str
    stopwatch: Stopwatch
    is_elsewhere: bool = False
    """Another worker made it."""


class Service:
    """What one process has for serving: slots, flights, answers in memory."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        tile_store: TileStore | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Room and memory as the settings say; rasters are opened by the engine, tiles kept in the store."""
        self.metrics = metrics or Metrics()
        self.engine = engine
        self.tile_store = tile_store
        self.settings = settings
        slots = settings.render_slots or default_slots()
        self.memory = Memory(settings.work_bytes or DEFAULT_WORK, own_memory(settings, engine.empty))
        """Of requests under way, and of answers that wait to be sent."""
        self._slots = ComputeSlots(slots)
        self.local = self._admission(slots)
        self.remote = self._admission(max(slots, settings.fetch_threads))
        """For rasters in stores: most of their threads wait for bytes, and those that compute share the slots."""
        self.io = Admission(_IO_THREADS, _IO_QUEUE, patience=HANGING * settings.deadline, name="io")
        """For what is no picture and may wait for a store: listings, changes of the catalog."""
        self.cache = AnswerCache(_tiles(settings), arena.shared.claims if arena.shared is not None else None)
        self._version = _version(settings)
        self._flights: Flights[_Made] = Flights()
        self._openings: Flights[str] = Flights()
        self._shared: Flights[Any] = Flights()

    @property
    def oldest(self) -> float:
        """Seconds since the work that is longest under way began; 0 when there is none."""
        return max(self.local.oldest, self.remote.oldest)

    @property
    def hanging(self) -> int:
        """Threads whose work should have come back long ago, in native code that nothing can interrupt."""
        return self.local.hanging + self.remote.hanging

    @property
    def pools(self) -> Mapping[str, Admission]:
        """The compute slots by the rasters that they are for."""
        return {"local": self.local, "remote": self.remote}

    @property
    def flights(self) -> int:
        """Renders under way that others may wait for."""
        return len(self._flights)

    def count_recycle(self, reason: str) -> None:
        """Count that this process is about to be replaced."""
        self.metrics.count(m.RECYCLES, reason)

    def give_back_memory(self) -> None:
        """Drop what is kept for requests to come, in a process that will get few more, and leave room for another."""
        self.memory.leave(budget.LIBRARIES)
        self.engine.shrink(LEAST_BLOCKS)
        native.give_back()

    def close(self) -> None:
        """Take no more work; what runs is finished by its threads."""
        self.local.close()
        self.remote.close()
        self.io.close()

    def _admission(self, threads: int) -> Admission:
        settings = self.settings
        return Admission(threads, settings.queue_length, patience=HANGING * settings.deadline)

    def _for(self, source: Source) -> Admission:
        reader = self.engine.peek(source) if source.is_local else None
        return self.local if source.is_local and (reader is None or reader.is_local) else self.remote

    async def answer(
        self,
        source: Source,
        request: str,
        work: Callable[[Reader], Encoded],
        *,
        known: str | None = None,
        check: Callable[[Reader], None] | None = None,
        identify: Callable[[Reader], str] = render.whole,
        gone: Callable[[], Awaitable[None]] | None = None,
        stored: StoredTile | None = None,
        missed: bool = False,
    ) -> Served:
        """Return the answer to a request about one raster.

        Args:
            source: the raster.
            request: canonical text of everything asked for: same text, same answer.
            work: makes the answer, in a compute slot.
            known: ``If-None-Match`` of the request.
            check: raises what the work would raise, as far as the facts of an open raster tell it without reading.
            identify: tells the identity of what the answer is made of, where that may be a part of the source.
            gone: returns when the caller has gone away.
            stored: place of the answer in the tile store, where it has one.
            missed: the store sent the caller here; see `app.serving.tile_store_tier.answer`.

        Raises:
            CallerGone: the caller went away before there was an answer.
            Busy, DeadlineExceeded: there was no room or no time.
            TileryError: what the work raises.
        """

        def make(work: Callable[[Reader], Encoded]) -> Awaitable[Served]:
            return self._answer(source, request, work, known=known, check=check, identify=identify, gone=gone)

        if stored is None or self.tile_store is None:
            served = await make(work)
        else:
            served = await tile_store_tier.answer(self.tile_store, stored, work, make, self.run, missed=missed)
        return _noted(served)

    async def ensure_stored(
        self,
        source: Source,
        request: str,
        work: Callable[[Reader], Encoded],
        stored: StoredTile,
        *,
        check: Callable[[Reader], None] | None = None,
    ) -> bool:
        """Return whether a tile is in the store, after it was made where it was not there; see `answer`."""
        if self.tile_store is None:
            return False

        def make(work: Callable[[Reader], Encoded]) -> Awaitable[Served]:
            return self._answer(source, request, work, known=None, check=check, identify=render.whole, gone=None)

        return await tile_store_tier.ensure(self.tile_store, stored, work, make, self.run)

    async def _answer(
        self,
        source: Source,
        request: str,
        work: Callable[[Reader], Encoded],
        *,
        known: str | None,
        check: Callable[[Reader], None] | None,
        identify: Callable[[Reader], str],
        gone: Callable[[], Awaitable[None]] | None,
    ) -> Served:
        reader = self.engine.peek(source)
        if reader is not None:
            identity = identify(reader)
        elif identify is render.whole:
            identity = await self.identity(source, gone)
        else:
            identity = await self._identity_of_part(source, request, identify, gone)
        tag = self._tag(identity, request)
        if known is not None and etag.matches(known, tag):
            return Served(encoded=None, etag=tag, how="known")
        any_known = known is not None and etag.is_any(known)
        found = self.cache.get(tag)
        if found is not None:
            return Served(encoded=None if any_known else found, etag=tag, how="known" if any_known else "hit")
        if check is not None and reader is not None:
            check(reader)
        made, joined = await wanted(
            self._flights.join(tag, lambda tell: self._make(source, request, work, identify, tag, tell)), gone
        )
        if joined:
            request_.note(made.stopwatch)
        if any_known:  # only now is it sure that there is an answer
            return Served(encoded=None, etag=made.etag, how="known")
        how: Literal["wait", "miss"] = "wait" if joined or made.is_elsewhere else "miss"
        return Served(encoded=made.encoded, etag=made.etag, how=how, timing=made.stopwatch.timing())

    async def identity(self, source: Source, gone: Callable[[], Awaitable[None]] | None = None) -> str:
        """Return the identity of the raster of a source, which is then open.

        Raises:
            CallerGone: the caller went away before.
        """
        if (reader := self.engine.peek(source)) is not None:
            return reader.identity
        found, _ = await wanted(self._openings.join(source, lambda tell: self._open(source, render.whole, tell)), gone)
        return found

    async def _identity_of_part(
        self,
        source: Source,
        request: str,
        identify: Callable[[Reader], str],
        gone: Callable[[], Awaitable[None]] | None,
    ) -> str:
        key = (source, request)
        found, _ = await wanted(self._openings.join(key, lambda tell: self._open(source, identify, tell)), gone)
        return found

    async def run_with_reader(
        self, source: Source, work: Callable[[Reader], T], gone: Callable[[], Awaitable[None]] | None = None
    ) -> T:
        """Return what ``work`` makes of the raster of a source, done in a compute slot and not remembered.

        Raises:
            CallerGone: the caller went away before there was an answer.
        """
        stopwatch = request_.measured()

        def do() -> T:
            with self._slots.taken(), self.memory.work(), stopwatch:
                return render.opened(self.engine, source, work)[0]

        return await wanted(self._for(source).run(do), gone)

    async def run(self, work: Callable[[], T], gone: Callable[[], Awaitable[None]] | None = None) -> T:
        """Return what ``work`` returns, which is about no raster, done in a compute slot and not remembered.

        Raises:
            CallerGone: the caller went away before there was an answer.
        """
        stopwatch = request_.measured()

        def do() -> T:
            with self.memory.work(), stopwatch:
                return work()

        return await wanted(self.local.run(do), gone)

    async def document(self, request: str, work: Callable[[], Encoded], *, known: str | None = None) -> Served:
        """Return the answer to a request about no raster, made in a compute slot and remembered.

        Args:
            request: canonical text of everything that the answer is made of: same text, same answer.
            work: makes the answer.
            known: ``If-None-Match`` of the request.
        """
        tag = self._tag("", request)
        if known is not None and etag.matches(known, tag):
            return _noted(Served(encoded=None, etag=tag, how="known"))
        found = self.cache.get(tag)
        if found is not None:
            return _noted(Served(encoded=found, etag=tag, how="hit"))

        def start(tell: Tell[_Made]) -> Job[_Made]:
            stopwatch = request_.measured()

            def do() -> _Made:
                with self._slots.taken(), stopwatch:
                    encoded = work()
                return _Made(encoded=encoded, etag=tag, stopwatch=stopwatch)

            return self.local.start(do, tell, lambda made: self.cache.put(tag, made.encoded))

        made, joined = await self._flights.join(tag, start)
        if joined:
            request_.note(made.stopwatch)
        how: Literal["wait", "miss"] = "wait" if joined else "miss"
        return _noted(Served(encoded=made.encoded, etag=tag, how=how, timing=made.stopwatch.timing()))

    async def run_io(self, work: Callable[[], T], *, key: str | None = None) -> T:
        """Return what ``work`` returns, which makes no picture and may wait for a store: tiles do not wait for it.

        Args:
            work: does it.
            key: does it once for all who want the same at a time. None: each by himself.

        Raises:
            Busy: too many others wait already.
        """
        if key is None:
            return await self.io.run(work)
        found, _ = await self._shared.join(f"io {key}", lambda tell: self.io.start(work, tell))
        return cast("T", found)

    async def run_shared(self, key: str, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, done in a compute slot once for all who want the same at a time; not
        remembered.
        """
        found, _ = await self._shared.join(key, lambda tell: self.local.start(work, tell))
        return cast("T", found)

    def _open(self, source: Source, identify: Callable[[Reader], str], tell: Tell[str]) -> Job[str]:
        stopwatch = request_.measured()

        def do() -> str:
            with self._slots.taken(), self.memory.work(), stopwatch:
                return render.identity(self.engine, source, identify)

        return self._for(source).start(do, tell)

    def _make(
        self,
        source: Source,
        request: str,
        work: Callable[[Reader], Encoded],
        identify: Callable[[Reader], str],
        tag: str,
        tell: Tell[_Made],
    ) -> Job[_Made]:
        stopwatch = request_.measured()
        turn: WorkerFlight[_Made] | None = None
        if self.cache.claims is not None:

            def found(encoded: Encoded) -> _Made:
                return _Made(encoded=encoded, etag=tag, stopwatch=stopwatch, is_elsewhere=True)

            turn = WorkerFlight(self.cache, self.cache.claims, tag, deadline.remaining(), found)

        def do() -> _Made:
            with self._slots.taken(), self.memory.work(), stopwatch:
                encoded, identity = render.opened(self.engine, source, work, identify)
            return _Made(encoded=encoded, etag=self._tag(identity, request), stopwatch=stopwatch)

        # What is made is kept even when its caller has gone by then: he may come back, as maps do.
        return self._for(source).start(do, tell, lambda made: self.cache.put(made.etag, made.encoded), turn)

    def _tag(self, identity: str, request: str) -> str:
        return etag.make(identity, f"{self._version}\0{request}")


def _noted(served: Served) -> Served:
    """Return what was served, after it was noted with the request how."""
    record = request_.current()
    if record is not None:
        record.how = served.how
    return served


def _tiles(settings: Settings) -> Arena:
    """Return memory for finished tiles: that of all workers, where they have some together."""
    if arena.shared is not None:
        return arena.shared.tiles
    capacity = settings.tile_cache_bytes
    return Arena(DEFAULT_TILE_CACHE if capacity is None else capacity, page=arena.TILE_PAGE, start=arena.TILES_START)


def _version(settings: Settings) -> str:
    """Return what of the settings has a say in the bytes of answers, and of the files that they name."""
    return repr((settings.name, settings.default_attribution, etag.files_version(settings)))


def replace_worker(why: str = "every compute slot hangs") -> None:
    """End this process, which is of no use any more; whoever keeps it starts another."""
    logger.critical("%s: to be replaced by a new worker", why)
    os.kill(os.getpid(), signal.SIGKILL)


async def wanted(work: Coroutine[Any, Any, T], gone: Callable[[], Awaitable[None]] | None) -> T:
    """Return the result of ``work``, which is cancelled when the caller goes away first.

    Whether he has gone is not checked before `DISCONNECT_CHECK_AFTER` seconds: most answers are there by then, and the
    check costs a task.

    Raises:
        CallerGone: the caller went away.
    """
    task = asyncio.current_task()
    if gone is None or task is None:
        return await work
    has_gone = over = False
    watch: asyncio.Future[None] | None = None

    def on_gone(watched: asyncio.Future[None]) -> None:
        nonlocal has_gone
        # a call that was due in the moment when the work was done cannot be taken back any more
        if not watched.cancelled() and not over:
            has_gone = True
            task.cancel()

    def watch_caller() -> None:
        nonlocal watch
        watch = asyncio.ensure_future(gone())
        watch.add_done_callback(on_gone)

    timer = asyncio.get_running_loop().call_later(DISCONNECT_CHECK_AFTER, watch_caller)
    try:
        return await work
    except asyncio.CancelledError:
        if not has_gone:
            raise
        task.uncancel()
        raise CallerGone from None
    finally:
        over = True
        timer.cancel()
        if watch is not None:
            watch.remove_done_callback(on_gone)
            watch.cancel()


def default_slots() -> int:
    """Return how many renders run at a time where no setting says it: for the cores that this process may run on."""
    return budget.slots_for(
        float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    )
