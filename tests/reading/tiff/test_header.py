"""Headers: what is read from them, and that none can lead astray."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.shutil import copy
from rasterio.transform import Affine

from tests.reading.conftest import FileBytes, noise, open_engine, profile_of, write
from tests.support.profiles import profile
from tilery.errors import BrokenRaster, NotARaster, TileryError, UnsupportedRaster
from tilery.geo.crs import WEB_MERCATOR
from tilery.geo.raster import Grid
from tilery.reading.grid import reader as reader_
from tilery.reading.grid.blocks import BlockCache
from tilery.reading.tiff import header
from tilery.reading.tiff import image as images
from tilery.reading.tiff.opening import supports

Make = Callable[[], Path]


class Bytes(FileBytes):
    """Bytes that were never a file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.identity, self.local_path, self.requests = data, len(data), str(hash(data)), None, []


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("big", ["YES", "NO"])
def test_facts(path: Make, big: str, endian: str) -> None:
    mask = np.full((300, 400), 255, "uint8")
    file = write(
        path(), noise(3, 300, 400, dtype="int16"), overviews=(2, 4), mask=mask, BIGTIFF=big, ENDIANNESS=endian,
        compress="deflate", predictor=2, blockxsize=128, blockysize=64,
    )  # fmt: skip
    found = header.parse(FileBytes(file))
    assert found.big_tiff == (big == "YES")
    assert found.big_endian == (endian == "BIG")
    assert found.has_mask
    assert [(level.image.width, level.image.height) for level in found.levels] == [(400, 300), (200, 150), (100, 75)]
    assert all(level.mask is not None and level.mask.width == level.image.width for level in found.levels)
    main = found.levels[0].image
    assert (main.tile_width, main.tile_height, main.samples, main.bits) == (128, 64, 3, 16)
    assert main.dtype == np.dtype("int16")
    assert (main.compression, main.predictor, main.planar) == (8, 2, False)
    assert (main.across, main.down, main.planes, main.block_bytes) == (4, 5, 1, 128 * 64 * 3 * 2)
    assert len(found.directories) == 6


def test_a_cloud_optimized_file(path: Make) -> None:
    plain, optimized = write(path(), noise(1, 700, 900), nodata=5), path()
    copy(plain, optimized, driver="COG", blocksize=128, compress="deflate")
    source = FileBytes(optimized)
    found = header.parse(source)
    assert found.structure["LAYOUT"] == "IFDS_BEFORE_DATA"
    assert found.nodata == "5"
    assert len(found.levels) == 4
    assert list(found.directories) == sorted(found.directories)
    # The whole header, tables of blocks included, is in the first read.
    main = found.levels[0].image
    assert len(source.requests) == 1
    places = main.ranges(source, [0, 5])
    assert len(source.requests) == 1
    with rasterio.open(optimized) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    assert places[0] is not None
    assert places[0][0] == offset


def test_long_tables_are_read_by_pages(path: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(path(), noise(1, 1024, 1024), blockxsize=16, blockysize=16)
    monkeypatch.setattr(images, "_TABLE_AT_ONCE", 1 << 10)
    monkeypatch.setattr(header, "HEAD", 1 << 10)
    source = FileBytes(file)
    main = header.parse(source).levels[0].image
    before = len(source.requests)
    places = main.ranges(source, [0, 4095])
    assert len(source.requests) == before + 1
    assert sum(length for _, length in source.requests[-1]) <= 4 << 10
    assert main.ranges(source, [0, 4095]) == places
    assert len(source.requests) == before + 1
    with rasterio.open(file) as dataset:
        for place, (x, y) in zip(places, ((0, 0), (63, 63)), strict=True):
            assert place is not None
            assert place[0] == int(dataset.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=1))


