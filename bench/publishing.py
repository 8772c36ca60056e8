"""Publishing against the tools that people use for it: CPU of the whole command, start and all."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio
import rasterio.windows

from bench import servers

_GDAL = """
import sys
from rasterio.shutil import copy
copy(sys.argv[1], sys.argv[2], driver="COG", COMPRESS="DEFLATE", PREDICTOR="YES", BLOCKSIZE="512",
     OVERVIEW_RESAMPLING="CUBIC", NUM_THREADS="ALL_CPUS")
"""


def measure(folder: Path, rounds: int, size: int) -> dict[str, Any]:
    """Return seconds of CPU that a square of RGB takes, onto the web grid and where its pixels are."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        place = Path(temporary)
        source = part(folder / "rgb_deflate.tif", place / "source.tif", size)
        cogeo = str(servers.PEER.with_name("rio"))
        resampling = ["--resampling", "cubic", "--overview-resampling", "cubic", "--zoom-level-strategy", "upper"]
        target = str(place / "made.tif")
        commands = {
            "web": _ours(source, place),
            "rio_cogeo": [
                cogeo,
                "cogeo",
                "create",
                str(source),
                target,
                "--web-optimized",
                "-p",
                "deflate",
                *resampling,
            ],
            "native": [*_ours(source, place), "--grid", "native"],
            "gdal": [str(servers.PEER), "-c", _GDAL, str(source), target],
        }
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                shutil.rmtree(place / "catalog", ignore_errors=True)
                found[name].append(cpu_seconds(command))
    values = {name: {"cpu_s": statistics.median(times)} for name, times in found.items()}
    goals = [
        ("publish onto the web grid, to rio-cogeo's CPU", "rio_cogeo", "web"),
        ("publish on the native grid, to the CPU of GDAL's COG driver", "gdal", "native"),
    ]
    return {
        **values,
        "goals": [
            {"says": says, "value": values[peer]["cpu_s"] / values[ours]["cpu_s"], "least": 2}
            for says, peer, ours in goals
        ],
    }


def part(source: Path, target: Path, size: int) -> Path:
    """Return the middle of a raster, in tiles."""
    with warnings.catch_warnings(), rasterio.open(source) as dataset:
        size = min(size, dataset.width)
        window = rasterio.windows.Window((dataset.width - size) // 2, (dataset.height - size) // 2, size, size)
        profile = dataset.profile | {"driver": "GTiff", "width": size, "height": size, "tiled": True}
        profile |= {"blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "predictor": 2}
        with rasterio.open(target, "w", **profile | {"transform": dataset.window_transform(window)}) as made:
            made.write(dataset.read(window=window))
    return target


def _ours(source: Path, place: Path) -> list[str]:
    """Return the command as it runs where only what the service needs is installed: rasterio loads boto3 if it can."""
    start = "import sys; sys.modules['boto3'] = None; from app.__main__ import main; main()"
    return [sys.executable, "-c", start, "publish", str(source), "--quiet", "--to", str(place / "catalog" / "layer")]


def cpu_seconds(command: list[str], environment: Mapping[str, str] | None = None) -> float:
    """CPU of a command and its children, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environ = os.environ | dict(environment or {})
    null = subprocess.DEVNULL
    subprocess.run(command, check=True, cwd=servers.ROOT, env=environ, stdout=null, stderr=null)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
