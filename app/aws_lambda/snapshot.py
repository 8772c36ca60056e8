"""What Lambda's snapshot of a process (SnapStart) should have in it, and what has to be new after it.

A snapshot is taken once, when a version is published, and every environment begins as a copy of it: what was loaded
before costs nobody anything after. What must not be copied are connections, which are long closed, credentials, which
have expired, and random numbers, which would be the same in every copy.

Source: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html and its best practices.
"""

from __future__ import annotations

import asyncio
import os
import random
import struct
import tempfile
import zlib
from collections.abc import MutableMapping
from pathlib import Path

from app.api.app import Application, create_app
from app.aws_lambda import in_process
from app.config.isolated import isolated
from tilery.geo import mercator

TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE = f"{TOKEN}_FILE"
SIDE = 256
FORMATS = ("png", "jpg", "webp")


def load(application: Application) -> list[int]:
    """Return statuses of some tiles, made of a raster of our own: all that a first request needs is loaded then."""
    application.routes()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "world.tif").write_bytes(world())
        own = create_app(isolated((f"{folder}/",), tile_cache_bytes=0))
        query = f"url={folder}/world.tif"
        paths = [f"/cog/tiles/WebMercatorQuad/0/0/0.{name}" for name in FORMATS]

        async def ask() -> list[int]:
            return [await in_process.status_of(own, path, query) for path in paths]

        loop = asyncio.new_event_loop()  # of our own: Mangum's, which there may be already, stays as it is
        try:
            statuses = loop.run_until_complete(ask())
        finally:
            loop.close()
        own.context.service.close()
        own.context.engine.close()
    return statuses


def renew(application: Application, environ: MutableMapping[str, str]) -> None:
    """Renew what a copy may not share with the others."""
    random.seed()
    application.context.engine.forget()
    give_token(environ)


def give_token(environ: MutableMapping[str, str]) -> None:
    """Write the token for the role's credentials into a file.

    With SnapStart Lambda gives a role's credentials as containers get them: from an address that wants a token. The
    token is in a variable, and the S3 client reads it from a file only.
    """
    token, given = environ.get(TOKEN), environ.get(TOKEN_FILE)
    path = Path(tempfile.gettempdir(), f"credentials-token-{os.getpid()}")
    if not token or given not in {None, str(path)}:
        return
    path.touch(mode=0o600)
    path.write_text(token, encoding="ascii")
    environ[TOKEN_FILE] = str(path)


def world() -> bytes:
    """Return a tiled GeoTIFF of the whole web-Mercator world in one tile: red grows to the east, green to the north.

    Source: TIFF 6.0 and OGC GeoTIFF 1.1 (19-008r4).
    """
    rows = (bytes(channel for x in range(SIDE) for channel in (x, SIDE - 1 - y, 99)) for y in range(SIDE))
    block = zlib.compress(b"".join(rows))
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 3857)
    half = mercator.HALF
    scale = mercator.WIDTH / SIDE
    fields: list[tuple[int, str, tuple[float, ...]]] = [
        (256, "H", (SIDE,)), (257, "H", (SIDE,)), (258, "H", (8, 8, 8)), (259, "H", (8,)), (262, "H", (2,)),
        (277, "H", (3,)), (284, "H", (1,)), (322, "H", (SIDE,)), (323, "H", (SIDE,)), (324, "I", (0,)),
        (325, "I", (len(block),)), (33550, "d", (scale, scale, 0.0)), (33922, "d", (0.0, 0.0, 0.0, -half, half, 0.0)),
        (34735, "H", keys),
    ]  # fmt: skip
    after = 8 + 2 + 12 * len(fields) + 4
    end = after + sum(len(_packed(kind, values)) for _, kind, values in fields if len(_packed(kind, values)) > 4)
    entries, rest = b"", b""
    for tag, kind, values in fields:
        data = _packed(kind, (end,) if tag == 324 else values)
        held = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", after + len(rest))
        rest += data if len(data) > 4 else b""
        entries += struct.pack("<HHI", tag, {"H": 3, "I": 4, "d": 12}[kind], len(values)) + held
    return struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + entries + bytes(4) + rest + block


def _packed(kind: str, values: tuple[float, ...]) -> bytes:
    return struct.pack(f"<{len(values)}{kind}", *values)
