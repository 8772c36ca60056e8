"""What it costs to be watched: a line of the log, and a tile with logs and metrics on, beside one with all of it off.

    .venv/bin/python -m bench.observing

The tile is warm: its blocks are decoded, and it is rendered anew each time, or it is out of memory. First two
applications answer in turns, in one process, as many tiles each as are reported in one go under a server that is busy.
Then two servers do, each with one worker, and what counts is all that their processes take for a request; they are
asked for a tile outside of the raster as well. Seconds are those of the CPU, and the best tenth of all turns is
compared: whatever else is at work on the machine makes a turn slower and never faster.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp

from app.api.app import create_app
from app.api.middleware import RequestMiddleware
from app.config.settings import Settings
from app.observing import logs
from app.observing.request import Answer, RequestRecord, Stopwatch
from app.process.worker import spare_collections
from app.serving.reports import DELAY, MOST
from bench import client, processes, servers
from tests.support import rasters

LINE_MICROSECONDS = 30
TILE_PERCENT = 2
BLOCK = MOST
"""Tiles that are asked for one after the other, before it is the other's turn."""


def line_cost(rounds: int = 5_000) -> dict[str, float]:
    """Return the microseconds of a line by format, written to /dev/null as it would be to standard error."""
    found = {}
    for kind in ("json", "text"):
        with Path("/dev/null").open("w", encoding="utf-8") as null:
            handler = logging.StreamHandler(null)
            logs.prepare(handler, kind)
            logger = logging.getLogger(logs.REQUESTS)
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            log = logs.RequestLog("all", kind)
            stopwatch = Stopwatch()
            with stopwatch:
                pass
            record = RequestRecord(
                request_id="0123456789abcdef",
                method="GET",
                path="/cog/tiles/WebMercatorQuad/7/66/45.png",
                trace_id="Root=1-67891233-abcdef012345678912345678",
                client="203.0.113.7",
                route="cog.getTile",
                source="s3://bucket/imagery/2024/a.tif",
                tile="WebMercatorQuad/7/66/45",
                how="miss",
                stopwatches=(stopwatch,),
            )
            answer: Answer = (record, 200, 12345, 0.0123, 1.0)
            costs = []
            for _ in range(rounds):
                began = time.thread_time()
                log.write([answer])
                costs.append(time.thread_time() - began)
            found[kind] = statistics.median(costs) * 1e6
            logger.removeHandler(handler)
    return found


async def ask(app: ASGIApp, path: str, query: bytes) -> None:
    """Ask for a tile."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "root_path": "",
    }
    statuses = []

    async def receive() -> dict[str, Any]:
        await asyncio.Future()  # a client who stays
        return {}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    if statuses != [200]:
        raise RuntimeError(f"{path}: {statuses}")


async def compare(folder: Path, *, pairs: int, tile_cache: int) -> tuple[float, float, float]:
    """Return the seconds of a tile with everything off and on, and the difference in percent."""
    query = f"url={quote(str(folder / 'rgb.tif'))}".encode()
    path = "/cog/tiles/WebMercatorQuad/9/268/180.png"
    common: dict[str, Any] = {"_env_file": None, "sources": (str(folder),), "tile_cache_bytes": tile_cache}
    watched = Settings(**common, log_requests="all", log_format="json", metrics_port=9, emf_namespace="Tilery")
    on = create_app(watched)
    inner, memory = on._middleware.app, on.context.service.memory  # noqa: SLF001 - one service, so that caches are the same
    guard = on._middleware.guard  # noqa: SLF001
    off = RequestMiddleware(inner, settings=Settings(**common, log_requests="none"), guard=guard, memory=memory)
    both: tuple[ASGIApp, ASGIApp] = (off, on)
    for _ in range(50):
        for app in both:
            await ask(app, path, query)
    on._middleware.reports.may_wait()  # noqa: SLF001 - as under a server
    spare_collections()  # as a worker does
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs // BLOCK):
        for which in (0, 1) if number % 2 else (1, 0):
            began = time.process_time()
            for _ in range(BLOCK):
                await ask(both[which], path, query)
            on._middleware.reports.flush()  # noqa: SLF001 - what it has put off counts
            seconds[which].append((time.process_time() - began) / BLOCK)
    without, with_ = (sorted(turns)[len(turns) // 10] for turns in seconds)
    return without, with_, 100 * (with_ / without - 1)


EVERYTHING = {
    "LOG_LEVEL": "info",
    "TILERY_LOG_FORMAT": "json",
    "TILERY_LOG_REQUESTS": "all",
    "TILERY_EMF_NAMESPACE": "Tilery",
}
NOTHING = {"TILERY_LOG_REQUESTS": "none"}


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU that processes have used so far, by the clock that the kernel has of each and all its threads."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What both servers are asked for again and again."""

    says: str
    tile: str = "9/268/180"
    status: int = 200
    tile_cache: int = 32 << 20
    requests: int = 2000
    """In each turn."""
    most: float | None = None
    """Percent."""


