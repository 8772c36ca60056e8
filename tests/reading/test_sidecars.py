"""Overviews and masks beside a raster, read where the operator wants them: local and remote, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling

from app.config.engine_options import engine_options
from app.config.settings import Settings
from tests.support import service
from tests.support.s3 import S3, s3, s3_server  # noqa: F401
from tilery.engine import Engine
from tilery.errors import BrokenRaster, UnsupportedRaster
from tilery.geo.raster import Raster
from tilery.reading import sidecars
from tilery.reading.options import ReadOptions
from tilery.reading.raster_dataset import RasterDataset
from tilery.reading.source import Source, raster
from tilery.storage.policy import Policy

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

SIDE = 512
VALUE, OVERVIEW, MASKED = 10, 90, 128
"""Of the raster, of the overviews beside it, and rows that the mask beside it takes away."""


def make(path: Path, *, mask: bool = True, masked: bool = True, **options: object) -> Path:
    """Return a raster whose overviews beside it have another value, so that it shows which were read.

    Args:
        path: its file.
        mask: whether there is a mask beside it as well.
        masked: whether that has overviews, too.
        options: how it is written.
    """
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "uint8", "crs": "EPSG:3857"}
    transform = rasterio.transform.from_bounds(0, 0, SIDE * 10, SIDE * 10, SIDE, SIDE)
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"} | options
    with rasterio.open(path, "w", transform=transform, **profile, **tiled) as target:
        target.write(np.full((1, SIDE, SIDE), OVERVIEW, "uint8"))
    valid = np.full((SIDE, SIDE), 255, "uint8")
    valid[:MASKED] = 0
    files = {"GDAL_TIFF_INTERNAL_MASK": False, "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
    outside = rasterio.Env(TIFF_USE_OVR="YES", COMPRESS_OVERVIEW="DEFLATE", **files)
    for step in ("mask", "overviews") if masked else ("overviews", "mask"):
        with outside, rasterio.open(path, "r+") as target:
            if step == "overviews":
                target.build_overviews([2, 4], Resampling.nearest)
            elif mask:
                target.write_mask(valid)
    assert path.with_name(f"{path.name}.ovr").exists()
    assert path.with_name(f"{path.name}.msk").exists() == mask
    with rasterio.open(path, "r+") as target:
        target.write(np.full((1, SIDE, SIDE), VALUE, "uint8"))
    return path


def small(engine: Engine, source: Source) -> Raster:
    with engine.open(source) as reader:
        return reader.preview(max_size=128, options=ReadOptions())


def full(engine: Engine, source: Source) -> Raster:
    with engine.open(source) as reader:
        return reader.preview(width=SIDE, height=SIDE, options=ReadOptions())


@pytest.fixture(params=["local", "remote"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3: S3) -> Callable[[Path], tuple[Settings, Source]]:  # noqa: F811
    """What puts a raster and all beside it somewhere, and returns settings that allow it and where it is."""

    def put(path: Path) -> tuple[Settings, Source]:
        if request.param == "local":
            settings = Settings(sources=(f"{tmp_path}/",), sidecars=True, revalidate_seconds=0)
            return settings, raster(Policy.from_sources(settings.sources).locate(str(path)))
        s3.bucket("rasters")
        for key in s3.keys("rasters"):
            s3.delete("rasters", key)
        for file in path.parent.iterdir():
            s3.put("rasters", file.name, file.read_bytes())
        settings = Settings(sources=("s3://rasters/",), sidecars=True, s3_endpoint=s3.endpoint, revalidate_seconds=0)
        return settings, raster(Policy.from_sources(settings.sources).locate(f"s3://rasters/{path.name}"))

    return put


@pytest.mark.parametrize(
    "options", [{}, {"masked": False}, {"compress": "packbits"}, {"tiled": False, "blockysize": 8}]
)
def test_overviews_and_masks_beside_a_raster_are_read(
    tmp_path: Path, place: Callable[[Path], tuple[Settings, Source]], options: dict[str, Any]
) -> None:
    if options.get("tiled") is False:
        options |= {"blockxsize": SIDE}
    # A mask without overviews would be lost in those of the raster: it is read as it is, and so is the raster.
    of_small = OVERVIEW if options.get("masked", True) else VALUE
    settings, source = place(make(tmp_path / "a.tif", **options))
    with Engine(engine_options(settings)) as engine:
        for read, value in ((small, of_small), (full, VALUE)):
            got = read(engine, source)
            assert got.mask is not None
            rows = got.data.shape[1] * MASKED // SIDE
            assert not got.mask[..., :rows, :].any()
            assert got.mask[..., rows:, :].all()
            assert (got.data[:, rows:] == value).all()


def test_a_raster_alone_stays_with_our_reader(
    tmp_path: Path, place: Callable[[Path], tuple[Settings, Source]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.tif", mask=False)
    path.with_name("a.tif.ovr").unlink()
    settings, source = place(path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("GDAL was asked")

    monkeypatch.setattr("tilery.reading.gdal_handle.Handle.__init__", refuse)
    with Engine(engine_options(settings)) as engine:
        assert (small(engine, source).data == VALUE).all()


def test_names_of_classes_beside_a_raster_are_read(
    tmp_path: Path, place: Callable[[Path], tuple[Settings, Source]]
) -> None:
    path = make(tmp_path / "a.tif", mask=False)
    path.with_name("a.tif.ovr").unlink()
    for name in ("Water", "Wood"):
        path.with_name("a.tif.aux.xml").write_text(
            f"<PAMDataset><PAMRasterBand band='1'><CategoryNames><Category>{name}</Category></CategoryNames>"
            "</PAMRasterBand></PAMDataset>"
        )
        settings, source = place(path)
        with Engine(engine_options(settings)) as engine, engine.open(source) as reader:
            assert reader.info()["class_names"] == {"b1": {"0": name}}
            assert isinstance(reader.source, RasterDataset)
            assert reader.source.blocks is not None, "it stays with our reader"
        unread = replace(engine_options(settings), sidecars=None)
        with Engine(unread) as engine, engine.open(source) as reader:
            assert "class_names" not in reader.info()


def test_a_sidecar_is_part_of_what_a_raster_is(
    tmp_path: Path, place: Callable[[Path], tuple[Settings, Source]]
) -> None:
    path = make(tmp_path / "a.tif", mask=False)
    settings, source = place(path)
    with Engine(engine_options(settings)) as engine:
        with engine.open(source) as reader:
            before = reader.identity
        assert (small(engine, source).data == OVERVIEW).all()
    with rasterio.open(path.with_name("a.tif.ovr"), "r+") as target:
        target.write(np.full(target.shape, 33, "uint8"), 1)
    place(path)
    with Engine(engine_options(settings)) as engine, engine.open(source) as reader:
        assert reader.identity != before


def test_what_is_no_tiff_is_no_sidecar(tmp_path: Path, place: Callable[[Path], tuple[Settings, Source]]) -> None:
    path = make(tmp_path / "a.tif", mask=False)
    secret = make(tmp_path / "secret.tif", mask=False)
    source_of = f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource>"
    band = f'<VRTRasterBand dataType="Byte" band="1">{source_of}</VRTRasterBand>'
    vrt = f'<VRTDataset rasterXSize="256" rasterYSize="256">{band}</VRTDataset>'
    path.with_name("a.tif.ovr").write_text(vrt)
    path.with_name("a.tif.msk").write_text("<html>Not found</html>")
    settings, source = place(path)
    with Engine(engine_options(settings)) as engine:
        got = small(engine, source)
        assert got.mask is None
        assert (got.data == VALUE).all()


def test_damaged_sidecars_are_an_error(tmp_path: Path, place: Callable[[Path], tuple[Settings, Source]]) -> None:
    path = make(tmp_path / "a.tif", mask=False)
    path.with_name("a.tif.ovr").write_bytes(b"II*\0\x08\0\0\0")
    settings, source = place(path)
    with Engine(engine_options(settings)) as engine, pytest.raises(BrokenRaster, match=r"\.ovr beside"):
        small(engine, source)


def test_a_sidecar_that_names_another_file_is_refused(
    tmp_path: Path, place: Callable[[Path], tuple[Settings, Source]]
) -> None:
    path = make(tmp_path / "a.tif", mask=False)
    with rasterio.open(path.with_name("a.tif.ovr"), "r+") as target:
        target.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/etc/secret.tif")
    settings, source = place(path)
    with Engine(engine_options(settings)) as engine, pytest.raises((BrokenRaster, UnsupportedRaster)):
        small(engine, source)


def test_no_link_beside_a_raster_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "listed"
    folder.mkdir()
    path = make(folder / "a.tif", mask=False)
    path.with_name("a.tif.ovr").rename(tmp_path / "secret.ovr")
    path.with_name("a.tif.ovr").symlink_to(tmp_path / "secret.ovr")
    settings = Settings(sources=(f"{folder}/",), sidecars=True)
    with Engine(engine_options(settings)) as engine:
        source = raster(Policy.from_sources(settings.sources).locate(str(path)))
        assert (small(engine, source).data == VALUE).all()


def test_only_listed_files_are_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tif", mask=False)
    location = Policy.from_sources((f"{tmp_path}/",)).locate(str(path))
    other = tmp_path / "other"
    other.mkdir()
    assert len(sidecars.allowed(location, (Policy.from_sources((f"{tmp_path}/",)),))) == 4
    assert sidecars.allowed(location, (Policy.from_sources((f"{other}/",)),)) == ()
    alone = Policy.from_sources(("s3://rasters/a.tif",))
    assert sidecars.allowed(alone.locate("s3://rasters/a.tif"), (alone, Policy())) == ()
    signed = Policy.from_sources(("https://host.example/",))
    assert sidecars.allowed(signed.locate("https://host.example/a.tif?signature=1"), (signed,)) == ()


def test_the_service_reads_them_by_setting(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tif")
    for wanted, value, unread in ((False, VALUE, [".ovr", ".msk"]), (True, OVERVIEW, None)):
        client = service.client(tmp_path, sidecars=wanted)
        answer = client.get("/cog/statistics", params={"url": str(path), "max_size": 128}).json()
        assert answer["b1"]["max"] == value, os.fspath(path)
        assert client.get("/cog/info", params={"url": str(path)}).json().get("unread_sidecars") == unread
