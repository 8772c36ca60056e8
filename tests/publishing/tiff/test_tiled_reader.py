"""Our own reader of tiled GeoTIFFs against GDAL's, and against what was written."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from tilery.errors import BrokenRaster
from tilery.geo.raster import Array
from tilery.publishing.profiles import COMPRESSIONS
from tilery.publishing.tiff import directories
from tilery.publishing.tiff.blocks import WORKING, Encoding, encoding
from tilery.publishing.tiff.level_writer import writing_level
from tilery.publishing.tiff.tiled_reader import TiledReader, reading_tiles

SHAPE = (1100, 700)
WINDOWS = (
    (0, 0, 1100, 700),
    (509, 3, 8, 600),
    (1016, 500, 20, 20),
    (1099, 699, 1, 1),
    (-5, -4, 30, 40),
    (1090, 690, 15, 20),
)
"""Top, left, height, width; some beyond the image."""


def level(path: Path, data: Array, chosen: Encoding) -> Path:
    shape: dict[str, Any] = {"width": data.shape[2], "height": data.shape[1], "transform": from_origin(5, 9, 2, 2)}
    with writing_level(path, chosen, count=len(data), dtype=data.dtype.name, **shape) as made:
        whole = Window(0, 0, data.shape[2], data.shape[1])
        made.write(made.encoded(data, whole))
    return path


@pytest.mark.parametrize("compression", ["deflate", "zstd", "working"])
@pytest.mark.parametrize(("dtype", "bands"), [("uint8", 3), ("uint16", 1), ("int16", 2)])
def test_any_window_is_what_was_written(tmp_path: Path, dtype: str, bands: int, compression: str) -> None:
    limits = np.iinfo(dtype)
    data = np.random.default_rng(6).integers(limits.min, limits.max, (bands, *SHAPE), dtype, endpoint=True)
    chosen = WORKING if compression == "working" else encoding(COMPRESSIONS[compression], dtype)
    assert chosen is not None
    path = level(tmp_path / "a.tif", data, chosen)
    mask = level(tmp_path / "a.tif.msk", (data[:1] > 90).astype("uint8") * np.uint8(255), WORKING)
    padded = np.pad(data, ((0, 0), (20, 20), (20, 20)), "edge")
    with reading_tiles(path, np.dtype(dtype), bands, mask) as found:
        assert found is not None
        assert (found.read() == data).all()
        for top, left, height, width in (*WINDOWS, *WINDOWS):
            window = Window(left, top, width, height)
            expected = padded[:, top + 20 : top + 20 + height, left + 20 : left + 20 + width]
            assert (found.read(window=window) == expected).all()
            assert (found.read(bands, window) == expected[-1]).all()
            assert ((found.read_masks(1, window) > 0) == (expected[0] > 90)).all()


def test_files_that_gdal_has_to_read(tmp_path: Path) -> None:
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    assert chosen is not None
    data = np.zeros((1, 600, 600), "uint8")
    path = level(tmp_path / "a.tif", data, chosen)
    for dtype, bands, mask in (
        ("float32", 1, None),
        ("uint16", 1, None),
        ("uint8", 2, None),
        ("uint8", 1, path / "no"),
    ):
        with reading_tiles(path, np.dtype(dtype), bands, mask) as found:
            assert found is None
    tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512}
    for name, bands, options in (
        ("rows", 1, {}),
        ("apart", 3, tiled | {"interleave": "band"}),
        ("jpeg", 3, tiled | {"compress": "jpeg"}),
        ("white is 0", 1, tiled | {"photometric": "miniswhite", "nbits": 4}),
        ("cielab", 3, tiled | {"photometric": "cielab", "compress": "deflate"}),
        ("big endian", 1, tiled | {"endianness": "big"}),
        ("sparse", 1, tiled | {"compress": "deflate", "sparse_ok": True}),
    ):
        other = tmp_path / f"{name}.tif"
        shape = {"width": 600, "height": 600, "count": bands, "dtype": "uint8", "transform": from_origin(5, 9, 2, 2)}
        with rasterio.open(other, "w", driver="GTiff", **shape, **options) as made:
            if name != "sparse":
                made.write(np.zeros((bands, 600, 600), "uint8"))
        with reading_tiles(other, np.dtype("uint8"), bands) as found:
            assert found is None, name
    (tmp_path / "text.tif").write_bytes(b"no raster at all, and longer than a header")
    for missing in ("text.tif", "nothing.tif"):
        with reading_tiles(tmp_path / missing, np.dtype("uint8"), 1) as found:
            assert found is None


@pytest.mark.parametrize("compress", ["none", "deflate", "lzw", "zstd"])
def test_sources_are_read_as_gdal_reads_them(tmp_path: Path, compress: str) -> None:
    for number, (dtype, bands, predictor, sides, big) in enumerate(
        [("uint8", 4, 2, (256, 128), False), ("int8", 1, 1, (512, 512), True), ("uint16", 3, 2, (64, 1024), True)]
    ):
        limits = np.iinfo(dtype)
        data = np.random.default_rng(6).integers(limits.min, limits.max, (bands, 300, 530), dtype, endpoint=True)
        path = tmp_path / f"{number}.tif"
        shape = {"width": 530, "height": 300, "count": bands, "dtype": dtype, "transform": from_origin(5, 9, 2, 2)}
        tiled = {"tiled": True, "blockxsize": sides[1], "blockysize": sides[0], "bigtiff": "yes" if big else "no"}
        chosen = {} if compress == "none" else {"compress": compress, "predictor": predictor}
        with rasterio.open(path, "w", driver="GTiff", **shape, **tiled, **chosen) as made:
            made.write(data)
        with reading_tiles(path, np.dtype(dtype), bands) as found:
            assert found is not None
            assert (found.read() == data).all()
            assert (found.read([bands, 1], Window(100, 200, 300, 60)) == data[[-1, 0], 200:260, 100:400]).all()


def test_a_block_is_inflated_once_for_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    assert chosen is not None
    path = level(tmp_path / "a.tif", np.random.default_rng(6).integers(0, 255, (3, *SHAPE), "uint8"), chosen)
    inflated: list[int] = []
    block = TiledReader._block

    def counted(reader: TiledReader, number: int) -> Array:
        inflated.append(number)
        return block(reader, number)

    monkeypatch.setattr(TiledReader, "_block", counted)
    with reading_tiles(path, np.dtype("uint8"), 3) as found, ThreadPoolExecutor(8) as pool:
        assert found is not None
        windows = [Window(500, 500, 30, 30)] * 40
        assert len({part.tobytes() for part in pool.map(lambda window: found.read(window=window), windows)}) == 1
    assert sorted(inflated) == [0, 1, 2, 3]


def test_blocks_that_only_some_decoders_take_are_not_handed_on(tmp_path: Path) -> None:
    """libtiff does not mind bytes behind the last row, where the server's own decoder does."""
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    assert chosen is not None
    data = np.random.default_rng(6).integers(0, 255, (1, 600, 600), "uint8")
    path = level(tmp_path / "a.tif", data, chosen)
    with reading_tiles(path, np.dtype("uint8"), 1) as found:
        assert found is not None
        place, length = int(found.offsets[1]), int(found.counts[1])
        counts = struct.unpack_from("<I", path.read_bytes(), found.found.places[directories.COUNTS] + 8)[0]
    longer = zlib.compress(zlib.decompress(path.read_bytes()[place : place + length]) + b"more", 1)
    with path.open("r+b") as file:
        offsets_of = struct.unpack_from("<I", path.read_bytes(), found.found.places[directories.OFFSETS] + 8)[0]
        end = file.seek(0, 2)
        file.write(longer)
        for table, value in ((offsets_of, end), (counts, len(longer))):
            file.seek(table + 4)
            file.write(struct.pack("<I", value))
    with reading_tiles(path, np.dtype("uint8"), 1) as found:
        assert found is not None
        assert (found.read() == data).all()
        packed = [found.packed(number) for number in range(4)]
    assert packed[1] is None
    for number in (0, 2, 3):
        assert len(zlib.decompress(packed[number] or b"")) == 512 * 512


