"""Answers made smaller on their way out, where they can be and the client understands it.

Pictures are compressed already; documents, pages, GeoTIFFs and arrays are not. What has an entity tag of its own gets a
weak one, because its bytes are no longer those the tag was made of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import cramjam
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import negotiation

SMALLEST = 512
"""Bytes below which nothing is gained."""
LARGE = 64 * 1024
"""Bytes from which compressing takes too long for the event loop."""

_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: bytes(cramjam.zstd.compress(body, level=3)),
    "br": lambda body: bytes(cramjam.brotli.compress(body, level=4)),
    "gzip": lambda body: bytes(cramjam.gzip.compress(body, level=6)),
    "deflate": lambda body: bytes(cramjam.zlib.compress(body, level=6)),
}
"""By preference: the fastest that is small, then what more clients know."""
_TYPES = frozenset((
    b"application/geo+json",
    b"application/javascript",
    b"application/json",
    b"application/schema+json",
    b"application/vnd.oai.openapi+json",
    b"application/x-binary",
    b"application/xml",
    b"image/svg+xml",
    b"image/tiff",
    b"text/css",
    b"text/html",
    b"text/javascript",
    b"text/plain",
    b"text/xml",
))  # fmt: skip


class CompressionMiddleware:
    """Compresses answers that come in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        """Compress what ``app`` answers."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: Message | None = None

        async def reply(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                if _is_compressible(message):
                    held = message
                    return
            elif held is not None:
                start, held = held, None
                start["headers"].append((b"vary", b"Accept-Encoding"))
                coding = _coding(scope)
                body = message.get("body", b"")
                if coding is not None and not message.get("more_body") and len(body) >= SMALLEST:
                    message["body"] = await _compressed(coding, body)
                    _describe(start, coding, len(message["body"]))
                await send(start)
            await send(message)

        await self.app(scope, receive, reply)


async def _compressed(coding: str, body: bytes) -> bytes:
    if len(body) < LARGE:
        return _CODINGS[coding](body)
    return await asyncio.to_thread(_CODINGS[coding], body)


def _coding(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            return negotiation.encoding(value.decode("latin-1"), tuple(_CODINGS))
    return None


def takes(media_type: bytes) -> bool:
    """Return True when answers of that media type are compressed for whoever understands it."""
    return media_type.partition(b";")[0].strip().lower() in _TYPES


def _is_compressible(start: Message) -> bool:
    media_type = b""
    for name, value in start["headers"]:
        if name == b"content-type":
            media_type = value.partition(b";")[0].strip().lower()
        elif name == b"content-encoding":
            return False
    return media_type in _TYPES


def _describe(start: Message, coding: str, length: int) -> None:
    headers = []
    for name, value in start["headers"]:
        if name == b"etag" and not value.startswith(b"W/"):
            headers.append((name, b"W/" + value))
        elif name != b"content-length":
            headers.append((name, value))
    headers += [(b"content-encoding", coding.encode()), (b"content-length", str(length).encode())]
    start["headers"] = headers
