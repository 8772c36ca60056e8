"""One list of tiles against one server, started anew for it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import arrays, client, documents, processes, rasters, servers, tiles
from bench.cases import CASES, Case

WARM = 12
"""Tiles of another file that each server makes first: what it imports and allocates once is not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one server did with one list."""

    tiles_per_second: float
    p50: float
    """Milliseconds."""
    p99: float
    cpu_ms: float
    """CPU of the server's processes for one tile."""
    megabytes: float
    """Memory of the server's processes after the list, shared pages once."""
    kilobytes: float
    """Bytes of a tile."""
    client_share: float
    """Part of the time in which the load generator used a core."""


SUFFIXES = {"cog": ".tif", "mosaicjson": ".json", "stac": ".item.json", "zarr": ".zarr"}
"""What the names of files end with, by the routes that are asked for them."""


def address(raster: str, folder: Path, store: str | None, family: str = "cog") -> str:
    """Return what ``url=`` says."""
    name = raster + SUFFIXES[family]
    return f"{store}/{name}" if store else str(folder / name)


def files(case: Case, folder: Path) -> list[Path]:
    """Return the rasters that a case reads."""
    if case.family == "mosaicjson":
        return documents.pieces(folder, case.raster)
    if case.family == "zarr":
        return arrays.chunks(folder, case.raster)
    return documents.bands(folder, case.raster) if case.family == "stac" else [folder / f"{case.raster}.tif"]


def paths(case: Case, folder: Path, count: int, store: str | None) -> list[str]:
    """Return the requests of a case."""
    found = tiles.LISTS[case.tiles](folder / f"{case.raster}.tif", max(8, int(count * case.count)))
    url = address(case.raster, folder, store, case.family)
    return [case.path(tile, url) for tile in found]


def warm(server: servers.Running, case: Case, folder: Path, store: str | None, workers: int) -> None:
    """Ask for the same kind of tile of another file, a few times for each worker."""
    params = case.params
    if case.family == "stac":  # the other file has three bands, whatever it is called
        params = tuple((name, f"{value}|bidx=1") if name == "assets" else (name, value) for name, value in params)
    elif "colormap_name" in dict(params) and case.family == "cog":  # which are for one band
        params = (*params, ("bidx", "1"))
    other = replace(case, params=params)
    found = tiles.scattered(folder / "warm.tif", WARM * workers, seed=9)
    url = address("warm", folder, store, case.family)
    load = client.run(server.port, [other.path(tile, url) for tile in found], connections=4 * workers)
    if set(load.statuses) != {200}:
        raise RuntimeError(f"{case.name}: warming gave {dict(load.statuses)}")


def once(name: str, case: Case, folder: Path, count: int, workers: int | None, store: str | None) -> Result:
    """Return one server, started, warmed with another file, measured over the case's list, stopped.

    Without a number of workers it has as many as its own rule says.
    """
    workers = workers or servers.own_workers(name)
    wanted = paths(case, folder, count, store)
    for file in files(case, folder):
        rasters.read_once(file)
    with servers.running(name, workers=workers) as server:
        warm(server, case, folder, store, workers)
        before = processes.cpu_seconds(server.pid)
        load = client.run(server.port, wanted, connections=case.connections)
        used = processes.cpu_seconds(server.pid) - before
        wrong = {status: number for status, number in load.statuses.items() if status != case.expect}
        if wrong:
            raise RuntimeError(f"{name}, {case.name}: {wrong} instead of {case.expect}")
        return Result(
            tiles_per_second=load.per_second,
            p50=load.percentile(0.5),
            p99=load.percentile(0.99),
            cpu_ms=1000 * used / len(wanted),
            megabytes=processes.memory_bytes(server.pid) / 1e6,
            kilobytes=load.body_bytes / len(wanted) / 1000,
            client_share=load.client_seconds / load.seconds,
        )


def medians(results: Sequence[Result]) -> Result:
    """Return the median of each number over the rounds."""
    rounds = [asdict(result) for result in results]
    return Result(**{key: statistics.median(found[key] for found in rounds) for key in rounds[0]})


def case_of(name: str) -> Case:
    """Return the case of that name."""
    return next(case for case in CASES if case.name == name)
