"""A small ASGI application for tests of the process around it: it waits, grows, hangs, says who answered."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any
from urllib.parse import parse_qs

kept: list[bytes] = []


class Memory:
    """What requests were given."""

    held = 0
    is_starved = False


class Service:
    """What the worker looks at."""

    hanging = 0
    memory = Memory()

    def count_recycle(self, reason: str) -> None:
        print(f"counted as {reason}", file=sys.stderr, flush=True)

    def give_back_memory(self) -> None:
        print("memory given back", file=sys.stderr, flush=True)


service = Service()


def pretend(query: dict[str, list[str]]) -> None:
    """Be what the query says to whoever looks."""
    service.hanging |= "hang" in query
    service.memory.is_starved |= "starve" in query
    service.memory.held = int(query.get("given", [service.memory.held])[0])


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if "START_FAILS" in os.environ:
                await send({"type": "lifespan.startup.failed", "message": "there is no disk"})
                return
            scope["state"]["tilery.service"] = service
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    query = parse_qs(scope["query_string"].decode())
    await asyncio.sleep(float(query.get("wait", ["0"])[0]))
    if grow := int(query.get("grow", ["0"])[0]):
        kept.append(os.urandom(grow))
    pretend(query)
    if "die" in query:
        os.abort()
    body = str(os.getpid()).encode() if "size" not in query else bytes(int(query["size"][0]))
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
