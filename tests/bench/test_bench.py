"""The parts of the benchmark that could spoil its numbers: lists, ratios, load generator, store. Nothing is timed."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from bench import client, report, servers, store, tiles
from bench.cases import CASES
from bench.servers import free_port


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "any.tif"
    profile = {"driver": "GTiff", "width": 4096, "height": 4096, "count": 1, "dtype": "uint8", "crs": "EPSG:32632"}
    with rasterio.open(
        path, "w", transform=from_origin(640_000, 5_240_000, 0.9, 0.9), compress="lzw", **profile
    ) as target:
        target.write(np.zeros((1, 4096, 4096), "uint8"))
    return path


@pytest.mark.parametrize("make", [tiles.scattered, tiles.pan])
def test_a_list_is_the_same_each_time_and_has_no_tile_twice(
    raster: Path, make: Callable[[Path, int], list[tiles.Tile]]
) -> None:
    found = make(raster, 80)
    assert found == make(raster, 80)
    assert len(set(found)) == len(found) == 80


def test_tiles_outside_are_outside(raster: Path) -> None:
    left, bottom, right, top = tiles.bounds(raster)
    for zoom, x, y in tiles.outside(raster, 50):
        west, north = tiles.at(left, top, zoom)[1:]
        east, south = tiles.at(right, bottom, zoom)[1:]
        assert not (west <= x <= east and north <= y <= south)


def test_names_of_cases_are_their_own() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "a.tif").write_bytes(bytes(range(256)) * 40)
    port = free_port()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    work = loop.create_task(store.main(tmp_path, port, 0.0, ready.set))

    def run() -> None:
        try:
            loop.run_until_complete(work)
        except asyncio.CancelledError:
            loop.run_until_complete(loop.shutdown_asyncgens())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    yield port
    loop.call_soon_threadsafe(work.cancel)
    thread.join(10)
    loop.close()


def test_the_store_gives_ranges_and_counts_requests(serving: int) -> None:
    asked = urllib.request.Request(f"http://127.0.0.1:{serving}/a.tif", headers={"Range": "bytes=250-260"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == "bytes 250-260/10240"
        assert answer.read() == bytes(range(250, 256)) + bytes(range(5))
    with urllib.request.urlopen(f"http://127.0.0.1:{serving}/_requests", timeout=10) as answer:
        assert json.loads(answer.read()) == {"GET": 1, "HEAD": 0, "bytes": 11}


def test_the_load_generator_counts_every_answer(serving: int) -> None:
    load = client.run(serving, ["/a.tif"] * 30 + ["/gone.tif"] * 5, connections=4)
    assert load.statuses == {200: 30, 404: 5}
    assert load.body_bytes == 30 * 10_240
    assert len(load.latencies) == 35


def test_the_table_says_ratios_and_whether_goals_are_met() -> None:
    def side(rate: float, size: float) -> dict[str, float]:
        return {"tiles_per_second": rate, "cpu_ms": 1000 / rate, "p50": 1, "p99": 2, "kilobytes": size, "megabytes": 1}

    cases = {
        "pan-png": {"titiler": side(10, 100), "tilery": side(130, 101)},
        "pan-web": {"titiler": side(10, 100), "tilery": side(130, 110)},
        "random-png": {"titiler": side(10, 100), "tilery": side(30, 100)},
    }
    results = {"cases": cases, "extras": {"memory": {"goals": [{"says": "idle", "value": 0.3, "most": 0.4}]}}}
    lines = report.table(results).splitlines()
    assert "**13.0 ×** (10 → 130)" in lines[2]
    assert lines[2].endswith("| yes |")
    assert lines[3].endswith("| **no** |"), "tiles that are too large do not count"
    assert lines[4].endswith("| **no** |")
    assert "| idle | 0.30 | ≤ 0.4 | yes |" in lines
    assert report.picture(results).count("<rect") == 4


def test_the_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    report.write(
        {
            "cases": {},
            "extras": {"memory": {"goals": [{"says": "idle", "value": 0.3, "most": 0.4}]}},
            "workers": {"titiler": 2, "tilery": 2},
            "machine": "2 cores",
            "tiles": 240,
            "rounds": 3,
            "made": "2026-11-27T10:00:00",
        },
        tmp_path,
    )
    text = page.read_text()
    assert text.startswith(f"before\n\n{report.BEGIN}\n| work |")
    assert text.endswith(f"2026-11-27. `make bench` makes this table.\n{report.END}\n\nafter\n")
    assert "old" not in text
    assert "| idle | 0.30 | ≤ 0.4 | yes |" in text
    assert (tmp_path / "benchmark.svg").read_text().startswith("<svg")


def test_the_page_has_the_markers_of_the_table() -> None:
    text = (servers.ROOT / "docs" / "performance.md").read_text()
    assert text.count(report.BEGIN) == text.count(report.END) == 1
