"""The library in one process: a tile read by our `Reader` and by rio-tiler's, both kept open, without a server."""

from __future__ import annotations

import statistics
import time
import warnings
from pathlib import Path
from typing import Any

from bench import rasters, tiles
from tilery.engine import Engine, EngineOptions
from tilery.reading import sidecars

WARM_UP = 6
"""Tiles of another list that are read first."""
KINDS = ("rgb_deflate", "rgb_jpeg", "dem", "sentinel", "web256")


def read(folder: Path, rounds: int, count: int) -> dict[str, Any]:
    """Return milliseconds of CPU that a tile of a map takes, which nobody asked for before."""
    share = -(-count // len(KINDS))
    lists = {folder / f"{name}.tif": tiles.pan(folder / f"{name}.tif", share + WARM_UP) for name in KINDS}
    for file in lists:
        rasters.read_once(file)
    found: dict[str, list[float]] = {"rio_tiler": [], "tilery": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(rounds):
            for name, times in found.items():
                times.append(_milliseconds(name, lists))
    values = {name: {"cpu_ms": statistics.median(times)} for name, times in found.items()}
    ratio = values["tilery"]["cpu_ms"] / values["rio_tiler"]["cpu_ms"]
    return {**values, "goals": [{"says": "CPU of a tile in a notebook, to rio-tiler's", "value": ratio, "most": 0.33}]}


def _milliseconds(name: str, lists: dict[Path, list[tiles.Tile]]) -> float:
    import rio_tiler.io

    import tilery.rio_tiler

    spent, number = 0.0, 0
    with Engine(EngineOptions(sidecars=sidecars.local)) as engine:  # a new one each time: nothing was read before
        for file, wanted in lists.items():
            reader = (
                rio_tiler.io.Reader(str(file))
                if name == "rio_tiler"
                else tilery.rio_tiler.Reader(str(file), engine=engine)
            )
            with reader:
                for z, x, y in wanted[-WARM_UP:]:
                    reader.tile(x, y, z)
                before = time.process_time()
                for z, x, y in wanted[:-WARM_UP]:
                    reader.tile(x, y, z)
                spent += time.process_time() - before
                number += len(wanted) - WARM_UP
    return 1000 * spent / number
