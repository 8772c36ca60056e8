"""The service for a while inside 512 MB, under everything at once: does it keep what it promises?

    python -m bench.soak --minutes 10

Local rasters, remote ones through our reader and through GDAL, tiles, previews, statistics, polygons and bad requests
come from several clients at a time. The limit of memory is that of a control group (version 1 or 2; needs root). Where
none can be made, the service reads it from an endpoint with the metadata of a task, as on ECS, and each process has it
as its resource limit of data. The end is an exit status: 0 when there was no 500, no broken connection and no process
that was killed, when ``/healthz`` answered within 100 ms each time, and what stays in memory grew by less than 1 MB a
minute once warm. The service's group comes first where the CPU is short, as its clients and its store would be on
machines of their own; all the same, the quieter the machine, the less of what is measured is the machine's.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import json
import math
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_bounds

from bench import health, processes, servers
from bench.processes import Group
from tilery.geo import mercator

MEMORY = 512 << 20
HEALTH_SECONDS = 0.1
MB_A_MINUTE = 1.0
WARM_UP = 0.5
"""Part of the time after which memory is looked at: caches are full after a minute, and what the allocator and threads
with PROJ and GDAL in them hold stops growing after five."""
FLOOR_SECONDS = 15.0
"""Seconds of which the least memory is what stays."""
BOUNDS = (8.0, 45.0, 10.0, 47.0)
SIDE = 3000


@dataclass(slots=True)
class Seen:
    """What was seen; filled by several threads."""

    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    health: list[tuple[float, float]] = field(default_factory=list)
    """Seconds that each answer took, and since the start."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since the start, and bytes."""


Call = tuple[str, str, bytes | None]
"""Method, path, body."""


