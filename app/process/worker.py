"""The process that gunicorn forks: it ends without failing a request, and makes room when it has grown.

On SIGTERM a load balancer may go on sending for some seconds, because it learns of the end later than the process does.
So the worker says 503 at ``/healthz`` and ``/readyz``, goes on answering everything else for the drain delay, asks each
client to use another connection, and only then stops listening and finishes what is under way.

A worker that has grown past its share of the memory, or has a thread that hangs in native code, ends the same way,
but healthy, and only when its successor serves: it says in memory shared with the process that forks (`WorkerFlags`)
that it wants one, gives back its caches so that there is room for two, and goes on answering meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from gunicorn.arbiter import Arbiter
from uvicorn.config import Config
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from app.config import settings
from app.process import budget, native, own_memory
from app.process.connections import Connection
from app.process.worker_flags import WorkerFlags

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope


logger = logging.getLogger("uvicorn.error")

CLOSE = (b"connection", b"close")
HEALTH = ("/healthz", "/readyz")
DRAINING = b'{"status":"draining"}'
RECYCLE_SECONDS = 2.0
"""How long a grown worker asks its clients for new connections before it stops listening."""
SUCCESSOR_SECONDS = 30.0
"""How long it waits for its successor; without one by then it ends all the same."""
SLOW_CLIENTS_SECONDS = 3.0
"""How long it waits for clients who have not read their answers, once it has stopped listening."""
SERVICE = "tilery.service"
"""Where the application says what serves: a name in the state of ASGI's lifespan."""
THOROUGH_SECONDS = 3600.0
"""How long garbage in circles may stay that has lasted for a while; longer where there is always a request."""
TRIM_FROM = 0.8
"""Share of the ceiling from which freed memory is given back now and then: a busy worker of 440 MB has 100 of it."""
TRIM_SECONDS = 10.0
"""Seconds from one such time to the next, each of which takes some milliseconds."""
FULL = 2
"""The generation that has everything."""
LAST_REQUESTS_SECONDS = 0.5
"""Time between the end of listening and the closing of connections without a request."""


class UnderWay(Protocol):
    """What the requests under way were given of the process's memory; see `limits.memory.Memory`."""

    @property
    def held(self) -> int:
        """Bytes that they were given."""
        ...

    @property
    def is_starved(self) -> bool:
        """True when there was no room for one although it would have run alone."""
        ...


class Watched(Protocol):
    """What is looked at of the service while it serves."""

    @property
    def memory(self) -> UnderWay:
        """What the requests under way were given of its memory."""
        ...

    @property
    def hanging(self) -> int:
        """Threads whose work should have come back long ago."""
        ...

    def count_recycle(self, reason: str) -> None:
        """Count that the process is about to be replaced."""
        ...

    def give_back_memory(self) -> None:
        """Drop what is kept for requests to come."""
        ...


