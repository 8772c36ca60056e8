"""Every codec, predictor, type and layout decodes to the values that GDAL reads."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from tests.reading.conftest import FileBytes, engine_of, noise, profile_of, write
from tilery.errors import BrokenRaster
from tilery.geo.raster import Grid
from tilery.reading.tiff import codecs, header
from tilery.reading.tiff.image import Image

SIZE = (100, 150)


def read_all(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the whole raster by our reader and by GDAL."""
    profile = profile_of(path)
    left, bottom, right, top = profile.bounds
    grid = Grid(crs=profile.crs, bounds=(left, bottom, right, top), width=profile.width, height=profile.height)
    pixels = engine_of(path).read(
        grid, bands=tuple(range(1, profile.count + 1)), nodata=0.0 if profile.alpha_band else None, method="nearest"
    )
    with rasterio.open(path) as dataset:
        return pixels.data, dataset.read()


INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64"])
@pytest.mark.parametrize("compress", ["none", "deflate", "lzw", "zstd"])
def test_types(path: Callable[[], Path], dtype: str, compress: str, interleave: str) -> None:
    file = write(path(), noise(3, *SIZE, dtype=dtype), compress=compress, interleave=interleave)
    ours, theirs = read_all(file)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("compress", ["deflate", "lzw", "zstd"])
