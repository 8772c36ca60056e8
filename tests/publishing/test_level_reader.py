"""Our own reader of levels against GDAL's."""

from __future__ import annotations

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
from tilery.publishing.tiff.blocks import WORKING, Encoding, encoding
from tilery.publishing.tiff.level_reader import reading_level
from tilery.publishing.tiff.level_writer import writing_level

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
    with reading_level(path, np.dtype(dtype), bands, mask) as found:
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
        with reading_level(path, np.dtype(dtype), bands, mask) as found:
            assert found is None
    for name, options in (
        ("rows", {}),
        ("small", {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}),
        ("lzw", {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "lzw"}),
        ("sparse", {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "sparse_ok": True}),
    ):
        other = tmp_path / f"{name}.tif"
        shape = {"width": 600, "height": 600, "count": 1, "dtype": "uint8", "transform": from_origin(5, 9, 2, 2)}
        with rasterio.open(other, "w", driver="GTiff", **shape, **options) as made:
            if name != "sparse":
                made.write(data)
        with reading_level(other, np.dtype("uint8"), 1) as found:
            assert found is None, name
    (tmp_path / "text.tif").write_bytes(b"no raster at all, and longer than a header")
    for missing in ("text.tif", "nothing.tif"):
        with reading_level(tmp_path / missing, np.dtype("uint8"), 1) as found:
            assert found is None


@pytest.mark.parametrize("compression", ["deflate", "working"])
def test_a_block_that_is_broken_or_cut_short(tmp_path: Path, compression: str) -> None:
    data = np.random.default_rng(6).integers(0, 255, (2, 600, 600), "uint8")
    chosen = WORKING if compression == "working" else encoding(COMPRESSIONS[compression], "uint8")
    assert chosen is not None
    path = level(tmp_path / "a.tif", data, chosen)
    with reading_level(path, np.dtype("uint8"), 2) as found:
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