def test_what_headers_claim_costs_no_memory(tmp_path: Path) -> None:
    """Tags of values beyond the file's end, blocks too large, and one that inflates to a hundred times its size."""
    chosen = encoding(COMPRESSIONS["deflate"], "uint8")
    assert chosen is not None
    path = level(tmp_path / "a.tif", np.zeros((1, 600, 600), "uint8"), chosen)
    content = path.read_bytes()
    with reading_tiles(path, np.dtype("uint8"), 1) as found:
        assert found is not None
        places = found.found.places
    for tag, entry in (
        (directories.COUNTS, struct.pack("<HII", 4, 2**31, 8)),
        (directories.OFFSETS, struct.pack("<HII", 4, 2**31, 8)),
        (directories.TILE_WIDTH, struct.pack("<HII", 4, 1, 2**31)),
        (directories.WIDTH, struct.pack("<HII", 77, 1, 600)),
        (directories.BITS, struct.pack("<HII", 3, 0, 0)),
    ):
        place = places[tag] + 2
        path.write_bytes(content[:place] + entry + content[place + len(entry) :])
        with reading_tiles(path, np.dtype("uint8"), 1) as found:
            assert found is None, tag
    bomb = zlib.compress(bytes(64 << 20), 9)
    with path.open("wb") as file:
        file.write(content + bomb)
        for tag, value in ((directories.OFFSETS, len(content)), (directories.COUNTS, len(bomb))):
            file.seek(struct.unpack_from("<I", content, places[tag] + 8)[0])
            file.write(struct.pack("<I", value))
    with reading_tiles(path, np.dtype("uint8"), 1) as found:
        assert found is not None
        tracemalloc.start()
        assert not found.read(1, Window(0, 0, 512, 512)).any()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 8 << 20


@pytest.mark.parametrize("compression", ["deflate", "working"])
def test_a_block_that_is_broken_or_cut_short(tmp_path: Path, compression: str) -> None:
    data = np.random.default_rng(6).integers(0, 255, (2, 600, 600), "uint8")
    chosen = WORKING if compression == "working" else encoding(COMPRESSIONS[compression], "uint8")
    assert chosen is not None
    path = level(tmp_path / "a.tif", data, chosen)
    with reading_tiles(path, np.dtype("uint8"), 2) as found:
        assert found is not None
        content = bytearray(path.read_bytes())
        place = int(found.offsets[3]) + int(found.counts[3]) // 2
        if compression == "deflate":  # ZSTD has no check sums
            content[place] ^= 1
            path.write_bytes(content)
            with pytest.raises(BrokenRaster):
                found.read()
        content[place - 999 : place + 999] = b"\xff" * 1998
        start = int(found.offsets[0])
        content[start : start + 9] = b"\xff" * 9
        for wrong in (content, content[:place]):
            path.write_bytes(wrong)
            with pytest.raises(BrokenRaster):
                found.read()
        with pytest.raises(BrokenRaster):
            found.read_masks(1)
