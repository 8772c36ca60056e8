"""What a new process needs until its first tile: import, start of the application, one tile, no server around it.

``python -m bench.coldstart`` prints the medians for both, as a server's worker and as a Lambda function. The same few
lines run in each environment: they call the ASGI application as a server would, its start included, or the handler as
Lambda does, with an event of an HTTP API. TiTiler's handler is Mangum around its application, as its documents have it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

from bench import rasters, tiles
from bench.cases import Case
from bench.measure import address, case_of
from bench.servers import GDAL, PEER, ROOT, WORK, compile_ours

Way = Literal["server", "handler"]

SERVER = """
import asyncio, importlib, json, resource, sys, time
module, path, query = sys.argv[1:4]
begun = time.perf_counter()
app = importlib.import_module(module).app
imported = time.perf_counter()

async def main():
    steps, said = asyncio.Queue(), asyncio.Queue()
    steps.put_nowait({"type": "lifespan.startup"})
    lifespan = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.ensure_future(app(lifespan, steps.get, said.put))
    first = asyncio.ensure_future(said.get())
    await asyncio.wait([life, first], return_when=asyncio.FIRST_COMPLETED)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5), "state": {},
    }
    asked = []
    async def receive():
        if asked:
            await asyncio.Event().wait()  # the client does not go away
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}
    status = []
    async def send(message):
        if message["type"] == "http.response.start":
            status.append(message["status"])
    await app(scope, receive, send)
    return status[0]

status = asyncio.run(main())
"""
HANDLER = """
import base64, importlib, json, os, resource, sys, time
module, path, query = sys.argv[1:4]
begun = time.perf_counter()
if module == "app.main":
    handler = importlib.import_module("app.lambda_handler").handler
else:
    from mangum import Mangum
    handler = Mangum(importlib.import_module(module).app, lifespan="off")
imported = time.perf_counter()

class Context:
    def get_remaining_time_in_millis(self):
        return 30_000

http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench"}
answer = handler({
    "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
    "headers": {"host": "localhost", "x-forwarded-proto": "https"}, "isBase64Encoded": False,
    "requestContext": {"domainName": "localhost", "stage": "$default", "http": http},
}, Context())
base64.b64decode(answer["body"], validate=True)
status = answer["statusCode"]
"""
SAID = """
used = resource.getrusage(resource.RUSAGE_SELF)
# not ru_maxrss: it begins with what the process had that started this one
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({
    "status": status,
    "import_ms": 1000 * (imported - begun),
    "first_tile_ms": 1000 * (time.perf_counter() - begun),
    "cpu_ms": 1000 * (used.ru_utime + used.ru_stime),
    "megabytes": int(peak) * 1024 / 1e6,
}), flush=True)
import os
os._exit(0)
"""
"""Ends without tidying up: a worker does not end after its first tile either."""


def once(name: str, case: Case, folder: Path, way: Way = "server") -> dict[str, float]:
    """Return one new process of that server, or of that function."""
    tile = tiles.scattered(folder / f"{case.raster}.tif", 1)[0]
    path, query = case.path(tile, address(case.raster, folder, None)).split("?", 1)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TILERY_", "GDAL_"))}
    if name == "titiler":
        python, module = PEER, "titiler.application.main"
        environment |= GDAL
    else:
        python, module = Path(sys.executable), "app.main"
        environment |= {"TILERY_SOURCES": f"{WORK}/", "PYTHONPATH": str(ROOT)}
    if way == "handler":
        environment |= {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}
    script = (HANDLER if way == "handler" else SERVER) + SAID
    begun = time.perf_counter()
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", script, module, path, query],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    whole = 1000 * (time.perf_counter() - begun)
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stderr[-1500:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found.pop("status") != 200:
        raise RuntimeError(f"{name}: the first tile was not made")
    return found | {"wall_ms": whole}


def measure(folder: Path, rounds: int, way: Way = "server") -> dict[str, Any]:
    """Return medians for both servers, processes started in turns."""
    case = case_of("pan-png")
    compile_ours()
    rasters.read_once(folder / f"{case.raster}.tif")
    found: dict[str, list[dict[str, float]]] = {"titiler": [], "tilery": []}
    for number in range(rounds + 1):
        for name, results in found.items():
            result = once(name, case, folder, way)
            if number:  # the first one only warms the page cache
                results.append(result)
    return {
        name: {key: statistics.median(result[key] for result in results) for key in results[0]}
        for name, results in found.items()
    }


def compare(folder: Path, rounds: int) -> dict[str, Any]:
    """Return medians for both ways, and the shares that count for a Lambda function: its time and its memory."""
    found: dict[str, Any] = {way: measure(folder, rounds, way) for way in ("server", "handler")}
    for values in found.values():
        ours, theirs = values["tilery"], values["titiler"]
        values["share"] = {name: round(ours[name] / theirs[name], 2) for name in ours}
    return found


if __name__ == "__main__":
    print(json.dumps(compare(rasters.make(int(sys.argv[1]) if len(sys.argv) > 1 else 10_240), 5), indent=2))
