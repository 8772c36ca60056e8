"""Connections of clients, held to limits: how large the head of a request is and how long it takes, how many clients
have not said anything whole yet, and how long an answer waits for somebody who does not read it.

A load balancer has such limits of its own. Without one in front every client is a stranger: a head that never ends, a
thousand connections that say nothing, answers of megabytes that nobody fetches would each hold memory for ever.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from typing import Any, ClassVar
from weakref import WeakSet

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from tilery.limits.memory import Memory

LARGEST_HEAD = 64 << 10
"""Bytes of a request's line and headers."""
HEAD_SECONDS = 10.0
"""Seconds from the first byte of a head, or from the start of the connection, to the head's end."""
MOST_HALF_OPEN = 256
"""Connections without a whole head; where there are more, the oldest of them is closed, unless it is new."""
NEW_SECONDS = 2.0
"""For so long a connection is new: of many that come at once the heads may be on the way."""
STALL_CHECK_SECONDS = 5.0
"""How often it is looked whether somebody goes on reading."""
ROOM_CHECK_SECONDS = 0.01
"""Time from the end of one connection that holds too much to the look whether that was enough."""
LEAST_READ = 20 << 10
"""Bytes that a client has to take between two looks: 4 kB a second, slower than which no map can be looked at."""


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    _half_open: ClassVar[OrderedDict[Connection, float]] = OrderedDict()
    """Those of this process without a whole head, the oldest first, and since when."""
    _making_room: ClassVar[WeakSet[ServerState]] = WeakSet()
    """Servers that have ended a connection just now, whose answer is still counted."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Made by the server when somebody connects."""
        super().__init__(config, server_state, app_state, _loop)
        self._in_head = True
        self._head_bytes = 0
        self._refusal: tuple[int, str, str] = _NOT_HTTP
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._memory: Memory | None = app_state.get(Memory.STATE)
        self.stalled_since = 0.0
        """Moment of `time.monotonic` since which the client has not read all that was written; 0 when it has."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio gives no other kind
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_whole()
        self._all_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self.parser is not None and not self.transport.is_closing():
            if self._head_bytes > LARGEST_HEAD:
                self._refuse(_LARGE_HEAD)
            elif self._head_timer is None:
                self._await_head()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Answer the request whose head has come, if it is not too large."""
        self._in_head = False
        self._head_whole()
        size, self._head_bytes = self._head_bytes, 0
        if size > LARGEST_HEAD and self._size_of_head() > LARGEST_HEAD:
            self._refusal = _LARGE_HEAD
            raise ValueError  # the parser stops, and `send_400_response` is called
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that a request is whole: what comes now is the head of the next."""
        super().on_message_complete()
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the server's words; ours say more
        """Refuse what is no request, or is too large, and close the connection."""
        self._refuse(self._refusal)

    def pause_writing(self) -> None:
        """Check after a while whether a client that does not read as fast as we write reads at all."""
        super().pause_writing()
        self.stalled_since = time.monotonic()
        self._unsent = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(STALL_CHECK_SECONDS, self._check_stalled)
        if self.server_state not in self._making_room:
            self._make_room()

    def resume_writing(self) -> None:
        """Stop the check: the client has read nearly all."""
        self._all_read()
        super().resume_writing()

    def drop(self) -> None:
        """End the connection at once, whatever waits to be sent."""
        self.transport.abort()

    @property
    def is_answering(self) -> bool:
        """True when a request came whose answer has not begun."""
        return self.cycle is not None and not self.cycle.response_started

    def _await_head(self) -> None:
        """Close the connection when its head is not whole in time, and the oldest when there are too many."""
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._late_head)
        now = self._half_open[self] = time.monotonic()
        while len(self._half_open) > MOST_HALF_OPEN:
            oldest, since = next(iter(self._half_open.items()))
            if now - since < NEW_SECONDS:
                return
            del self._half_open[oldest]
            oldest.drop()

    def _head_whole(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
            self._half_open.pop(self, None)

    def _late_head(self) -> None:
        if self._head_bytes:
            self._refuse(_LATE_HEAD)
        else:
            self.transport.close()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, refusal: tuple[int, str, str]) -> None:
        """Answer without the application, which has not seen a request."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.drop()  # an answer is under way: a second one in the middle of it would be taken for a part of it
            return
        status, code, detail = refusal
        body = json.dumps({"code": code, "detail": detail}).encode()
        headers = b"".join(
            name + b": " + value + b"\r\n"
            for name, value in (
                *self.server_state.default_headers,
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
                (b"connection", b"close"),
            )
        )
        self.transport.write(STATUS_LINE[status] + headers + b"\r\n" + body)
        self.transport.close()

    def _make_room(self) -> None:
        """End the connection that has waited longest for its client to read, where such clients hold too much, and look
        again once its answer is gone: no more than have to be.
        """
        self._making_room.discard(self.server_state)
        if self._memory is None or not self._memory.crowded:
            return
        stalled = [
            found
            for found in self.server_state.connections
            if isinstance(found, Connection) and found.stalled_since and not found.transport.is_closing()
        ]
        if len(stalled) > 1:
            min(stalled, key=lambda connection: connection.stalled_since).drop()
            self._making_room.add(self.server_state)
            self.loop.call_later(ROOM_CHECK_SECONDS, self._make_room)

    def _check_stalled(self) -> None:
        """Drop a client who has hardly read since the last look."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if before - self._unsent < LEAST_READ:
            self.drop()
        else:
            self._write_timer = self.loop.call_later(STALL_CHECK_SECONDS, self._check_stalled)

    def _all_read(self) -> None:
        self.stalled_since = 0.0
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


_NOT_HTTP = (400, "bad_request", "This is not a request of HTTP/1.1.")
_LARGE_HEAD = (431, "over_limit", f"The request's line and headers have more than {LARGEST_HEAD} bytes.")
_LATE_HEAD = (408, "deadline_exceeded", f"The request's line and headers took longer than {HEAD_SECONDS:.0f} seconds.")