def make_rasters(folder: Path) -> dict[str, list[str]]:
    """Return rasters by who reads them: names of files that our reader takes, and of those that GDAL has to."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    heights = 1000 + 500 * np.sin(rows / 300) * np.cos(columns / 200) + rows % 7
    colors = np.stack([(heights / 8) % 256, rows % 256, columns % 256])
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    plans: list[tuple[str, np.ndarray, str, dict[str, object]]] = [
        ("color", colors, "uint8", tiled),
        ("heights", heights[np.newaxis], "float32", tiled | {"nodata": -9999.0}),
        ("bands", np.concatenate([colors, heights[np.newaxis]]) * 4, "uint16", tiled | {"compress": "lzw"}),
        ("strips", heights[np.newaxis], "int16", {"compress": "deflate"}),
        ("packed", colors, "uint8", {"compress": "packbits"}),
    ]
    for name, values, kind, options in plans:
        path = folder / f"{name}.tif"
        if not path.exists():
            profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": len(values), "dtype": kind}
            transform = from_bounds(*BOUNDS, SIDE, SIDE)
            with rasterio.open(path, "w", crs="EPSG:4326", transform=transform, **profile, **options) as target:
                target.write(values.astype(kind))
            with rasterio.open(path, "r+") as target:
                target.build_overviews([2, 4, 8], Resampling.average)
    (folder / "broken.tif").write_bytes((folder / "color.tif").read_bytes()[:100_000])
    (folder / "text.tif").write_text("no raster", encoding="ascii")
    return {"ours": ["color", "heights", "bands"], "gdal": ["strips", "packed"]}


class Mix:
    """Requests of all kinds, drawn at random."""

    def __init__(self, folder: Path, store: str, rasters: dict[str, list[str]], seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._names = rasters["ours"] + rasters["gdal"]
        self._roots = (f"{folder}", store)
        kinds: list[tuple[int, Callable[[], Call]]] = [
            (60, self._tile), (10, self._preview), (6, self._box), (6, self._statistics), (6, self._polygon),
            (6, self._polygon_statistics), (4, self._document), (14, self._bad), (1, self._large),
        ]  # fmt: skip
        self._kinds = [kind for _, kind in kinds]
        self._weights = [weight for weight, _ in kinds]

    def draw(self) -> Call:
        """Return one request."""
        return self._random.choices(self._kinds, self._weights)[0]()

    def _url(self, name: str | None = None) -> str:
        chosen = name or self._random.choice(self._names)
        # remote rasters under many names, as if they were many
        root = self._random.choice(self._roots)
        return f"url={quote(f'{root}/{chosen}.tif', safe='')}"

    def _rendering(self) -> str:
        return self._random.choice((
            "bidx=1&rescale=0,1500", "bidx=1&rescale=0,1500&colormap_name=viridis", "bidx=1&algorithm=hillshade",
            f"expression=b1*{self._random.random():.3f}&rescale=0,1500", "bidx=1&rescale=0,1500&resampling=bilinear",
            "bidx=1&bidx=1&bidx=1&rescale=0,1500&color_formula=gamma+RGB+1.5+saturation+1.1",
        ))  # fmt: skip

    def _tile(self) -> Call:
        z = self._random.randint(7, 14)
        lon, lat = self._random.uniform(8.1, 9.9), self._random.uniform(45.1, 46.9)
        x = int((lon + 180) / 360 * 2**z)
        y = int(mercator.part_north_of(lat) * 2**z)
        suffix = self._random.choice(("png", "jpg", "webp", "npy"))
        return "GET", f"/cog/tiles/WebMercatorQuad/{z}/{x}/{y}.{suffix}?{self._url()}&{self._rendering()}", None

    def _preview(self) -> Call:
        size, suffix = self._random.randint(64, 1024), self._random.choice(("png", "jpg", "tif", "npy"))
        return "GET", f"/cog/preview.{suffix}?{self._url()}&max_size={size}&{self._rendering()}", None

    def _box(self) -> Call:
        west, south = self._random.uniform(8, 9.5), self._random.uniform(45, 46.5)
        box = f"{west:.4f},{south:.4f},{west + 0.4:.4f},{south + 0.4:.4f}"
        crs = self._random.choice(("", "&dst_crs=EPSG:3857", "&dst_crs=EPSG:2056"))
        return "GET", f"/cog/bbox/{box}/500x400.png?{self._url()}&{self._rendering()}{crs}", None

    def _statistics(self) -> Call:
        return "GET", f"/cog/statistics?{self._url()}&max_size={self._random.choice((256, 1024, 2000))}", None

    def _feature(self) -> bytes:
        count = self._random.choice((5, 50, 2000))
        lon, lat, away = (
            self._random.uniform(8.5, 9.5),
            self._random.uniform(45.5, 46.5),
            self._random.uniform(0.02, 0.3),
        )
        turns = [2 * math.pi * step / count for step in range(count)]
        ring = [
            [lon + away * self._random.uniform(0.7, 1) * math.cos(turn), lat + away * math.sin(turn)] for turn in turns
        ]
        geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        return json.dumps({"type": "Feature", "properties": {}, "geometry": geometry}).encode()

    def _polygon(self) -> Call:
        return "POST", f"/cog/feature/600x600.png?{self._url()}&{self._rendering()}", self._feature()

    def _polygon_statistics(self) -> Call:
        return "POST", f"/cog/statistics?{self._url()}&max_size=512", self._feature()

    def _document(self) -> Call:
        path = self._random.choice(
            ("info", "info.geojson", "WebMercatorQuad/tilejson.json", "validate", "point/9.0,46.0", "stac")
        )
        return "GET", f"/cog/{path}?{self._url()}", None

    def _large(self) -> Call:
        return self._random.choice((
            ("GET", f"/cog/preview.png?{self._url('heights')}&width=2048&height=2048&algorithm=hillshade", None),
            ("GET", f"/cog/preview.jpg?{self._url('color')}&width=2048&height=2048", None),
            ("GET", f"/cog/preview.npy?{self._url('bands')}&width=2000&height=2000&unscale=true", None),
        ))  # fmt: skip

    def _bad(self) -> Call:
        blocks = quote(";".join(["b1*1.5"] * 64))
        noise = self._random.random()
        return self._random.choice((
            ("GET", f"/cog/info.geojson?{self._url()}&crs=foo+bar+{noise}", None),
            ("GET", f"/cog/preview.npy?{self._url('color')}&expression={blocks}&width=2048&height=2048", None),
            ("GET", f"/cog/preview.png?{self._url()}&expression=b1*{noise})", None),
            ("GET", f"/cog/preview.png?{self._url()}&bidx=99", None),
            ("GET", f"/cog/statistics?{self._url('heights')}&categorical=true&max_size=2000", None),
            ("GET", f"/cog/tiles/WebMercatorQuad/9/{int(noise * 100)}/1.png?{self._url()}", None),
            ("GET", f"/cog/info?{self._url('broken')}", None),
            ("GET", f"/cog/info?{self._url('text')}", None),
            ("GET", f"/cog/info?{self._url('missing')}", None),
            ("GET", "/cog/info?url=%2Fetc%2Fpasswd", None),
            ("POST", f"/cog/feature?{self._url()}", b"{" * 1000),
            ("POST", f"/cog/statistics?{self._url()}", b" " * (3 << 20)),
        ))  # fmt: skip


def client(port: int, mix: Mix, seen: Seen, until: float) -> None:
    """Ask one request after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while time.monotonic() < until:
        method, path, body = mix.draw()
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read()
            seen.statuses[str(answer.status)] += 1
            if answer.status == 500:
                seen.failures.append(f"500 {method} {path}: {text[:200]!r}")
        except (OSError, http.client.HTTPException) as problem:
            connection.close()
            if (
                isinstance(problem, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError)
                and not body
            ):
                seen.statuses["asked again"] += 1  # a kept connection that was closed meanwhile: clients ask again
                continue
            seen.statuses["broken"] += 1
            seen.failures.append(f"{problem!r} {method} {path}")
    connection.close()