ASKED = (
    Asked(says="rendered", tile_cache=0, requests=200, most=TILE_PERCENT),
    Asked(says="held in memory"),
    Asked(says="outside, 404", tile="9/100/100", status=404),
)


def compare_servers(folder: Path, asked: Asked, *, turns: int) -> tuple[float, float, float]:
    """Return the seconds of a request to a server with everything off and to one with everything on, and the difference
    in percent.
    """
    servers.WORK.mkdir(exist_ok=True)
    path = f"/cog/tiles/WebMercatorQuad/{asked.tile}.png?url={quote(str(folder / 'rgb.tif'))}"
    common = {"TILERY_SOURCES": f"{folder}/", "TILERY_TILE_CACHE_BYTES": str(asked.tile_cache)}
    common["TIMEOUT"] = "3600"  # a machine that is put to sleep meanwhile ends no worker
    watched = EVERYTHING | {"TILERY_METRICS_PORT": str(servers.free_port())}
    with (
        servers.running("tilery", workers=1, environment=common | NOTHING, log="unwatched") as off,
        servers.running("tilery", workers=1, environment=common | watched, log="watched") as on,
    ):
        seconds: tuple[list[float], list[float]] = ([], [])
        for number in range(-2, turns):
            for which in (0, 1) if number % 2 else (1, 0):
                server = (off, on)[which]
                pids = processes.tree(server.pid)
                began = cpu_seconds(pids)
                load = client.run(server.port, [path] * asked.requests, connections=8)
                if set(load.statuses) != {asked.status}:
                    raise RuntimeError(f"{path}: {dict(load.statuses)}")
                time.sleep(1.5 * DELAY)  # what it has put off counts
                if number >= 0:
                    seconds[which].append((cpu_seconds(pids) - began) / asked.requests)
    without, with_ = (sorted(values)[len(values) // 10] for values in seconds)
    return without, with_, 100 * (with_ / without - 1)


def main() -> None:
    """Print a table, and end with 1 where a bound is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=20, help="of each server")
    pairs, turns = (arguments := parser.parse_args()).pairs, arguments.turns
    costs = line_cost()
    for kind, cost in costs.items():
        print(f"a line as {kind:<4}      {cost:6.1f} µs")
    handler = logging.StreamHandler(Path("/dev/null").open("w", encoding="utf-8"))  # noqa: SIM115 - until the end
    logs.prepare(handler, "json")
    logger = logging.getLogger(logs.NAME)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    bad = max(costs.values()) > LINE_MICROSECONDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        rasters.rgb(folder / "rgb.tif", size=2048)
        for what, tile_cache in (("rendered", 0), ("held in memory", 32 << 20)):
            off, on, percent = asyncio.run(compare(folder, pairs=pairs, tile_cache=tile_cache))
            print(f"a tile {what:<15} {off * 1e6:6.0f} µs off, {on * 1e6:6.0f} µs on: {percent:+.1f} %")
            bad = bad or (tile_cache == 0 and percent > TILE_PERCENT)
        for asked in ASKED:
            off, on, percent = compare_servers(folder, asked, turns=turns)
            print(f"a request, {asked.says:<15} {off * 1e6:6.0f} µs off, {on * 1e6:6.0f} µs on: {percent:+.1f} %")
            bad = bad or (asked.most is not None and percent > asked.most)
    raise SystemExit(int(bad))


if __name__ == "__main__":
    main()