def test_not_all_pages_are_kept(path: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(path(), noise(1, 1024, 1024), blockxsize=16, blockysize=16)
    whole = header.parse(FileBytes(file)).levels[0].image.ranges(FileBytes(file), range(4096))
    monkeypatch.setattr(images, "_TABLE_AT_ONCE", 1 << 10)
    monkeypatch.setattr(header, "HEAD", 1 << 10)
    source = FileBytes(file)
    main = header.parse(source).levels[0].image
    monkeypatch.setattr(images, "_KEPT_PAGES", 3)
    for index in range(0, 4096, 100):
        assert main.ranges(source, [index]) == [whole[index]]
        assert len(main._positions.pages) <= 3
    assert main.ranges(source, range(4096)) == whole


@pytest.mark.parametrize(
    "data", [b"", b"I", b"II", b"II*", b"nonsense", b"\x89PNG\r\n\x1a\n" + bytes(100), b"II\x2c\x00" + bytes(60)]
)
def test_not_a_tiff(data: bytes) -> None:
    with pytest.raises(NotARaster):
        header.parse(Bytes(data))


def tiff(*directories: list[tuple[int, int, int, int]], following: list[int] | None = None) -> bytes:
    """Return a little-endian TIFF of directories of (tag, type, count, value), 1 kB apart; at 8 is an
    infinite number.
    """
    body = bytearray(struct.pack("<2sHId", b"II", 42, 1024, math.inf))
    for number, entries in enumerate(directories):
        body.extend(bytes(1024 * (number + 1) - len(body)))
        body += struct.pack("<H", len(entries))
        for entry in sorted(entries):
            body += struct.pack("<HHII", *entry)
        link = 1024 * (number + 2) if number + 1 < len(directories) else 0
        body += struct.pack("<I", following[number] if following else link)
    return bytes(body) + bytes(4096)


LONG, SHORT, DOUBLE = 4, 3, 12


def entries(**changes: int | None) -> list[tuple[int, int, int, int]]:
    """Return a one-band image of 64 × 64 in one tile; values changed or left out by name."""
    tags = {
        "width": (256, LONG, 1, 64), "height": (257, LONG, 1, 64), "bits": (258, SHORT, 1, 8),
        "compression": (259, SHORT, 1, 1), "samples": (277, SHORT, 1, 1), "planar": (284, SHORT, 1, 1),
        "tile_width": (322, LONG, 1, 64), "tile_height": (323, LONG, 1, 64),
        "offsets": (324, LONG, 1, 100), "counts": (325, LONG, 1, 4096),
    }  # fmt: skip
    return [
        (tag, kind, count, chosen)
        for name, (tag, kind, count, value) in tags.items()
        if (chosen := changes.get(name, value)) is not None
    ]


def test_the_made_up_one_is_good() -> None:
    found = header.parse(Bytes(tiff(entries())))
    assert found.levels[0].image.ranges(Bytes(tiff(entries())), [0]) == [(100, 4096)]


HOSTILE = {
    "a circle": (tiff(entries(), entries(), following=[2048, 1024]), BrokenRaster),
    "itself": (tiff(entries(), following=[1024]), BrokenRaster),
    "beyond the end": (tiff(entries(), following=[1 << 30]), BrokenRaster),
    "first beyond the end": (struct.pack("<2sHI", b"II", 42, 1 << 31), BrokenRaster),
    "no directory": (struct.pack("<2sHI", b"II", 42, 0), BrokenRaster),
    "many directories": (tiff(*[entries()] * 1000), UnsupportedRaster),
    "no entries": (tiff([]), BrokenRaster),
    "many entries": (struct.pack("<2sHIH", b"II", 42, 8, 65535) + bytes(800000), BrokenRaster),
    "strips": (tiff(entries(tile_width=None)), UnsupportedRaster),
    "no blocks": (tiff(entries(offsets=None)), UnsupportedRaster),
    "no sizes": (tiff(entries(counts=None)), BrokenRaster),
    "no width": (tiff(entries(width=0)), BrokenRaster),
    "no tile width": (tiff(entries(tile_width=0)), BrokenRaster),
    "no bands": (tiff(entries(samples=0)), BrokenRaster),
    "60,000 bands": (tiff(entries(samples=60000)), UnsupportedRaster),
    "a tile of 65k × 65k": (tiff(entries(tile_width=65536, tile_height=65536)), UnsupportedRaster),
    "200k × 200k and one block": (tiff(entries(width=200000, height=200000)), BrokenRaster),
    "4 billion wide": (tiff(entries(width=2**32 - 1, height=2**32 - 1)), BrokenRaster),
    "a huge table": (tiff([e if e[0] != 324 else (324, LONG, 2**32 - 1, 100) for e in entries()]), BrokenRaster),
    "a table of text": (tiff([e if e[0] != 324 else (324, 2, 1, 100) for e in entries()]), BrokenRaster),
    "a huge tag": (tiff([*entries(), (347, 7, 2**31, 100)]), UnsupportedRaster),
    "a tag beyond the end": (tiff([*entries(), (347, 7, 5000, 2**31)]), BrokenRaster),
    "12 bits": (tiff(entries(bits=12)), UnsupportedRaster),
    "complex": (tiff([*entries(bits=64), (339, SHORT, 1, 6)]), UnsupportedRaster),
    "reversed bits": (tiff([*entries(), (266, SHORT, 1, 2)]), UnsupportedRaster),
    "a mask first": (tiff([*entries(), (254, LONG, 1, 4)]), UnsupportedRaster),
    "a width that is no number": (tiff([(256, DOUBLE, 1, 8), *entries(width=None)]), BrokenRaster),
    "bits that are no whole number": (tiff([(258, DOUBLE, 1, 8), *entries(bits=None)]), BrokenRaster),
    "JPEG tables of numbers": (tiff([*entries(), (347, SHORT, 1, 65535)]), BrokenRaster),
    "nodata of numbers": (tiff([*entries(), (42113, SHORT, 1, 65535)]), BrokenRaster),
    "cut": (tiff(entries())[:1030], BrokenRaster),
    "a broken BigTIFF": (struct.pack("<2sHHHQ", b"II", 43, 4, 0, 16) + bytes(100), BrokenRaster),
    "a BigTIFF beyond the end": (struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**63) + bytes(100), BrokenRaster),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_headers(kind: str) -> None:
    data, error = HOSTILE[kind]
    source = Bytes(data)
    with pytest.raises(error):
        header.parse(source)
    assert sum(length for call in source.requests for _, length in call) < 16 << 20


@pytest.mark.parametrize("changes", [{"offsets": 1 << 30}, {"offsets": 0}, {"counts": 1 << 20}, {"counts": 8000}])
def test_blocks_outside_of_the_file(changes: dict[str, int]) -> None:
    source = Bytes(tiff(entries(**changes)))
    with pytest.raises(BrokenRaster):
        header.parse(source).levels[0].image.ranges(source, [0])


def test_a_block_larger_than_can_be(path: Make) -> None:
    source = Bytes(tiff(entries(counts=300000)) + bytes(1 << 20))
    with pytest.raises(BrokenRaster):
        header.parse(source).levels[0].image.ranges(source, [0])


def test_damaged_headers_never_surprise(path: Make) -> None:
    """Whatever bytes of a header are damaged, the answer is a header or an error that callers know."""
    file = write(path(), noise(3, 200, 200), overviews=(2,), compress="deflate", predictor=2)
    good = FileBytes(file).data
    chance = random.Random(1)
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(0, min(len(data), 1500))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        source = Bytes(bytes(data))
        try:
            found = header.parse(source)
            for level in found.levels:
                level.image.ranges(source, [0, level.image.across * level.image.down * level.image.planes - 1])
        except TileryError:
            pass


def test_damaged_files_never_surprise(path: Make) -> None:
    file = write(path(), noise(3, 200, 200), overviews=(2,), compress="deflate", predictor=2)
    good, profile = FileBytes(file).data, profile_of(file)
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=90, height=90)
    chance = random.Random(2)
    outcomes = set()
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
        engine = open_engine(Bytes(bytes(data)), profile, BlockCache(1 << 20))
        if engine is None:
            outcomes.add("left to GDAL")
            continue
        try:
            engine.read(grid, bands=(1, 2, 3), nodata=None, method="nearest")
            outcomes.add("read")
        except BrokenRaster as error:
            outcomes.add("told too much" if "libdeflate" in error.detail else "broken")
    assert {"broken", "read"} <= outcomes <= {"broken", "read", "left to GDAL"}


