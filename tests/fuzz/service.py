"""The service in this process, asked with any bytes whatever: no client in between that would tidy them up."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from asyncio import events
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote_to_bytes

from app.api.app import create_app
from app.config.settings import Settings

Headers = list[tuple[bytes, bytes]]
LONGEST = 30.0
"""Seconds after which an answer is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzRequest:
    """A request."""

    path: str
    """As a client sends it: percent-encoded."""
    query: bytes = b""
    method: str = "GET"
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def __str__(self) -> str:
        """Return it as one line."""
        shown = f"{self.method} {self.path}?{self.query.decode('latin-1')}"
        shown += f" {self.headers!r}" if self.headers else ""
        return shown + (f" {self.body[:4000]!r}" if self.body else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, and what it took."""

    status: int
    headers: Headers
    body: bytes
    seconds: float
    held: float
    """The longest time that a callback computed on the event loop, in seconds of its thread's processor."""
    trace: str | None
    """Where the surprise came from, if it was one."""

    def header(self, name: bytes) -> bytes:
        """Return a header, empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")


class Service:
    """The application on an event loop of its own. It runs while its context does."""

    def __init__(self, *, measured: bool = False, **settings: Any) -> None:
        """Make it; ``measured`` looks at how long each callback computes."""
        self.app = create_app(Settings(_env_file=None, **settings))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stopping: asyncio.Event | None = None
        self._held = 0.0
        self._traces = _Traces()
        self._run = events.Handle._run
        self._state: dict[str, Any] = {}
        if measured:
            self._measure()

    def __enter__(self) -> Self:
        self._thread.start()
        logging.getLogger("tilery.request").addHandler(self._traces)
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        logging.getLogger("tilery.request").removeHandler(self._traces)
        events.Handle._run = self._run  # type: ignore[method-assign]
        self.app.context.engine.close()

    def ask(self, ask: FuzzRequest) -> Answer:
        """Send a request and wait for the answer."""
        self._held, self._traces.last = 0.0, None
        began = time.monotonic()
        status, headers, body = asyncio.run_coroutine_threadsafe(self._answer(ask), self._loop).result(LONGEST)
        seconds = time.monotonic() - began
        return Answer(
            status=status, headers=headers, body=body, seconds=seconds, held=self._held, trace=self._traces.last
        )

    async def _answer(self, ask: FuzzRequest) -> tuple[int, Headers, bytes]:
        sent: list[Any] = []
        whole = False

        async def receive() -> Any:
            nonlocal whole
            if whole:
                await asyncio.sleep(LONGEST)
            whole = True
            return {"type": "http.request", "body": ask.body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": ask.method,
            "scheme": "http",
            "path": unquote_to_bytes(ask.path).decode("utf-8", "replace"),  # as uvicorn has it
            "raw_path": ask.path.encode(),
            "query_string": ask.query,
            "root_path": "",
            "headers": [(b"host", b"localhost"), *ask.headers],
            "client": ("127.0.0.1", 5555),
            "server": ("127.0.0.1", 80),
            "state": dict(self._state),
        }
        await self.app(scope, receive, send)
        return (
            sent[0]["status"],
            list(sent[0].get("headers", ())),
            b"".join(message.get("body", b"") for message in sent[1:]),
        )

    async def _begin(self) -> None:
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._told: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
        self._life = asyncio.ensure_future(self.app(scope, self._messages.get, self._told.put))
        await self._messages.put({"type": "lifespan.startup"})
        await self._told.get()

    async def _end(self) -> None:
        await self._messages.put({"type": "lifespan.shutdown"})
        await self._told.get()
        await self._life

    def _measure(self) -> None:
        run = self._run

        def measured(handle: events.Handle) -> None:
            began = time.thread_time()
            run(handle)
            self._held = max(self._held, time.thread_time() - began)

        events.Handle._run = measured  # type: ignore[method-assign, assignment]


class _Traces(logging.Handler):
    """Keeps where the last surprise came from."""

    def __init__(self) -> None:
        super().__init__()
        self.last: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.last = "".join(traceback.format_exception(record.exc_info[1]))
