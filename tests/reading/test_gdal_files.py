"""Remote rasters that GDAL has open: across contexts, beyond the capacity, in many threads."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio._vsiopener import _OPEN_FILE_EXIT_STACKS

from app.config.settings import Settings
from app.serving import cog_validation
from app.serving.service import Service
from tests.support import rasters
from tests.support.upstream import Upstream
from tilery.engine import Engine, EngineOptions
from tilery.reading import gdal_files
from tilery.reading.open_datasets import OpenDataset
from tilery.reading.options import ReadOptions
from tilery.reading.raster_dataset import open_raster
from tilery.reading.reader import Reader
from tilery.reading.source import raster
from tilery.storage.locations import Location
from tilery.storage.policy import Policy

CAPACITY = 3
RASTERS = 12
SIZE = 64


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(EngineOptions(open_datasets=CAPACITY, revalidate_seconds=3600)) as own:
        yield own


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def locations(upstream: Upstream, folder: Path) -> list[Location]:
    """Return rasters of three kinds, each with its number as its value: two that GDAL reads, one of our own reader."""
    policy = Policy.from_sources([upstream.root])
    found = []
    for number in range(RASTERS):
        path = folder / f"{number}.tif"
        if number % 3 == 1:
            rasters.write(path, np.full((1, SIZE, SIZE), number, "uint8"), palette={number: (1, 2, 3, 255)})
        else:
            rasters.constant(path, number, size=SIZE, overviews=(), tiled=number % 3 == 0)
        upstream.put(f"/{number}.tif", path.read_bytes())
        found.append(policy.locate(upstream.url(f"/{number}.tif")))
    return found


def value(reader: Reader) -> int:
    data = reader.preview(options=ReadOptions(), width=8, height=8).data
    assert data.min() == data.max()
    return int(data.max())


def corner(reader: Reader) -> tuple[int, ...]:
    with reader.dataset() as dataset:
        found = dataset.read(1)
    return (*dataset.shape, int(found[-1, -1]))


def valid(reader: Reader) -> int:
    return int(cog_validation.validate(reader, path="a.tif")["Profile"]["Width"])


def open_files() -> set[Any]:
    """Return which files are in the folder, and what is open of them: of other tests too."""
    return {*gdal_files._openers, *gdal_files._values[_OPEN_FILE_EXIT_STACKS]}


def test_more_rasters_than_are_kept_each_in_a_context_of_its_own(
    upstream: Upstream, tmp_path: Path, engine: Engine
) -> None:
    places = locations(upstream, tmp_path)
    before = open_files()

    async def main() -> None:
        service = Service(Settings(_env_file=None, render_slots=4, queue_length=500), engine)
        for _ in range(2):
            for number, location in enumerate(places):  # one after the other: each evicts another
                assert await service.run_with_reader(raster(location), value) == number
        at_once = [
            service.run_with_reader(raster(location), work)
            for _ in range(3)
            for location in places
            for work in (value, corner, valid)
        ]
        expected = [found for _ in range(3) for n in range(RASTERS) for found in (n, (SIZE, SIZE, n), SIZE)]
        assert await asyncio.gather(*at_once) == expected
        service.close()

    # A new context, as that of a server: rasterio was imported in another one and set its variables there.
    Context().run(asyncio.run, main())
    assert open_files() - before
    Context().run(engine.datasets.clear)
    assert not open_files() - before


def test_what_is_opened_for_an_evicted_raster_does_not_stay_open(upstream: Upstream, tmp_path: Path) -> None:
    location = locations(upstream, tmp_path)[0]
    before = open_files()
    source = raster(location)
    with Engine() as engine:
        opened = OpenDataset(source, open_raster(engine, source))
        Context().run(opened.dataset.close)
        assert Context().run(corner, Reader(opened)) == (SIZE, SIZE, 0)
    assert not open_files() - before


def test_a_raster_that_does_not_close_is_logged_and_nobody_elses_failure(
    upstream: Upstream,
    tmp_path: Path,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    places = locations(upstream, tmp_path)[2::3]
    closed: list[str] = []
    before = next(gdal_files._numbers)  # rasters of other tests may be closed meanwhile

    def fail(path: str) -> None:
        if int(path.rsplit("/", 2)[1]) > before:
            closed.append(path)
        raise SystemError("returned a result with an exception set")

    monkeypatch.setattr(gdal_files, "remove", fail)
    with caplog.at_level(logging.WARNING, "tilery.reading"):
        for number, location in enumerate(places):
            assert value(Reader(engine.datasets.get(raster(location)))) == 3 * number + 2
    assert len(closed) == len(places) - CAPACITY
    assert "could not be closed" in caplog.text


def test_a_process_ends_without_a_word_of_gdal(tmp_path: Path) -> None:
    """Rasters that are open then are closed while there still is a Python that hands GDAL their bytes."""
    path = tmp_path / "a.tif"
    rasters.constant(path, 7, tiled=False, compress="deflate")
    script = f"""
from tilery.engine import Engine
from tilery.reading.options import ReadOptions
from tilery.reading.source import raster
from tilery.storage.policy import Policy
engine = Engine()
with engine.open(raster(Policy.from_sources([{f"{tmp_path}/"!r}]).locate({str(path)!r}))) as reader:
    reader.preview(max_size=8, options=ReadOptions())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == ""


_LEFT_OPEN = """
import atexit, gc, sys

@atexit.register
def nothing_is_left():  # registered first, so done last
    assert not gdal_files._openers
    assert not any(gdal_files._values.values()), gdal_files._values

from tilery.engine import Engine, EngineOptions
from tilery.reading import gdal_files, sidecars
from tilery.reading.options import ReadOptions
from tilery.reading.source import raster
from tilery.storage.locations import FileLocation

how, path = sys.argv[1:]
engine = Engine(EngineOptions(sidecars=sidecars.local))
with engine.open(raster(FileLocation(path=path))) as reader:
    assert reader.preview(options=ReadOptions()).data.max() == 7
del reader
assert gdal_files._openers
if how == "dropped":
    del engine
    gc.collect()
    with Engine(EngineOptions(sidecars=sidecars.local)) as other, other.open(raster(FileLocation(path=path))):
        pass
    assert not gdal_files._openers
elif how == "a circle of garbage":
    engine.itself = engine
    del engine
"""


@pytest.mark.parametrize("how", ["kept", "dropped", "a circle of garbage"])
def test_an_engine_that_nobody_closes_leaves_nothing_open_and_says_nothing(tmp_path: Path, how: str) -> None:
    path = rasters.constant(tmp_path.resolve() / "a.tif", 7, overviews=(), tiled=False)
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    assert path.with_name("a.tif.ovr").exists()
    done = subprocess.run(
        [sys.executable, "-c", _LEFT_OPEN, how, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