def test_a_file_cut_short(path: Make) -> None:
    file = write(path(), noise(3, 200, 200), compress="deflate")
    profile = profile_of(file)
    data = FileBytes(file).data
    engine = open_engine(Bytes(data[: len(data) - 2000]), profile, BlockCache(1 << 20))
    assert engine is not None
    grid = Grid(crs=profile.crs, bounds=profile.bounds, width=200, height=200)
    with pytest.raises(BrokenRaster):
        engine.read(grid, bands=(1,), nodata=None, method="nearest")


def taken(file: Path) -> bool:
    """Return True when our reader takes a file that GDAL has opened with all that lies beside it."""
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE", GDAL_PAM_ENABLED="YES"):
        return open_engine(FileBytes(file), profile_of(file), BlockCache(1 << 20)) is not None


def test_what_is_taken(path: Make) -> None:
    assert taken(write(path(), noise(1, 100, 100)))
    assert taken(write(path(), noise(1, 100, 100), crs=None))
    assert not taken(write(path(), noise(1, 100, 100), tiled=False, blockxsize=None, blockysize=16))
    assert not taken(write(path(), noise(1, 100, 100, dtype="float32").astype("complex64")))


def test_external_overviews_and_masks_are_left_to_gdal(path: Make) -> None:
    file = write(path(), noise(1, 300, 300))
    assert taken(file)
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(file, "r+") as dataset:
        dataset.build_overviews([2, 4])
    assert (file.parent / (file.name + ".ovr")).exists()
    assert not taken(file)
    masked = write(path(), noise(1, 300, 300))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(masked, "r+") as dataset:
        dataset.write_mask(np.zeros((300, 300), "uint8"))
    assert not taken(masked)


