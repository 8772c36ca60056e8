"""Rasters made for the tests, and our reader of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import Affine

from tilery.geo.crs import WEB_MERCATOR, transform_points
from tilery.geo.raster import Grid
from tilery.reading import gdal_facts
from tilery.reading.grid.blocks import BlockCache
from tilery.reading.grid.reader import BlockGridReader
from tilery.reading.grid.workers import Workers
from tilery.reading.profile import Profile
from tilery.reading.tiff.opening import grid_reader, header_of, supports
from tilery.storage.bytes import ByteSource

WEB = 20037508.342789244


class FileBytes:
    """The simplest byte source: a file read into memory. Counts what is asked of it."""

    local_path: str | None
    open_path: str | None = None

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        self.local_path = str(path)
        self.identity = f"{path.name}-{hash(self.data)}"
        self.size = len(self.data)
        self.requests: list[list[tuple[int, int]]] = []

    def read(self, start: int, length: int) -> bytes:
        self.requests.append([(start, length)])
        return self.data[start : start + length]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.requests.append(list(ranges))
        return [self.data[start : start + length] for start, length in ranges]

    def refresh(self) -> bool:
        return True

    def close(self) -> None:
        return None


def noise(bands: int, height: int, width: int, dtype: str = "uint8", seed: int = 1) -> np.ndarray:
    """Return values without pattern, so that a pixel taken from the wrong place shows."""
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (random.standard_normal((bands, height, width)) * 1000).astype(dtype)
    limits = np.iinfo(kind)
    return random.integers(limits.min + 1, limits.max, (bands, height, width), dtype=dtype)


def write(
    path: Path,
    data: np.ndarray,
    *,
    crs: str | None = "EPSG:32633",
    transform: Affine | None = None,
    overviews: Sequence[int] = (),
    resampling: str = "average",
    mask: np.ndarray | None = None,
    environment: dict[str, Any] | None = None,
    colorinterp: Sequence[Any] | None = None,
    **options: Any,
) -> Path:
    """Return a tiled GeoTIFF of 10 m pixels in UTM zone 33, with internal overviews and mask."""
    bands, height, width = data.shape
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": bands,
        "dtype": data.dtype,
        "crs": crs,
        "transform": transform or Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 5500000.0),
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 64,
        "compress": "none",
        **options,
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, **(environment or {})):
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(data)
            if mask is not None:
                dataset.write_mask(mask)
            if colorinterp is not None:
                dataset.colorinterp = colorinterp
        if overviews:
            with rasterio.open(path, "r+") as dataset:
                dataset.build_overviews(list(overviews), Resampling[resampling])
    return path


def profile_of(path: Path) -> Profile:
    with rasterio.open(path) as dataset:
        return gdal_facts.profile_of(dataset)


def open_engine(source: ByteSource, profile: Profile, cache: BlockCache | None = None) -> BlockGridReader | None:
    """Return our reader of a source, as the service opens it; None where it has to be read by GDAL."""
    header = header_of(source)
    if header is None or not supports(header, profile):
        return None
    return grid_reader(source, profile, header, cache or BlockCache(64 << 20), Workers())


def engine_of(path: Path, capacity: int = 64 << 20) -> BlockGridReader:
    """Return our reader of a file, with a cache of its own. Fails when the file is not taken."""
    source = FileBytes(path)
    engine = open_engine(source, profile_of(path), BlockCache(capacity))
    assert engine is not None
    return engine


def web_grid(z: int, x: int, y: int, size: int = 256) -> Grid:
    side = 2 * WEB / 2**z
    left, top = -WEB + x * side, WEB - y * side
    return Grid(crs=WEB_MERCATOR, bounds=(left, top - side, left + side, top), width=size, height=size)


def web_grid_at(profile: Profile, z: int, *, across: float = 0.5, down: float = 0.5, size: int = 256) -> Grid:
    """Return the web tile that holds a place of the raster, given as shares of its width and height."""
    a, b, c, d, e, f = profile.transform
    column, row = profile.width * across, profile.height * down
    assert profile.crs is not None
    xs, ys = transform_points(profile.crs, WEB_MERCATOR, [a * column + b * row + c], [d * column + e * row + f])
    side = 2 * WEB / 2**z
    return web_grid(z, int((xs[0] + WEB) // side), int((WEB - ys[0]) // side), size)


@pytest.fixture
def path(tmp_path: Path) -> Callable[[], Path]:
    """A new file's path at each call."""
    numbers = itertools.count()
    return lambda: tmp_path / f"raster{next(numbers)}.tif"