@pytest.mark.parametrize("bands", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "int64", "float32"])
def test_horizontal_predictor(path: Callable[[], Path], dtype: str, bands: int, compress: str) -> None:
    file = write(path(), noise(bands, *SIZE, dtype=dtype), compress=compress, predictor=2)
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("bands", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_predictor(path: Callable[[], Path], dtype: str, bands: int, endian: str) -> None:
    data = noise(bands, *SIZE, dtype=dtype)
    data[0, 0, 0], data[0, 1, 1] = np.nan, -np.inf
    file = write(path(), data, compress="zstd", predictor=3, ENDIANNESS=endian)
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32", "float64"])
def test_big_endian(path: Callable[[], Path], dtype: str, predictor: int) -> None:
    file = write(path(), noise(2, *SIZE, dtype=dtype), compress="deflate", predictor=predictor, ENDIANNESS="BIG")
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("compress", ["packbits", "lzma"])
def test_rare_streams(path: Callable[[], Path], compress: str) -> None:
    file = write(path(), np.repeat(noise(3, SIZE[0], SIZE[1] // 10), 10, axis=2), compress=compress)
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("bands", [1, 3])
def test_small_samples(path: Callable[[], Path], bits: int, bands: int) -> None:
    values = noise(bands, *SIZE) % 2**bits
    file = write(path(), values.astype("uint8"), nbits=bits, compress="deflate")
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("compress", ["lerc", "lerc_deflate", "lerc_zstd"])
def test_lerc(path: Callable[[], Path], compress: str, bands: int, dtype: str) -> None:
    data = noise(bands, *SIZE, dtype=dtype)
    if dtype.startswith("float"):
        data[:, 10:20, 10:20] = np.nan
    file = write(path(), data, compress=compress)
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("compress", ["lerc", "lerc_deflate"])
def test_lerc_of_bands_of_which_other_pixels_are_missing(path: Callable[[], Path], compress: str) -> None:
    data = noise(3, *SIZE, dtype="float32")
    data[0, 10:20, 10:20] = data[2, 30:50] = np.nan
    ours, theirs = read_all(write(path(), data, compress=compress))
    np.testing.assert_array_equal(theirs, data)
    np.testing.assert_array_equal(ours, data)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("compress", ["lerc", "lerc_deflate", "lerc_zstd"])
def test_lerc_in_a_big_endian_file(tmp_path: Path, compress: str, dtype: str) -> None:
    from tests.reading.test_reader import reader_of
    from tilery.reading.options import ReadOptions

    data = noise(2, *SIZE, dtype=dtype)
    file = write(tmp_path / "big.tif", data, compress=compress, ENDIANNESS="BIG")
    with reader_of(file) as reader:
        found = reader.preview(options=ReadOptions(), max_size=None).data
    if dtype.startswith("float"):  # libtiff takes some for NaN when it writes them with their bytes swapped
        with rasterio.open(file) as stored:
            data = stored.read()
    assert (found == data).all()


def smooth(bands: int, height: int, width: int) -> np.ndarray:
    """Return a picture without hard edges: decoders of JPEG differ where there are some."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 100 * np.sin(x / (20 + 5 * band)) * np.cos(y / (30 - 5 * band)) for band in range(bands)]
    return np.stack(planes).astype("uint8")


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(
    ("bands", "options"),
    [(1, {}), (3, {"photometric": "YCBCR"}), (3, {"photometric": "RGB"}), (4, {"photometric": "MINISBLACK"})],
)
def test_jpeg(path: Callable[[], Path], bands: int, options: dict[str, Any], interleave: str) -> None:
    if interleave == "band" and options.get("photometric") == "YCBCR":
        pytest.skip("GDAL writes no such file")
    file = write(path(), smooth(bands, *SIZE), compress="jpeg", interleave=interleave, JPEG_QUALITY=90, **options)
    ours, theirs = read_all(file)
    apart = np.abs(ours.astype(int) - theirs)
    assert apart.max() <= 4
    assert apart.mean() < 0.5


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("lossless", [True, False])
def test_webp(path: Callable[[], Path], bands: int, lossless: bool) -> None:
    data = smooth(bands, *SIZE)
    if bands == 4:
        data[3] = 255
    file = write(path(), data, compress="webp", WEBP_LOSSLESS=lossless)
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours[:3], theirs[:3])


@pytest.mark.parametrize("side", [16, 32, 128, 256, 1024])
def test_tile_sizes(path: Callable[[], Path], side: int) -> None:
    file = write(path(), noise(1, *SIZE, dtype="uint16"), blockxsize=side, blockysize=side)
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


def test_big_tiff(path: Callable[[], Path]) -> None:
    file = write(path(), noise(3, *SIZE), BIGTIFF="YES", predictor=2, compress="deflate")
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


def test_palette_gives_indexes(path: Callable[[], Path]) -> None:
    file = path()
    values = noise(1, *SIZE)
    with rasterio.open(write(file, values), "r+") as dataset:
        dataset.write_colormap(1, {n: (n, 255 - n, 0, 255) for n in range(256)})
        dataset.colorinterp = [ColorInterp.palette]
    ours, theirs = read_all(file)
    np.testing.assert_array_equal(ours, theirs)


def decoded(facts: Image, data: bytes) -> None:
    codecs.decode(facts, data, np.empty(facts.block_bytes, np.uint8))


def image(path: Path) -> Image:
    return header.parse(FileBytes(path)).levels[0].image


@pytest.mark.parametrize("compress", ["deflate", "lzw", "zstd", "packbits", "lzma", "jpeg", "webp", "lerc", "none"])
@pytest.mark.parametrize("data", [b"", b"\x00", b"nonsense" * 40, bytes(100)])
def test_garbage_is_broken(path: Callable[[], Path], compress: str, data: bytes) -> None:
    facts = image(write(path(), smooth(3, *SIZE), compress=compress))
    with pytest.raises(BrokenRaster) as caught:
        decoded(facts, data)
    assert "codec" not in caught.value.detail


def bombs() -> dict[str, bytes]:
    zeros = bytes(50 << 20)
    return {
        "deflate": zlib.compress(zeros, 9),
        "zstd": bytes(imagecodecs.zstd_encode(zeros)),
        "jpeg": bytes(imagecodecs.jpeg8_encode(np.zeros((4096, 4096, 3), "uint8"))),
        "webp": bytes(imagecodecs.webp_encode(np.zeros((4096, 4096, 3), "uint8"), lossless=True)),
        "lerc": bytes(imagecodecs.lerc_encode(np.zeros((2048, 2048, 3), "uint8"))),
    }


def test_bombs_do_not_inflate(path: Callable[[], Path]) -> None:
    for compress, bomb in bombs().items():
        facts = image(write(path(), smooth(3, *SIZE), compress=compress))
        with pytest.raises(BrokenRaster):
            decoded(facts, bomb)


def test_a_block_too_short_is_broken(path: Callable[[], Path]) -> None:
    facts = image(write(path(), noise(1, *SIZE), compress="deflate"))
    with pytest.raises(BrokenRaster):
        decoded(facts, zlib.compress(bytes(64 * 64 - 1)))


def test_what_is_left_to_gdal(path: Callable[[], Path]) -> None:
    facts = image(write(path(), noise(3, *SIZE), compress="deflate"))
    assert codecs.supports(facts)
    assert not codecs.supports(replace(facts, compression=50002))  # JPEG XL
    assert not codecs.supports(replace(facts, photometric=8))
    assert not codecs.supports(replace(facts, photometric=6))
    assert not codecs.supports(replace(facts, predictor=3))
    assert not codecs.supports(replace(facts, compression=34887, extra_samples=(2,)))
