"""GeoTIFF, JPEG 2000 and npy: values, masks and places read back; the table of formats."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from tilery.errors import InvalidFormat, InvalidParameter
from tilery.geo.raster import Array, Crs, Picture
from tilery.rendering.encoding import encode, formats

TIF, NPY, JP2 = formats.get("tif"), formats.get("npy"), formats.get("jp2")
BOUNDS = (1000.0, 2000.0, 1600.0, 2400.0)


def ramp(rows: int, columns: int, channels: int, kind: str) -> Array:
    return np.arange(rows * columns * channels).reshape(rows, columns, channels).astype(kind)


@contextmanager
def opened(body: bytes) -> Iterator[rasterio.io.DatasetReader]:
    with (
        warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning),
        rasterio.MemoryFile(body) as memory,
        memory.open() as dataset,
    ):
        yield dataset


@pytest.mark.parametrize(
    "kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64", "float32", "float64"]
)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_geotiff_values(kind: str, channels: int) -> None:
    pixels = ramp(4, 6, channels, kind)
    with opened(encode(Picture(data=pixels, bounds=BOUNDS, crs=Crs("EPSG:3857")), TIF)) as dataset:
        assert dataset.driver == "GTiff"
        assert set(dataset.dtypes) == {kind}
        assert np.array_equal(dataset.read(), pixels.transpose(2, 0, 1))


def test_geotiff_has_its_place() -> None:
    picture = Picture(data=ramp(4, 6, 1, "uint8"), bounds=BOUNDS, crs=Crs("EPSG:32633"))
    with opened(encode(picture, TIF)) as dataset:
        assert dataset.crs == rasterio.crs.CRS.from_epsg(32633)
        assert tuple(dataset.bounds) == BOUNDS
        assert dataset.transform[0] == 100
        assert dataset.transform[4] == -100


def test_geotiff_without_place() -> None:
    with opened(encode(Picture(data=ramp(4, 6, 1, "uint8"), bounds=(0, 0, 6, 4)), TIF)) as dataset:
        assert dataset.crs is None


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("uint8", 0, 255),
        ("uint16", 0, 65535),
        ("int16", -32768, 32767),
        ("float32", np.finfo("f4").min, np.finfo("f4").max),
    ],
)
def test_the_mask_is_the_last_band_as_rio_tiler_writes_it(kind: str, least: float, most: float) -> None:
    valid = np.arange(24).reshape(4, 6) % 3 > 0
    info = np.finfo(kind) if kind == "float32" else np.iinfo(kind)
    mask = np.where(valid, info.max, 0).astype(kind)
    # GDAL takes a last band for alpha only where there are two or four of them, of unsigned values
    picture = Picture(data=ramp(4, 6, 3, kind), mask=mask, bounds=BOUNDS, nodata=0)
    with opened(encode(picture, TIF)) as dataset:
        assert dataset.count == 4
        assert dataset.colorinterp[-1] is ColorInterp.alpha
        assert dataset.nodata is None
        band = dataset.read(4)
        if kind in {"uint8", "uint16"}:
            assert np.array_equal(dataset.dataset_mask() > 0, valid)
    array = np.load(io.BytesIO(encode(picture, NPY)))
    assert array.shape == (4, 4, 6)
    assert array.dtype == kind
    for found in (band, array[3]):
        assert set(found[valid].tolist()) == {most}
        assert set(found[~valid].tolist()) == {least}
    assert np.array_equal(array[:3], picture.data.transpose(2, 0, 1))


def test_alpha_values_are_kept() -> None:
    mask = np.array([[0, 100, 255]], np.uint8)
    picture = Picture(data=ramp(1, 3, 1, "uint8"), mask=mask)
    assert np.load(io.BytesIO(encode(picture, NPY)))[1].tolist() == mask.tolist()


def test_geotiff_descriptions_nodata_and_tags() -> None:
    picture = Picture(
        data=ramp(2, 2, 2, "int16"), nodata=-9999, band_descriptions=("red", "nir/2"), tags={"SOURCE": "a test"}
    )
    with opened(encode(picture, TIF)) as dataset:
        assert dataset.descriptions == ("red", "nir/2")
        assert dataset.nodata == -9999
        assert dataset.tags()["SOURCE"] == "a test"


@pytest.mark.parametrize(("kind", "nodata"), [("uint8", -9999), ("uint8", 0.5), ("int16", 1e9)])
def test_a_nodata_value_that_does_not_fit_is_left_out(kind: str, nodata: float) -> None:
    with opened(encode(Picture(data=ramp(2, 2, 1, kind), nodata=nodata), TIF)) as dataset:
        assert dataset.nodata is None


def test_nodata_may_be_nan() -> None:
    with opened(encode(Picture(data=ramp(2, 2, 1, "float32"), nodata=np.nan), TIF)) as dataset:
        assert np.isnan(dataset.nodata)


def test_palettes_become_colours_and_opacity() -> None:
    palette = np.array([[1, 2, 3, 255], [4, 5, 6, 0]], np.uint8)
    picture = Picture(data=np.array([[[0], [1]]], np.uint8), palette=palette, bounds=BOUNDS, crs=Crs("EPSG:3857"))
    assert np.load(io.BytesIO(encode(picture, NPY)))[:, 0].tolist() == [[1, 4], [2, 5], [3, 6], [255, 0]]
    with opened(encode(picture, TIF)) as dataset:
        assert dataset.read()[:, 0].tolist() == [[1, 4], [2, 5], [3, 6], [255, 0]]
        assert tuple(dataset.bounds) == BOUNDS


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (64, 64)])
def test_jp2(kind: str, size: tuple[int, int]) -> None:
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    pixels = np.stack([100 + x + y, 200 - x], axis=-1).astype(kind)
    with opened(encode(Picture(data=pixels, mask=np.full(size, np.iinfo(kind).max, kind)), JP2)) as dataset:
        assert dataset.driver == "JP2OpenJPEG"
        assert (dataset.count, dataset.height, dataset.width) == (3, *size)
        if size == (64, 64):
            assert np.abs(dataset.read([1, 2]).transpose(1, 2, 0).astype(int) - pixels).mean() < 4


def test_complex_numbers_are_written() -> None:
    with opened(encode(Picture(data=ramp(2, 2, 1, "complex64")), TIF)) as dataset:
        assert dataset.dtypes == ("complex64",)


def test_types_that_gdal_does_not_write_are_told() -> None:
    # GDAL has no type for strings; short floats it has since 3.11.
    with pytest.raises(InvalidFormat) as caught:
        encode(Picture(data=np.zeros((2, 2, 1), "datetime64[s]")), TIF)
    assert "datetime64" in caught.value.detail


def test_npy_keeps_any_type_and_layout() -> None:
    pixels = np.ascontiguousarray(ramp(3, 4, 2, "float16").transpose(2, 0, 1)).transpose(1, 2, 0)
    array = np.load(io.BytesIO(encode(Picture(data=pixels), NPY)))
    assert array.flags.c_contiguous
    assert np.array_equal(array, pixels.transpose(2, 0, 1))


# the table


def test_formats() -> None:
    assert list(formats.FORMATS) == ["png", "npy", "tif", "tiff", "jpeg", "jpg", "jp2", "webp", "pngraw"]
    assert {name: row.media_type for name, row in formats.FORMATS.items()} == {
        "png": "image/png",
        "npy": "application/x-binary",
        "tif": "image/tiff; application=geotiff",
        "tiff": "image/tiff; application=geotiff",
        "jpeg": "image/jpeg",
        "jpg": "image/jpeg",
        "jp2": "image/jp2",
        "webp": "image/webp",
        "pngraw": "image/png",
    }
    assert all(row.name == name for name, row in formats.FORMATS.items())


def test_unknown_formats() -> None:
    with pytest.raises(InvalidParameter) as caught:
        formats.get("gif")
    assert caught.value.parameter == "format"


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("image/png", "png"),
        ("image/jpg", "jpeg"),
        ("IMAGE/JPEG", "jpeg"),
        ("image/tiff", "tif"),
        ("image/tiff; application=geotiff", "tif"),
        ("image/webp;q=0.8", "webp"),
        ("text/html", None),
    ],
)
def test_media_types(media_type: str, name: str | None) -> None:
    row = formats.by_media_type(media_type)
    assert (row and row.name) == name


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("png", {"uint8", "uint16"}),
        ("jpeg", {"uint8"}),
        ("webp", {"uint8"}),
        ("jp2", {"uint8", "uint16", "int16"}),
        ("tif", {"uint8", "uint16", "int16", "float32"}),
    ],
)
def test_types_held(name: str, held: set[str]) -> None:
    kinds = ("uint8", "uint16", "int16", "float32")
    assert {kind for kind in kinds if formats.holds(formats.get(name), np.dtype(kind))} == held


@pytest.mark.parametrize(
    ("name", "masked", "good"),
    [
        ("png", False, {1, 2, 3, 4}),
        ("png", True, {1, 2, 3}),
        ("pngraw", True, {1, 2, 3}),
        ("jpeg", False, {1, 3, 4}),
        ("jpg", True, {1, 3, 4}),
        ("webp", False, {1, 3, 4}),
        ("webp", True, {1, 2, 3}),
        ("jp2", True, {1, 2, 3, 4, 5, 6}),
        ("tif", True, {1, 2, 3, 4, 5, 6}),
        ("npy", False, {1, 2, 3, 4, 5, 6}),
    ],
)
def test_numbers_of_channels(name: str, masked: bool, good: set[int]) -> None:
    for count in range(1, 7):
        if count in good:
            formats.check_channels(formats.get(name), count, masked=masked)
        else:
            with pytest.raises(InvalidFormat) as caught:
                formats.check_channels(formats.get(name), count, masked=masked)
            assert caught.value.status == 400
            assert caught.value.limit is not None
            assert name in caught.value.detail
