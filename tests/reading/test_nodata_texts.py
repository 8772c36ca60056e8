"""What stands in GDAL's nodata tag, for every data type: as GDAL itself applies it to its masks."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from tests.reading.test_reader import reader_of
from tests.support.engine import ENGINE
from tilery.geo import crs as crs_
from tilery.reading.options import ReadOptions
from tilery.reading.profile import whole_nodata
from tilery.rendering import pipeline
from tilery.rendering.options import RenderOptions

TEXTS = {
    "uint8": ("255", "255.0", "256", "-1", "nan", "1e2", "0.5", "254.9", "", " 7", "7 ", "+7", "0x7", "abc", "1e400"),
    "int8": ("-128", "127", "128", "-0.5"),
    "int16": ("-32768", "-32769", "32767.4", "nan", "-9999.0", "-9999.5", "65535"),
    "uint32": ("4294967295", "4294967296", "-1", "2147483648"),
    "int32": ("-2147483648", "2147483647", "-2147483649", "100.9"),
    "float32": ("-9999", "NaN", "inf", "-inf", "-3.4028235e+38", "1e300", "-1.7976931348623157e308", "abc", "1e-50"),
    "float64": ("-9999", "nan", "inf", "-1.7976931348623157e308", "1e400", "0.1", "abc"),
    "int64": (
        *("-9223372036854775808", "9223372036854775807", "9223372036854775808", "9007199254740993"),
        *("-9007199254740993", "nan", "1e3", "0.5", "-9999", "-9999.0"),
    ),
    "uint64": ("18446744073709551615", "18446744073709551616", "9007199254740993", "-1", "1e3", "nan", "5"),
}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    ENGINE.datasets.clear()


def candidates(dtype: np.dtype) -> np.ndarray:
    """Return values that one of the texts may mean."""
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        return np.array([0, 1, -9999, np.inf, -np.inf, limits.max, limits.min, 0.1, 7, np.nan], dtype)
    ends = np.iinfo(dtype)
    numbers = {0, 1, 5, 7, 100, 254, 255, -9999, 1000, 2147483647, 2147483648, 4294967295, 32767, 65535, -1}
    numbers |= {sign * (2**53 + more) for sign in (-1, 1) for more in (0, 1)}
    numbers |= {int(ends.min), int(ends.min) + 1, int(ends.max) - 1, int(ends.max)}
    return np.array(sorted(number for number in numbers if ends.min <= number <= ends.max), dtype)


def write(path: Path, values: np.ndarray, text: str, *, tiled: bool) -> Path:
    """Return a small raster of these values whose nodata tag holds a text that no library would write."""
    data = np.resize(values, (16, 32))
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {}
    with rasterio.open(
        path, "w", driver="GTiff", width=32, height=16, count=1, dtype=data.dtype.name, crs="EPSG:3857",
        transform=from_origin(0, 160, 10, 10), **layout,
    ) as out:  # fmt: skip
        out.write(data, 1)
    file = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", file, 4)
    (count,) = struct.unpack_from("<H", file, start)
    entries = [bytes(file[start + 2 + 12 * n : start + 14 + 12 * n]) for n in range(count)]
    octets = text.encode() + b"\0"
    file += b"\0" * (len(file) % 2)
    place = octets.ljust(4, b"\0") if len(octets) <= 4 else struct.pack("<I", len(file))
    file += octets if len(octets) > 4 else b""
    file += b"\0" * (len(file) % 2)
    entries.append(struct.pack("<HHI", 42113, 2, len(octets)) + place)
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    struct.pack_into("<I", file, 4, len(file))
    path.write_bytes(file + struct.pack("<H", len(entries)) + b"".join(entries) + b"\0" * 4)
    return path


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize(("dtype", "text"), [(dtype, text) for dtype, texts in TEXTS.items() for text in texts])
def test_as_gdal_masks(tmp_path: Path, dtype: str, text: str, tiled: bool) -> None:
    path = write(tmp_path / "raster.tif", candidates(np.dtype(dtype)), text, tiled=tiled)
    with warnings.catch_warnings(), rasterio.open(path) as stored:
        warnings.simplefilter("ignore")
        data, expected = stored.read(1), stored.read_masks(1) != 0
    if dtype.startswith("float"):
        expected &= ~np.isnan(data)
    with reader_of(path) as reader:
        raster = reader.preview(options=ReadOptions(), max_size=None)
        info = reader.info()
    shown = np.ones(data.shape, bool) if raster.mask is None else raster.mask[0]
    assert sorted(set(data[shown].tolist())) == sorted(set(data[expected].tolist()))
    assert (raster.data[0][shown] == data[shown]).all()
    assert "bounds" in info


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize(("dtype", "text"), [("int64", "9223372036854775807"), ("uint64", "18446744073709551615")])
def test_values_of_64_bits_whose_nodata_no_float_holds(tmp_path: Path, dtype: str, text: str, tiled: bool) -> None:
    values = np.array([3, 5, int(text)], dtype)
    path = write(tmp_path / "raster.tif", values, text, tiled=tiled)
    with reader_of(path) as reader:
        assert reader.info()["nodata_value"] == int(text)
        for crs in (crs_.WEB_MERCATOR, crs_.WGS84):
            for method in ("nearest", "bilinear", "average", "mode"):
                options = ReadOptions(resampling=method, reproject=method)
                raster = reader.preview(options=options, dst_crs=crs, width=20, height=10)
                shown = raster.data[0] if raster.mask is None else raster.data[0][raster.mask[0]]
                assert shown.size
                assert shown.min() >= 3
                assert shown.max() <= 5
        plain = reader.preview(options=ReadOptions(), max_size=None)
    written = pipeline.render(plain, RenderOptions(return_mask=False), "tif").body
    with rasterio.MemoryFile(written) as memory, memory.open() as stored:
        assert (stored.read(1) == plain.data[0]).all()


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("int64", "-9999", -9999.0),
        ("int64", "9007199254740993", 2**53 + 1),
        ("int64", "-99999999999999999999", -(2.0**63)),
        ("uint64", "-1", 2**64 - 1),
        ("uint64", "9" * 400, 2**64 - 1),
        ("uint64", "", 0.0),
    ],
)
def test_whole_numbers(dtype: str, text: str, value: float) -> None:
    assert whole_nodata(text, dtype) == value
