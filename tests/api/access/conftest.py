"""A catalog of two layers, and what signs addresses of them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from app.api.access import signatures
from app.config.access import SigningKey
from tests.support import rasters

KEY = SigningKey(id="k2", secret=b"a key that signs addresses, of 32 bytes and more")
OLD = SigningKey(id="k1", secret=b"the key before, which is going to be forgotten")
PLACE = "8/134/90.png"
"""A tile that both layers have."""


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers, whose tiles differ."""
    found = tmp_path_factory.mktemp("signed").resolve()
    for name, value in (("dem", 50), ("other", 200)):
        (found / name).mkdir()
        rasters.constant(found / name / "raster.tif", value, bounds=(8.0, 46.0, 9.0, 47.0))
        document = {"bounds": [8, 46, 9, 47], "minzoom": 5, "maxzoom": 9, "source": "raster.tif", "revision": "r1"}
        (found / name / "index.json").write_text(json.dumps(document))
    return found


def access(*keys: SigningKey, **more: Any) -> str:
    """Return what ``TILERY_ACCESS`` has for some keys."""
    return json.dumps({"keys": [{"id": key.id, "secret": key.secret.decode()} for key in keys], **more})


def signed(subject: str, *, key: SigningKey = KEY, seconds: float = 3600) -> str:
    """Return a signature of ``layer:…`` or ``source:…`` that is good for so long."""
    return signatures.sign(key, subject, int(time.time() + seconds))


def ask(client: TestClient, raw: str, query: str) -> int:
    """Return the status of the answer to a path that no client has made tidy."""
    statuses: list[int] = []
    bodies = [{"type": "http.request", "body": b"", "more_body": False}]

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Any:
        if not bodies:  # who waits for the caller to go is not told again and again that he has not
            await asyncio.Event().wait()
        return bodies.pop()

    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(raw),  # as uvicorn does
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
        "client": ("192.0.2.9", 1),
        "server": ("localhost", 80),
        "scheme": "http",
        "root_path": "",
    }
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    return statuses[0]
