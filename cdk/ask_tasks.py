"""Asks tasks by their addresses for their health, for what must be refused, for a picture, and for a tile.

Runs as a function inside the VPC, from this text alone; it reaches the tasks and nothing else.
"""

import json
import math
import os
import time
import urllib.error
import urllib.request
from urllib.parse import quote

PATIENCE = 60.0
"""Seconds for a task to listen."""


def get(base: str, path: str, status: int = 200) -> bytes:
    """Return the body of an answer; fails when it has another status."""
    request = urllib.request.Request(base + path, headers={"User-Agent": "CodeDeploy"})  # noqa: S310 - our own tasks
    if token := os.environ.get("TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own tasks
            found, body = answer.status, answer.read()
    except urllib.error.HTTPError as problem:
        found, body = problem.code, problem.read()
    if found != status:
        raise ValueError(f"{path}: {found} in place of {status}: {body[:200]!r}")
    return bytes(body)


def wait(base: str) -> None:
    """Until the task answers."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            get(base, "/healthz")
        except (OSError, ValueError):
            if time.monotonic() > until:
                raise
            time.sleep(1)
        else:
            return


def check(base: str, source: str | None) -> None:
    """Ask one task."""
    wait(base)
    closed = "CLOSED" in os.environ
    get(base, "/cog/info?url=s3%3A%2F%2Fnobody-has-listed-this%2Fa.tif", 401 if closed else 403)
    if closed:  # to all that have no token, and nobody gave us one
        return
    if not get(base, "/colorMaps/viridis?f=png").startswith(b"\x89PNG"):
        raise ValueError("no picture")
    if not source:
        return
    query = f"url={quote(source, safe='')}"
    described = json.loads(get(base, f"/cog/WebMercatorQuad/tilejson.json?{query}"))
    west, south, east, north = described["bounds"]
    zoom = described["minzoom"]
    side, latitude = 2**zoom, math.radians((south + north) / 2)
    x = int((west + east + 360) / 720 * side)
    y = int((1 - math.asinh(math.tan(latitude)) / math.pi) / 2 * side)
    if len(get(base, f"/cog/tiles/WebMercatorQuad/{zoom}/{x}/{y}.png?{query}")) < 60:
        raise ValueError("no tile")


def handler(event: dict[str, list[str]], _context: object) -> int:
    """Return how many tasks are well, which is all of them."""
    for address in event["addresses"]:
        check(f"http://{address}:{os.environ['PORT']}", os.environ.get("SOURCE"))
    return len(event["addresses"])
