"""Who is asked what a raster is: our own reader of headers, or GDAL."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from app.config.engine_options import engine_options
from app.config.settings import Settings
from tests.support import rasters
from tests.support.engine import ENGINE
from tilery.engine import Engine
from tilery.errors import BrokenRaster, DeadlineExceeded, UnsupportedRaster
from tilery.geo.raster import Raster
from tilery.limits import deadline
from tilery.reading.options import ReadOptions
from tilery.reading.source import raster
from tilery.storage.bytes import ByteSource
from tilery.storage.locations import FileLocation
from tilery.storage.stores import Stores


@pytest.fixture(autouse=True)
def _open_anew() -> Iterator[None]:
    ENGINE.datasets.clear()
    yield
    ENGINE.datasets.clear()


def preview(path: Path) -> Raster:
    with ENGINE.open(raster(FileLocation(path=str(path.resolve())))) as reader:
        return reader.preview(options=ReadOptions())


def beside(path: Path) -> None:
    """A file beside the raster that masks all of it."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.zeros(dataset.shape, "uint8"))
    assert path.with_name(path.name + ".msk").exists()


def test_gdal_is_not_asked_for_a_plain_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("GDAL was asked")

    monkeypatch.setattr("tilery.reading.gdal_handle.Handle.__init__", refuse)
    assert preview(rasters.rgb(tmp_path / "a.tif")).count == 3


def test_gdal_is_asked_for_what_is_not_plain(tmp_path: Path) -> None:
    raster = preview(rasters.palette(tmp_path / "a.tif"))
    assert raster.colormap is not None
    assert raster.colormap[1] == (0, 255, 0, 255)


def test_files_beside_the_raster_are_not_looked_at(tmp_path: Path) -> None:
    path = rasters.gradient(tmp_path / "a.tif", size=64, overviews=())
    beside(path)
    assert preview(path).mask is None


def test_files_beside_the_raster_count_where_gdal_was_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "FALSE")
    path = rasters.gradient(tmp_path / "a.tif", size=64, overviews=())
    beside(path)
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"),  # wins over what an earlier test may have told GDAL
        Engine(engine_options(Settings(sources=(f"{tmp_path}/",)))) as engine,
        engine.open(raster(FileLocation(path=str(path)))) as reader,
    ):
        mask = reader.preview(options=ReadOptions()).mask
    assert mask is not None
    assert not mask.any()


def test_gdal_opens_the_file_that_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that takes the file's name while GDAL opens it, and is gone when anybody looks."""
    folder = tmp_path / "listed"
    folder.mkdir()
    secret = rasters.constant(tmp_path / "secret.tif", 77, tiled=False, overviews=())
    path = rasters.constant(folder / "a.tif", 1, tiled=False, overviews=())
    aside = folder / "aside.tif"
    open_ = rasterio.open

    def open_meanwhile(*arguments: object, **options: object) -> object:
        path.rename(aside)
        path.symlink_to(secret)
        try:
            return open_(*arguments, **options)
        finally:
            path.unlink()
            aside.rename(path)

    monkeypatch.setattr(rasterio, "open", open_meanwhile)
    assert preview(path).data.max() == 1
    assert preview(path).data.max() == 1


def test_gdal_reads_local_files_where_descriptors_have_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilery.storage.bytes.local._HAS_DESCRIPTORS", False)
    path = rasters.constant(tmp_path / "a.tif", 3, tiled=False, overviews=())
    assert preview(path).data.max() == 3


def test_a_raster_cannot_name_the_file_of_its_overviews(tmp_path: Path) -> None:
    secret = rasters.constant(tmp_path / "secret.tif", 77, size=150)
    path = rasters.constant(tmp_path / "a.tif", 1, size=300, overviews=(), tiled=False)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(secret))
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1)  # those of the other, so GDAL has opened it
    with pytest.raises(UnsupportedRaster):
        preview(path)


def test_whoever_waits_for_another_to_open_waits_no_longer_than_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rasters.rgb(tmp_path / "a.tif")
    begun, go_on = threading.Event(), threading.Event()

    def slow(location: FileLocation) -> ByteSource:
        begun.set()
        go_on.wait(10)
        return Stores().open(location)

    monkeypatch.setattr(ENGINE.stores, "open", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(preview, path)
        assert begun.wait(5)
        threading.Timer(2, go_on.set).start()
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded), deadline.limit(0.2):
            preview(path)
        assert time.monotonic() - start < 1
        go_on.set()
        assert first.result().count == 3
    assert preview(path).count == 3


@pytest.mark.parametrize(
    "transform",
    [
        (0, 0, 8, 0, 0, 47),
        (0.01, 0, 8, 0, 0, 47),
        (0.01, 0.01, 8, 0.01, 0.01, 47),
        (math.nan, 0, 8, 0, -0.01, 47),
        (0.01, 0, math.nan, 0, -0.01, 47),
        (math.inf, 0, 8, 0, -math.inf, 47),
    ],
)
@pytest.mark.parametrize("tiled", [True, False])
def test_a_transform_that_cannot_be_turned_round_is_refused(
    tmp_path: Path, transform: tuple[float, ...], tiled: bool
) -> None:
    data = np.ones((1, 64, 64), np.uint8)
    path = rasters.write(tmp_path / "a.tif", data, transform=Affine(*transform), tiled=tiled, block=64)
    with pytest.raises(BrokenRaster):
        preview(path)