def watch_memory(pid: int, seen: Seen, until: float) -> None:
    """Look at the memory of all its processes."""
    began = time.monotonic()
    while time.monotonic() < until:
        seen.memory.append((time.monotonic() - began, processes.memory_bytes(pid)))
        time.sleep(0.5)


def floor(memory: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return the least of each `FLOOR_SECONDS`: what stays when requests are done. One large request takes 100 MB for a
    second or two, and what is chance in those would be 3 MB a minute in a line through all that was seen.
    """
    least: dict[int, tuple[float, int]] = {}
    for at, size in memory:
        window = int(at / FLOOR_SECONDS)
        if window not in least or size < least[window][1]:
            least[window] = (at, size)
    return list(least.values())


def slope(memory: list[tuple[float, int]], seconds: float) -> float:
    """Return MB a minute by which memory grew once warm: the line of least squares."""
    warm = [(at / 60, size / 1e6) for at, size in memory if at > WARM_UP * seconds]
    if len(warm) < 3:
        return 0.0
    minutes, sizes = np.array(warm).T
    return float(np.polyfit(minutes, sizes, 1)[0])


@contextlib.contextmanager
def limited() -> Iterator[tuple[Group | None, dict[str, str], str]]:
    """A control group or what stands for it, the service's environment, and what to call it."""
    why = processes.why_no_group()
    if why is None:
        with processes.group(f"tilery-soak-{os.getpid()}", 2.0, MEMORY, is_alone=True) as found:
            yield found, {}, "a control group"
        return

    class Metadata(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Limits": {"CPU": 2, "Memory": MEMORY >> 20}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (4 * MEMORY, 4 * MEMORY))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield None, {"ECS_CONTAINER_METADATA_URI_V4": address}, f"task metadata and a resource limit ({why})"
        server.shutdown()


def soak(seconds: float, clients: int) -> bool:
    """Return True when every bound was kept; prints what was seen."""
    folder = servers.WORK / "soak"
    rasters = make_rasters(folder)
    seen = Seen()
    with limited() as (group, environment, means), servers.store(folder, 0.002) as store:
        environment |= {"LOG_LEVEL": "warning"}
        with servers.running("tilery", workers=1, group=group, environment=environment) as running:
            until = time.monotonic() + seconds
            asking = health.start(running.port, seconds)
            threads = [
                threading.Thread(target=client, args=(running.port, Mix(folder, store, rasters, seed), seen, until))
                for seed in range(clients)
            ]
            threads.append(threading.Thread(target=watch_memory, args=(running.pid, seen, until)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            answers = health.end(asking)
            seen.health = list(zip(answers.seconds, answers.moments, strict=True))
            seen.failures += answers.failures
            killed = group.killed() if group else None
    return report(seen, seconds, means, killed or 0)


def report(seen: Seen, seconds: float, means: str, killed: int) -> bool:
    """Return True when every bound was kept; prints the figures."""
    log = (servers.WORK / "tilery.log").read_text(errors="replace")
    died = killed + log.count("was sent SIG")
    slowest, moment = max(seen.health, default=(math.inf, 0.0))
    growth = slope(floor(seen.memory), seconds)
    bounds = {
        f"500s: {seen.statuses['500']}": seen.statuses["500"] == 0,
        f"broken connections: {seen.statuses['broken']}": seen.statuses["broken"] == 0,
        f"processes killed: {died}": died == 0,
        f"/healthz at most: {slowest * 1000:.0f} ms of {len(seen.health)}, {moment:.0f} s after the start": slowest
        < HEALTH_SECONDS,
        f"memory that stays, once warm: {growth:+.2f} MB a minute": growth < MB_A_MINUTE,
    }
    requests = sum(seen.statuses.values())
    print(f"{seconds / 60:.1f} minutes inside {MEMORY >> 20} MB by {means}: {requests} requests")
    print("  " + ", ".join(f"{status}: {count}" for status, count in sorted(seen.statuses.items())))
    most = max((size for _, size in seen.memory), default=0)
    median = sorted(seen.health)[len(seen.health) // 2][0] * 1000 if seen.health else math.inf
    print(
        f"  memory at most {most / 1e6:.0f} MB; workers replaced: {log.count('to be replaced by a new worker')}; ",
        end="",
    )
    print(f"/healthz in the median {median:.0f} ms")
    for words, kept in bounds.items():
        print(f"  {'ok    ' if kept else 'MISSED'} {words}")
    for failure in seen.failures[:10]:
        print(f"    {failure}")
    return all(bounds.values())


def main() -> None:
    """Read the command line; exit with 1 where a bound was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=6)
    options = parser.parse_args()
    sys.exit(0 if soak(options.minutes * 60, options.clients) else 1)


if __name__ == "__main__":
    main()
