"""Many threads read tiles while the files below them are replaced and written over: run as a process of its own.

Every version of a file has one value in all its pixels, so a tile made of two versions shows, and so does one that is
of none. A file that is written over is cut to nothing first and grows from its start: what it holds on the way is of
the new version only, or cannot be read.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from app.process import native

native.prepare(os.environ)

from app.config.engine_options import engine_options  # noqa: E402
from app.config.settings import get  # noqa: E402
from app.serving.render import opened  # noqa: E402
from tests.support import rasters  # noqa: E402
from tilery.engine import Engine  # noqa: E402
from tilery.errors import TileryError  # noqa: E402
from tilery.geo import tms  # noqa: E402
from tilery.reading.options import ReadOptions  # noqa: E402
from tilery.reading.reader import Reader  # noqa: E402
from tilery.reading.source import raster as raster_source  # noqa: E402
from tilery.storage.locations import FileLocation  # noqa: E402

VERSIONS = 12
READERS = 12
TICK = 0.02
"""Seconds between two changes of a file: more than the clock of any file system is coarse."""
KINDS = ("tiled", "masked", "strips", "palette")


def versions(folder: Path, kind: str) -> list[bytes]:
    """Return the bytes of each version; all its pixels have its number, from 1."""
    found = []
    for number in range(1, VERSIONS + 1):
        path = folder / f"{kind}-{number}.tif"
        match kind:
            case "palette":
                colours = {value: (value, value, value, 255) for value in range(VERSIONS + 1)}
                rasters.constant(path, number, size=256, block=64, palette=colours)
            case "strips":
                rasters.constant(path, number, size=256, tiled=False, compress="none")
            case "masked":
                rasters.constant(path, number, size=256, block=64, mask=np.ones((256, 256), bool))
            case _:
                rasters.constant(path, number, "uint16", size=256, block=64, count=3)
        found.append(path.read_bytes())
        path.unlink()
    return found


class Stress:
    """The files, who changes them and who reads them."""

    def __init__(self, engine: Engine, folder: Path, files: int) -> None:
        self.engine = engine
        self.folder = folder
        self.bytes = {kind: versions(folder, kind) for kind in KINDS}
        self.files = [(folder / f"{number}.tif", KINDS[number % len(KINDS)]) for number in range(files)]
        self.last = dict.fromkeys(self.files, 1)
        self.stop = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.lock = threading.Lock()
        for path, kind in self.files:
            path.write_bytes(self.bytes[kind][0])

    def write(self) -> None:
        """Change one file after another, in turns by another in its place and by writing over it."""
        chance = random.Random(1)
        while not self.stop.is_set():
            file = chance.choice(self.files)
            path, kind = file
            number = chance.randrange(VERSIONS)
            data = self.bytes[kind][number]
            if chance.random() < 0.5:
                other = path.with_suffix(".new")
                other.write_bytes(data)
                other.replace(path)
            else:
                with path.open("r+b", buffering=0) as target:
                    target.truncate(0)
                    third = len(data) // 3
                    for part in (data[:third], data[third : 2 * third], data[2 * third :]):
                        target.write(part)
                        time.sleep(TICK)
            self.last[file] = number + 1
            time.sleep(TICK)

    def read(self, seed: int) -> None:
        """Tiles of files by chance, each checked."""
        chance = random.Random(seed)
        while not self.stop.is_set():
            path, kind = chance.choice(self.files)
            try:
                found = self.tile(path, chance)
            except TileryError as error:
                outcome = type(error).__name__
            except BaseException as error:  # noqa: BLE001 - nothing else may be raised
                outcome = "wrong"
                self.wrong.append(f"{kind}: {error!r}")
            else:
                outcome = "tile"
                if len(found) != 1 or not found <= set(range(1, VERSIONS + 1)):
                    outcome = "wrong"
                    self.wrong.append(f"{kind}: values {sorted(found)}")
            with self.lock:
                self.outcomes[outcome] += 1

    def tile(self, path: Path, chance: random.Random) -> set[int]:
        """Return the values of all pixels of a tile that lies inside of the raster."""
        method = chance.choice(("nearest", "nearest", "bilinear", "mode"))
        options = ReadOptions(resampling=method, reproject=method)
        z, x, y = chance.choice(((9, 267, 180), (10, 535, 361), (10, 536, 361), (11, 1071, 723)))
        grid = tms.get("WebMercatorQuad")

        def work(reader: Reader) -> set[int]:
            raster = reader.tile(grid, z, x, y, options, width=128, height=128)
            if raster.mask is None:
                return set(np.unique(raster.data).tolist())
            return set(np.unique(raster.data[:, raster.mask[0]]).tolist())

        return opened(self.engine, raster_source(FileLocation(path=str(path))), work)[0]

    def run(self, seconds: float) -> None:
        """All of it for some seconds; then every file must show what was written last."""
        threads = [threading.Thread(target=self.write)]
        threads += [threading.Thread(target=self.read, args=(seed,)) for seed in range(READERS)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        for file in self.files:
            found = self.tile(file[0], random.Random(0))
            if found != {self.last[file]}:
                self.wrong.append(f"{file[1]}: {sorted(found)} at last instead of {self.last[file]}")


if __name__ == "__main__":
    faulthandler.enable()
    faulthandler.dump_traceback_later(90, exit=True)
    with Engine(engine_options(get())) as engine:
        stress = Stress(engine, Path(sys.argv[1]).resolve(), int(sys.argv[2]))
        stress.run(float(sys.argv[3]))
    print(json.dumps({"outcomes": stress.outcomes, "wrong": stress.wrong[:10]}), flush=True)
