"""A layer that one worker changes is changed for the others too."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

from tests.process.test_service import Server, running
from tests.support import rasters

TOKEN = "an-admin-of-the-tests"
ENOUGH = 12
"""Answers in a row, each over a new connection, after which two workers have both been asked."""


def asked(server: Server, method: str, path: str, body: object = None) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "If-Match": "*"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(answer.status)


def name_everywhere(server: Server) -> str | None:
    """Return the layer's name, once all workers say the same; None where there is no layer any more."""
    last, alike = object(), 0
    for _ in range(2000):
        status, _, body = server.get("/layers/dem")
        found = json.loads(body)["name"] if status == 200 else None
        alike = alike + 1 if found == last else 0
        last = found
        if alike == ENOUGH:
            return found
        time.sleep(0.02)
    raise AssertionError("the workers never agree")


def test_all_workers_see_what_one_of_them_did(tmp_path: Path) -> None:
    rasters.gradient(tmp_path / "dem.tif", size=64)
    (tmp_path / "catalog").mkdir()
    settings = {
        "WEB_CONCURRENCY": "2",
        "TILERY_CATALOG": str(tmp_path / "catalog"),
        "TILERY_ADMIN_TOKEN": TOKEN,
        "TILERY_REVALIDATE_SECONDS": "0.2",
    }
    with running(tmp_path, **settings) as server:
        assert len(server.workers()) == 2
        assert name_everywhere(server) is None
        new = {"id": "dem", "source": str(tmp_path / "dem.tif"), "render": {"bidx": [1]}, "name": "one"}
        assert asked(server, "POST", "/layers", new) == 201
        assert name_everywhere(server) == "one"
        assert asked(server, "PATCH", "/layers/dem", {"name": "two"}) == 200
        assert name_everywhere(server) == "two"
        assert asked(server, "DELETE", "/layers/dem") == 204
        assert name_everywhere(server) is None
        assert TOKEN not in server.log.read_text()