def test_a_mask_without_overviews_is_left_to_gdal(path: Make) -> None:
    file = write(path(), noise(1, 300, 300), overviews=(2,))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(file, "r+") as dataset:
        dataset.write_mask(np.zeros((300, 300), "uint8"))
    assert not taken(file)


def test_a_profile_of_another_file_is_refused(path: Make) -> None:
    first, second = write(path(), noise(1, 100, 100)), write(path(), noise(2, 100, 100))
    assert open_engine(FileBytes(first), profile_of(second)) is None
    found = header.parse(FileBytes(first))
    assert supports(found, profile_of(first))
    assert supports(found, profile_of(first), "cubic")
    assert not supports(found, profile_of(first), "mode")


def test_subdatasets_are_not_overviews(path: Make) -> None:
    file = path()
    write(file, noise(1, 100, 100))
    with rasterio.open(
        file, "w", driver="GTiff", width=50, height=50, count=1, dtype="uint8", APPEND_SUBDATASET="YES", tiled=True,
        blockxsize=16, blockysize=16, crs="EPSG:32633", transform=Affine(20.0, 0, 500000, 0, -20.0, 5500000),
    ) as dataset:  # fmt: skip
        dataset.write(noise(1, 50, 50))
    found = header.parse(FileBytes(file))
    assert len(found.levels) == 1
    assert len(found.directories) == 2


def test_kinds_of_alpha(path: Make) -> None:
    kinds = [ColorInterp.gray, ColorInterp.alpha]
    file = write(path(), noise(2, 100, 100), ALPHA="YES", colorinterp=kinds)
    assert taken(file)
    assert header.parse(FileBytes(file)).levels[0].image.extra_samples == (2,)
    assert {"nearest", "bilinear", "cubic"} <= reader_.METHODS


def test_blocks_of_one_pixel_are_counted_by_what_they_cost() -> None:
    """A megabyte of them would take four gigabytes and 40 seconds."""
    side = 512
    tables = [(tag, LONG, side * side, 8192) for tag in (324, 325)]
    image = entries(width=side, height=side, tile_width=1, tile_height=1, offsets=None, counts=None)
    source = Bytes(tiff([*image, *tables]).ljust(8192, b"\0") + struct.pack("<I", 1) * side * side)
    facts = profile(side, side, WEB_MERCATOR, (1.0, 0.0, 0.0, 0.0, -1.0, side), block_shapes=((1, 1),))
    engine = open_engine(source, facts, BlockCache(1 << 20))
    assert engine is not None
    grid = Grid(crs=WEB_MERCATOR, bounds=(0.0, 0.0, side, side), width=256, height=256)
    assert engine.estimate(grid, bands=(1,)) > 512 << 20
