"""A small ASGI application for tests of the process around it: it waits, it grows, it says who answered."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from urllib.parse import parse_qs

kept: list[bytes] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    query = parse_qs(scope["query_string"].decode())
    await asyncio.sleep(float(query.get("wait", ["0"])[0]))
    if grow := int(query.get("grow", ["0"])[0]):
        kept.append(os.urandom(grow))
    if "die" in query:
        os.abort()
    body = str(os.getpid()).encode() if "size" not in query else bytes(int(query["size"][0]))
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
