"""Large bodies on their way out: a piece at a time, and counted until they are gone.

Written at once, a body of megabytes holds up the event loop while the system takes it in, and sixty of them hold up a
health check. In pieces other requests have their turn in between, and a client who reads slowly holds only a piece in
the server's buffers; the rest is counted with what requests under way take.
"""

from __future__ import annotations

import asyncio

from starlette.types import Message, Send

from tilery.limits.memory import Memory

PIECE = 256 << 10
"""Bytes written at a time."""


async def in_pieces(message: Message, send: Send, memory: Memory | None = None) -> None:
    """Send a part of an answer's body on; the server takes each piece when the client has read those before."""
    body: bytes = message.get("body", b"")
    left = len(body)
    if left <= PIECE:
        await send(message)
        return
    if memory is not None:
        memory.unsent(left)
    try:
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            more = left > len(piece) or message.get("more_body", False)
            await send({"type": "http.response.body", "body": piece, "more_body": more})
            if memory is not None:
                memory.unsent(-len(piece))
            left -= len(piece)
            await asyncio.sleep(0)  # let others have their turn: a client who reads fast is never waited for
    finally:
        if memory is not None and left:
            memory.unsent(-left)
