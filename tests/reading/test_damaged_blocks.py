"""Deflated blocks in which a byte was changed, read through GDAL: an error or the right pixels, never wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.support import rasters, service
from tests.support.engine import ENGINE
from tests.support.upstream import Upstream
from tilery.errors import BrokenRaster
from tilery.reading.open_datasets import OpenDataset
from tilery.reading.raster_dataset import open_raster
from tilery.reading.reader import Reader
from tilery.reading.source import raster
from tilery.storage.locations import FileLocation, Location
from tilery.storage.policy import Policy

SIZE = 200
RANDOM = np.random.default_rng(4)
DATA = (np.add.outer(np.arange(SIZE), np.arange(SIZE)) // 3 % 200 + RANDOM.integers(0, 5, (SIZE, SIZE))).astype("uint8")
KINDS = {
    "strips": {"tiled": False, "blockysize": 20},
    "predictor": {"tiled": False, "blockysize": 20, "predictor": 2},
    "one strip": {"tiled": False, "blockysize": SIZE},
    "big": {"tiled": False, "blockysize": 20, "BIGTIFF": "YES"},
    "big-endian": {"tiled": False, "blockysize": 20, "ENDIANNESS": "BIG"},
    "tiles": {"tiled": True, "block": 64},
}
TRIES = 25


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def pixels(location: Location) -> object:
    """Return all pixels through GDAL, also of tiles that our own reader reads."""
    source = raster(location)
    opened = OpenDataset(source, open_raster(ENGINE, source))
    try:
        with Reader(opened).dataset() as dataset:
            return dataset.read(1).tobytes()
    except BrokenRaster:
        return "broken"
    finally:
        opened.dataset.close()


@pytest.mark.parametrize("kind", KINDS)
def test_never_wrong_pixels(tmp_path: Path, upstream: Upstream, kind: str) -> None:
    path = rasters.write(tmp_path / "a.tif", DATA[None], overviews=(), **KINDS[kind])  # type: ignore[arg-type]
    with rasterio.open(path) as dataset:
        first = int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", 1))
    right, whole = path.read_bytes(), DATA.tobytes()
    policy = Policy.from_sources([upstream.root])
    assert pixels(FileLocation(path=str(path))) == whole
    broken = 0
    for number in range(TRIES):
        place = int(RANDOM.integers(first, len(right)))
        wrong = right[:place] + bytes([right[place] ^ int(RANDOM.integers(1, 256))]) + right[place + 1 :]
        path.write_bytes(wrong)
        upstream.put(f"/{number}.tif", wrong)
        for location in (FileLocation(path=str(path)), policy.locate(upstream.url(f"/{number}.tif"))):
            found = pixels(location)
            assert found in (whole, "broken")
            broken += found == "broken"
    assert broken > TRIES


def test_a_caller_is_told_and_the_other_blocks_are_served(tmp_path: Path) -> None:
    path = rasters.write(tmp_path / "a.tif", DATA[None], overviews=(), tiled=False, blockysize=20)
    with rasterio.open(path) as dataset:
        place = int(dataset.get_tag_item("BLOCK_OFFSET_0_9", "TIFF", 1)) + 1200
        left, bottom, right, top = dataset.bounds
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    middle = (top + bottom) / 2
    with service.client(tmp_path) as client:
        url = {"url": str(path)}
        assert client.get("/cog/info", params=url).status_code == 200
        north = f"/cog/bbox/{left},{middle},{right},{top}/{SIZE}x{SIZE // 2}.npy"
        found, _ = service.array(client.get(north, params=url).content)
        assert np.array_equal(found[0], DATA[: SIZE // 2])
        answer = client.get("/cog/preview.npy", params=url)
        assert (answer.status_code, answer.json()["code"]) == (422, "broken_raster")
