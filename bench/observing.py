"""What it costs to be watched: a line of the log, and a tile with logs and metrics on, beside one with all of it off.

    .venv/bin/python -m bench.observing

The tile is warm: its blocks are decoded, and it is rendered anew each time. Both applications answer in turns, in one
process, so that whatever else the machine does comes to both; what is compared is the median of the pairs. Seconds are
those of the CPU: who else is at work on the machine has less of a say in them.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.api.app import Application, create_app
from app.config.settings import Settings
from app.observing import logs
from app.observing.request import RequestRecord, Stopwatch
from tests.support import rasters

LINE_MICROSECONDS = 30
TILE_PERCENT = 2


def line_cost(rounds: int = 5_000) -> dict[str, float]:
    """Return the microseconds of a line by format, written to /dev/null as it would be to standard error."""
    found = {}
    for kind in ("json", "text"):
        with Path("/dev/null").open("w", encoding="utf-8") as null:
            handler = logging.StreamHandler(null)
            logs.dress(handler, kind)  # type: ignore[arg-type]  # one of the two
            logger = logging.getLogger(logs.REQUESTS)
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            log = logs.RequestLog("all", kind)  # type: ignore[arg-type]  # the same
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
            costs = []
            for _ in range(rounds):
                began = time.thread_time()
                log.write(record, 200, 12345, 0.0123)
                costs.append(time.thread_time() - began)
            found[kind] = statistics.median(costs) * 1e6
            logger.removeHandler(handler)
    return found


async def ask(app: Application, path: str, query: bytes) -> float:
    """Return the seconds of CPU that a tile takes, those of its threads among them."""
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

    began = time.process_time()
    await app(scope, receive, send)
    took = time.process_time() - began
    if statuses != [200]:
        raise RuntimeError(f"{path}: {statuses}")
    return took


async def compare(folder: Path, *, pairs: int, tile_cache: int) -> tuple[float, float, float]:
    """Return the median seconds of a tile with everything off and on, and the median difference in percent."""
    query = f"url={quote(str(folder / 'rgb.tif'))}".encode()
    path = "/cog/tiles/WebMercatorQuad/9/268/180.png"
    common: dict[str, Any] = {"_env_file": None, "sources": (str(folder),), "tile_cache_bytes": tile_cache}
    off = create_app(Settings(**common, log_requests="none"))
    on = create_app(Settings(**common, log_requests="all", log_format="json", metrics_port=9, emf_namespace="Tilery"))
    for app in (off, on):
        for _ in range(50):
            await ask(app, path, query)
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs):
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            seconds[which].append(await ask((off, on)[which], path, query))
    without, with_ = map(statistics.median, seconds)
    difference = statistics.median(b - a for a, b in zip(*seconds, strict=True))
    return without, with_, 100 * difference / without


def main() -> None:
    """Print a table, and end with 1 where a bound is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    pairs = parser.parse_args().pairs
    costs = line_cost()
    for kind, cost in costs.items():
        print(f"a line as {kind:<4}      {cost:6.1f} µs")
    handler = logging.StreamHandler(io.StringIO())
    logs.dress(handler, "json")
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
    raise SystemExit(int(bad))


if __name__ == "__main__":
    main()
