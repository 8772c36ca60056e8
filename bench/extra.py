"""What is not a list of tiles against a fresh server: latencies, cached answers, a small task, memory over time."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench import client, coldstart, library, measure, processes, publishing, rasters, seeding, servers, sizes, tiles
from bench.cases import DEM, SENTINEL, Case

Values = dict[str, Any]
BOTH = ("titiler", "tilery")
LATENCY = 0.025
WARMED = ("pan-png", "pan-jpeg", "pan-webp", "pan-dem")
"""Cases whose kind of tile a small task has made, of another file, before it is measured."""
MEBI = 1 << 20


UNSEEN = ("pan", "scattered")
"""Lists without a tile that was asked for before."""


def mixed(folder: Path, count: int, lists: Sequence[str] = UNSEEN, seed: int = 7) -> list[str]:
    """Return requests for all rasters and formats, one after another, of each as many from each list of
    `bench.tiles`.
    """
    kinds = (
        ("rgb_deflate", "png", ()),
        ("rgb_jpeg", "jpeg", ()),
        ("dem", "png", DEM),
        ("sentinel", "png", SENTINEL),
        ("web256", "png", ()),
        ("rgb_deflate", "webp", ()),
        ("web512", "jpeg", ()),
    )
    each = count // len(kinds) + 1
    requests = []
    for number, (raster, suffix, params) in enumerate(kinds):
        case = Case(name="", says="", raster=raster, tiles="", suffix=suffix, goal=None, params=params)
        file = folder / f"{raster}.tif"
        rasters.read_once(file)
        share = -(-each // len(lists))
        found = [tile for name in lists for tile in tiles.LISTS[name](file, share, seed + number)][:each]
        requests.append([case.path(tile, str(file)) for tile in found])
    return [path for together in zip(*requests, strict=True) for path in together][:count]


def first_tile(folder: Path, rounds: int) -> Values:
    """Return requests to the store, and milliseconds, for the first tile of a file that the server has not seen."""
    case = measure.case_of("remote-random")
    found: dict[str, Values] = {}
    with servers.store(folder, LATENCY) as store:
        for name in BOTH:
            times, requests = [], []
            for _ in range(rounds):
                with servers.running(name, workers=1) as server:
                    measure.warm(server, case, folder, store, 1)
                    servers.get(servers.store_port(), "/_requests")
                    load = client.run(server.port, measure.paths(case, folder, 8, store)[:1], connections=1)
                    counts = json.loads(servers.get(servers.store_port(), "/_requests")[1])
                times.append(1000 * load.latencies[0])
                requests.append(counts["GET"] + counts["HEAD"])
            found[name] = {"ms": statistics.median(times), "requests": statistics.median(requests)}
    return {
        **found,
        "goals": [
            {"says": "25 ms away: requests for a file's first tile", "value": found["tilery"]["requests"], "most": 2},
        ],
    }


def unseen_tile(folder: Path, rounds: int, count: int) -> Values:
    """Return milliseconds of a tile that nobody asked for, one client, an open file far away."""
    case = measure.case_of("remote-random")
    found: dict[str, list[float]] = {name: [] for name in BOTH}
    with servers.store(folder, LATENCY) as store:
        for _ in range(rounds):
            for name in BOTH:
                with servers.running(name, workers=1) as server:
                    measure.warm(server, case, folder, store, 1)
                    load = client.run(server.port, measure.paths(case, folder, count, store), connections=1)
                    found[name].append(1000 * statistics.median(load.latencies[1:]))
    values = {name: {"ms": statistics.median(times)} for name, times in found.items()}
    share = values["tilery"]["ms"] / values["titiler"]["ms"]
    return {**values, "goals": [{"says": "25 ms away: time of an unseen tile", "value": share, "most": 0.6}]}


def _again(folder: Path, count: int, *, not_modified: bool) -> Values:
    """Return one tile asked for again and again: from one worker of each."""
    case = measure.case_of("pan-png")
    tile = measure.paths(case, folder, 8, None)[0]
    found: dict[str, Values] = {}
    for name in BOTH:
        with servers.running(name, workers=1) as server:
            measure.warm(server, case, folder, None, 1)
            client.run(server.port, [tile] * 4, connections=1)
            headers = []
            if not_modified and (tag := _etag(server.port, tile)):
                headers = [("If-None-Match", tag)]
            before = processes.cpu_seconds(server.pid)
            number = count if name == "tilery" else max(20, count // 100)
            load = client.run(server.port, [tile] * number, connections=8, headers=headers)
            found[name] = {
                "per_second": load.per_second,
                "cpu_ms": 1000 * (processes.cpu_seconds(server.pid) - before) / number,
                "statuses": dict(load.statuses),
                "client_share": load.client_seconds / load.seconds,
            }
    return found


def _etag(port: int, path: str) -> str | None:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        tag: str | None = answer.headers.get("ETag")
    return tag


def held(folder: Path, count: int) -> Values:
    """Return tiles a second of a worker that holds the tile."""
    found = _again(folder, count, not_modified=False)
    rate = found["tilery"]["per_second"]
    return {
        **found,
        "goals": [
            {"says": "tile held in memory, a second and worker", "value": rate, "least": 3000},
            {
                "says": "tile held in memory, to TiTiler's tile",
                "value": rate / found["titiler"]["per_second"],
                "least": 50,
            },
        ],
    }


def not_modified(folder: Path, count: int) -> Values:
    """304 answers a second of one worker."""
    found = _again(folder, count, not_modified=True)
    rate = found["tilery"]["per_second"] if set(found["tilery"]["statuses"]) == {304} else 0.0
    return {**found, "goals": [{"says": "304, a second and worker", "value": rate, "least": 3000}]}


def task(folder: Path, rounds: int, count: int) -> Values:
    """Return a quarter of a CPU and 512 MB: start, requests of all lists, p99, and whether anything was killed."""
    if reason := processes.why_no_group():
        return {"skipped": reason}
    wanted = mixed(folder, count, tuple(tiles.LISTS))
    found: dict[str, list[Values]] = {name: [] for name in BOTH}
    for _ in range(rounds):
        for name in BOTH:
            with processes.group("tilery-bench", 0.25, 512 * MEBI) as group:
                begun = time.monotonic()
                with servers.running(name, workers=1, group=group, until=wanted[0]) as server:
                    start = time.monotonic() - begun
                    for other in WARMED:
                        measure.warm(server, measure.case_of(other), folder, None, 1)
                    load = client.run(server.port, wanted, connections=4)
                    values = {
                        "start_s": start,
                        "tiles_per_second": load.per_second,
                        "p50": load.percentile(0.5),
                        "p99": load.percentile(0.99),
                        "failed": sum(n for status, n in load.statuses.items() if status not in (200, 404)),
                        "absent": load.statuses[404],
                        "killed": group.killed(),
                        "peak_megabytes": (group.peak() or 0) / 1e6,
                    }
                time.sleep(0.5)  # the group can be removed when its last process has gone
            found[name].append(values)
    medians = {
        name: {key: statistics.median(v[key] or 0 for v in values) for key in values[0]}
        for name, values in found.items()
    }
    ours, theirs = medians["tilery"], medians["titiler"]
    return {
        **medians,
        "goals": [
            {
                "says": "0.25 vCPU, 512 MB: mixed tiles a second",
                "value": ours["tiles_per_second"] / theirs["tiles_per_second"],
                "least": 10,
            },
            {"says": "0.25 vCPU, 512 MB: p99", "value": ours["p99"] / theirs["p99"], "most": 0.25},
            {
                "says": "0.25 vCPU, 512 MB: start to first tile",
                "value": ours["start_s"] / theirs["start_s"],
                "most": 0.25,
            },
            {
                "says": "0.25 vCPU, 512 MB: killed or failed",
                "value": ours["killed"] + ours["failed"] + abs(ours["absent"] - theirs["absent"]),
                "most": 0,
            },
        ],
    }


def memory(folder: Path, count: int) -> Values:
    """Return megabytes of one worker when it has started, and while it makes many mixed tiles; in a task of 512 MB
    where a control group can be made, because Tilery takes for its caches a share of what there is.
    """
    wanted = mixed(folder, count)
    piece = max(1, len(wanted) // 10)
    found: dict[str, Values] = {}
    for name in BOTH:
        limited = nullcontext(None) if processes.why_no_group() else processes.group("tilery-bench", 64, 512 * MEBI)
        with limited as group:
            with servers.running(name, workers=1, group=group) as server:
                idle = processes.memory_bytes(server.pid) / 1e6
                course = []
                for start in range(0, len(wanted), piece):
                    client.run(server.port, wanted[start : start + piece], connections=8, limit_seconds=1800)
                    course.append(round(processes.memory_bytes(server.pid) / 1e6, 1))
                found[name] = {"idle": idle, "end": course[-1], "course": course}
            time.sleep(0.5)
    ours, theirs = found["tilery"], found["titiler"]
    half = ours["course"][len(ours["course"]) // 2 :]
    return {
        **found,
        "tiles": len(wanted),
        "goals": [
            {"says": "memory of a worker, idle", "value": ours["idle"] / theirs["idle"], "most": 0.4},
            {
                "says": f"memory of a worker after {len(wanted):,} mixed tiles",
                "value": ours["end"] / theirs["end"],
                "most": 0.7,
            },
            {"says": "growth over the second half of them", "value": half[-1] / half[0], "most": 1.1},
        ],
    }


def cold_start(folder: Path, rounds: int) -> Values:
    """Import and first tile in a new process."""
    found = coldstart.measure(folder, rounds)
    share = found["tilery"]["first_tile_ms"] / found["titiler"]["first_tile_ms"]
    return {**found, "goals": [{"says": "import and first tile in a new process", "value": share, "most": 0.25}]}


def measures(folder: Path, rounds: int, *, quick: bool) -> dict[str, Callable[[], Values]]:
    """Return what can be asked for by name."""
    return {
        "first-tile": lambda: first_tile(folder, rounds),
        "unseen-tile": lambda: unseen_tile(folder, rounds, 16 if quick else 60),
        "held": lambda: held(folder, 4000 if quick else 30_000),
        "not-modified": lambda: not_modified(folder, 4000 if quick else 30_000),
        "task": lambda: task(folder, rounds, 28 if quick else 420),
        "memory": lambda: memory(folder, 280 if quick else 20_000),
        "sizes": lambda: sizes.measure(mixed(folder, 140 if quick else 840), rounds),
        "cold-start": lambda: cold_start(folder, 2 if quick else 5),
        "library": lambda: library.read(folder, rounds, 60 if quick else 600),
        "publishing": lambda: publishing.measure(folder, rounds, 2000 if quick else 6000),
        "seed": lambda: seeding.measure(folder, rounds, 2000 if quick else 6000),
    }
