"""All tiles of a layer made ahead, against gdal2tiles: CPU of the whole command, start and all.

Both are given the same file, a published one: its pixels are those of the deepest zoom, so gdal2tiles need not warp it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import publishing

GOAL = 6
_TOOLS = ("gdal2tiles.py", "gdal2tiles")
_RESAMPLING = {"": "average", ", nearest": "near"}
"""What goals say of it, and gdal2tiles' name: its own choice, and the one that we make."""


def measure(folder: Path, rounds: int, size: int) -> dict[str, Any]:
    """CPU of all tiles of a square of RGB, as PNG and as WebP, to that of gdal2tiles."""
    tool = next(filter(None, map(shutil.which, _TOOLS)), None)
    if tool is None:
        return {"skipped": "there is no gdal2tiles (Debian: gdal-bin, python3-gdal)"}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        place = Path(temporary)
        source = publishing.part(folder / "rgb_deflate.tif", place / "source.tif", size)
        ours = [sys.executable, "-m", "app"]
        publishing.cpu_seconds([*ours, "publish", str(source), "--quiet", "--to", str(place / "catalog" / "layer")])
        layer = json.loads((place / "catalog" / "layer" / "index.json").read_text())
        raster = place / "catalog" / "layer" / layer["source"]
        zooms = f"{layer['minzoom']}-{layer['maxzoom']}"
        found: dict[str, list[float]] = {}
        for number in range(rounds):
            for kind in ("png", "webp"):
                # Each time into a new folder: ext4 is slow in places that files were removed from a moment ago.
                made = place / f"{kind}-{number}"
                environment = {"TILERY_CATALOG": str(place / "catalog"), "TILERY_TILE_STORE": str(made / "ours")}
                took = publishing.cpu_seconds([*ours, "seed", "layer", "--formats", kind], environment)
                found.setdefault(f"{kind} tilery", []).append(took)
                for says, name in _RESAMPLING.items():
                    options = ["-q", "--xyz", "-w", "none", "-r", name, f"--processes={os.cpu_count()}"]
                    command = [
                        tool,
                        *options,
                        f"--tiledriver={kind.upper()}",
                        "-z",
                        zooms,
                        str(raster),
                        str(made / name),
                    ]
                    found.setdefault(f"{kind}{says}", []).append(publishing.cpu_seconds(command))
    values = {name: {"cpu_s": statistics.median(times)} for name, times in found.items()}
    goals = [
        {
            "says": f"seed, {kind.upper() if kind == 'png' else 'WebP'}{says}, to the CPU of gdal2tiles",
            "value": values[f"{kind}{says}"]["cpu_s"] / values[f"{kind} tilery"]["cpu_s"],
            "least": GOAL,
        }
        for kind in ("png", "webp")
        for says in _RESAMPLING
    ]
    return {**values, "goals": goals}