class DrainingServer(Server):
    """A server that drains before it stops."""

    def __init__(self, config: Config, *, drain_delay: float, ceiling: int, flags: WorkerFlags | None = None) -> None:
        """Drain for ``drain_delay`` seconds on SIGTERM; end when the process holds more than ``ceiling`` bytes beside
        what its requests were given.
        """
        super().__init__(config)
        self.drain_delay = drain_delay
        # not all workers of a task at the same moment
        self.ceiling = int(ceiling * random.uniform(0.95, 1.0))  # noqa: S311 - no secret
        self.flags = flags
        self.draining_until: float | None = None
        self.ready = True
        self.recycling_since: float | None = None
        """Moment at which this worker asked for a successor."""
        self._tidied = False
        self._trimmed = self._collected = time.monotonic()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module gives it
        """SIGTERM begins the drain, a second one ends it; every other signal stops at once."""
        self.recycling_since = None
        if sig == signal.SIGTERM and self.ready:
            self.ready = False
            self.drain(self.drain_delay)
        else:
            self.ready = False
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so to the process that forks."""
        await super().startup(sockets)
        if self.flags is not None and self.started:
            self.flags.serve()

    async def on_tick(self, counter: int) -> bool:
        """Return True when it is time to stop listening; called ten times a second."""
        if await super().on_tick(counter):
            return True
        if self.draining_until is None:
            if self.recycling_since is not None:
                self._await_successor(self.recycling_since)
            elif counter % 10 == 0:
                if reason := await self._reason_to_be_replaced():
                    self._recycle(*reason)
                elif time.monotonic() - self._collected > THOROUGH_SECONDS and not self.server_state.tasks:
                    collect_thoroughly()
                    self._collected = time.monotonic()
            return False
        if CLOSE not in self.server_state.default_headers:  # made anew every second
            self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        return time.monotonic() >= self.draining_until

    def drain(self, seconds: float) -> None:
        """Go on for so many seconds, and ask whoever gets an answer to use another connection from now on."""
        self.draining_until = time.monotonic() + seconds
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]

    async def _reason_to_be_replaced(self) -> tuple[str, str] | None:
        """Return why this process should make way for another, in a word and at length; None when it should not."""
        service = self._service
        if service is not None and service.hanging:
            return "hanging", f"{service.hanging} of its threads hang"
        if not self.ceiling:
            return None
        held, is_starved = (service.memory.held, service.memory.is_starved) if service is not None else (0, False)
        if is_starved:
            return "grown", "no room for a large request, with empty caches"
        size = await asyncio.to_thread(budget.resident)
        if size - held <= self.ceiling:
            self._tidied = False
            if size > TRIM_FROM * self.ceiling and time.monotonic() - self._trimmed > TRIM_SECONDS:
                await asyncio.to_thread(native.trim)
                self._trimmed = time.monotonic()
            return None
        if not self._tidied:
            # what was freed and not given back to the system may be all that is too much
            self._tidied = True
            await asyncio.to_thread(native.give_back)
            return None
        return "grown", f"grown to {size - held >> 20} MiB beside its requests, past {self.ceiling >> 20}"

    def _recycle(self, kind: str, reason: str) -> None:
        """Ask for a successor, and make room for it."""
        logger.warning("%s: to be replaced by a new worker", reason)
        if (service := self._service) is not None:
            service.count_recycle(kind)
        self.recycling_since = time.monotonic()
        if self.flags is None:
            self.drain(RECYCLE_SECONDS)
            return
        self.flags.want_successor()
        if service is not None:
            threading.Thread(target=service.give_back_memory, daemon=True).start()

    def _await_successor(self, since: float) -> None:
        if self.flags is None or self.flags.is_succeeded or time.monotonic() - since > SUCCESSOR_SECONDS:
            self.drain(RECYCLE_SECONDS)

    @property
    def _service(self) -> Watched | None:
        """What serves, where the application says it."""
        found: Watched | None = self.lifespan.state.get(SERVICE)
        return found

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening; then, a moment later, close what is idle and wait for what is under way."""
        for server in self.servers:
            server.close()
        # a connection accepted just now has its first request on the way: closing it would lose that
        await asyncio.sleep(LAST_REQUESTS_SECONDS)
        if self.recycling_since is not None:
            asyncio.get_running_loop().call_later(SLOW_CLIENTS_SECONDS, self._drop_slow_clients)
        await super().shutdown(sockets)

    def _drop_slow_clients(self) -> None:
        """End connections that only wait for their clients to read: the successor has their memory."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection) and not connection.is_answering:
                connection.drop()


class DrainingHealth:
    """The application, but its health checks say 503 once the server drains, so that no balancer sends more."""

    def __init__(self, app: ASGI3Application, server: DrainingServer) -> None:
        self.app = app
        self.server = server

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer the health check of a draining server, pass everything else on."""
        if self.server.ready or scope["type"] != "http" or not scope["path"].endswith(HEALTH):
            await self.app(scope, receive, send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(DRAINING)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": DRAINING, "more_body": False})


def spare_collections() -> None:
    """Look for garbage in circles less often, and never again among what was there at the last full look.

    A request leaves hardly any behind, and by default the interpreter goes through all lasting objects for it: 3 % of
    the time of a tile, and at each full look 50 to 100 ms in which nothing else runs, health checks neither. Circles of
    what has lasted are found by `collect_thoroughly`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.callbacks.append(_freeze_what_is_left)


def _freeze_what_is_left(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == FULL:
        gc.freeze()


def collect_thoroughly() -> None:
    """Look for garbage in circles among everything: for when nobody waits."""
    gc.unfreeze()
    gc.collect()


class Worker(UvicornWorker):  # type: ignore[misc]  # comes without types
    """What ``app/process/gunicorn_conf.py`` names as the worker class."""

    CONFIG_KWARGS: dict[str, Any] = {"loop": "auto", "http": Connection}  # noqa: RUF012 - as the class above has it

    flags: WorkerFlags | None = None
    """What this process and the one that forked it tell each other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config: Config = self.config
        config.proxy_headers = False  # the application knows whom to believe
        config.server_header = False
        config.access_log = self.cfg.accesslog is not None
        self.drain_delay = float(settings.environment("DRAIN_DELAY") or 0)
        names = ("TILERY_MEMORY", "TILERY_BLOCK_CACHE_BYTES", "TILERY_TILE_CACHE_BYTES")
        memory, *caches = (int(settings.environment(name) or 0) for name in names)
        self.ceiling = own_memory.private(memory, *caches) if memory else 0
        # the arbiter's patience is the drain, the requests under way, and two seconds to end
        self.patience = max(1, int(self.cfg.graceful_timeout - self.drain_delay) - 2)
        config.timeout_graceful_shutdown = self.patience

    def _install_sigquit_handler(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, self.server.handle_exit, signal.SIGQUIT, None)

    async def _serve(self) -> None:
        spare_collections()
        self.server = DrainingServer(self.config, drain_delay=self.drain_delay, ceiling=self.ceiling, flags=self.flags)
        self.config.app = DrainingHealth(self.wsgi, self.server)
        self._install_sigquit_handler()
        await self.server.serve(sockets=self.sockets)
        if not self.server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        if self.flags is not None:
            self.flags.announce_exit()
        # a thread stuck in native code would keep the process for ever
        watchdog = threading.Timer(5.0, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
