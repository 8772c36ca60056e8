"""The body of a request on its way in, read up to a limit, and what is done with the rest of one that nobody reads."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from app.config.settings import Settings
from app.serving.service import CallerGone
from tilery.errors import OverLimit
from tilery.limits import deadline

MOST_DRAINED = 32 << 20
"""Bytes of a body that are read and thrown away."""
DRAIN_SECONDS = 5.0
"""Seconds for it."""
_WITHOUT_BODY = frozenset(("GET", "HEAD", "OPTIONS"))


class Incoming:
    """Reads a request's body for the application, and knows what of it is still to come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Read by ``receive``."""
        self._receive = receive
        self._whole = scope["method"] in _WITHOUT_BODY
        self._body_wanted = False
        self._waits = not self._whole and any(name == b"expect" for name, _ in scope["headers"])

    @property
    def is_read(self) -> bool:
        """True when the whole body was read, or there is none."""
        return self._whole

    async def receive(self) -> Message:
        """Return the next message of the server."""
        self._body_wanted = True
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self._whole = True
        return message

    async def drain(self) -> None:
        """Read what is left of the body, within bounds, so that the client reads our answer.

        A connection that is closed while the client still sends is reset, and the answer is lost with it. A client who
        waits to be asked for the body has sent none.
        """
        if self._whole or (self._waits and not self._body_wanted):
            return
        left = MOST_DRAINED
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while left > 0 and not self._whole:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


async def read(request: Request, settings: Settings) -> bytes:
    """Return the body of a request; who sends it too slowly or goes away meanwhile is not waited for.

    It is to be parsed in a compute slot: what JSON says takes 25 times its bytes.

    Raises:
        OverLimit: it is too long.
        DeadlineExceeded: it did not come in time.
        CallerGone: it will never come.
    """
    limit = settings.max_body_bytes
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(deadline.remaining()):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise OverLimit(f"The body has more than {limit} bytes.", parameter="body", limit=limit)
                parts.append(part)
    except TimeoutError:
        raise deadline.exceeded() from None
    except ClientDisconnect:
        raise CallerGone from None
    return b"".join(parts)
