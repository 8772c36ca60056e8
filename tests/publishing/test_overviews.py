"""Overviews against sums written out pixel by pixel: what is missing has no weight, at any level and of any type."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from tests.support import rasters as made
from tilery.publishing import rasters
from tilery.publishing.downsampling import halve, halve_alpha, side
from tilery.publishing.overviews import factors, level_file, mask_file, overviews, pixels, sidecar

QUIET = lambda _amount: None  # noqa: E731


def made_of(data: Any, weight: Any, method: str, nodata: float | None = None) -> tuple[Any, Any]:
    """Return all of an overview at once."""
    height, width = data.shape[1:]
    rows = side(method, height, -(-height // 2), 0, -(-height // 2))
    columns = side(method, width, -(-width // 2), 0, -(-width // 2))
    around = ((0, 0), (-rows.start, rows.stop - height), (-columns.start, columns.stop - width))
    weight = None if weight is None else np.pad(weight, around, mode="edge")
    return halve(np.pad(data, around, mode="edge"), weight, rows, columns, method, nodata)


def four(array: Any, row: int, column: int) -> Any:
    """Return the pixels that one of an overview stands for."""
    height, width = array.shape
    below_rows, below_columns = -(-height // 2), -(-width // 2)
    rows = [int((row + part) * height / below_rows) for part in (0.25, 0.75)]
    columns = [int((column + part) * width / below_columns) for part in (0.25, 0.75)]
    return [array[r, c] for r in rows for c in columns]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32"])
def test_means_are_of_valid_pixels_alone(dtype: str) -> None:
    rng = np.random.default_rng(4)
    data = rng.integers(-100 if np.dtype(dtype).kind != "u" else 0, 120, (2, 12, 20)).astype(dtype)
    weight = rng.random((1, 12, 20)) < 0.6
    found, valid = made_of(data, weight, "average")
    assert valid.shape == (1, 6, 10)
    for band in range(2):
        for row, column in np.ndindex(6, 10):
            there = four(weight[0], row, column)
            values = [float(v) for v, ok in zip(four(data[band], row, column), there, strict=True) if ok]
            assert valid[0, row, column] == bool(values)
            if values:
                assert abs(found[band, row, column] - sum(values) / len(values)) <= (
                    0.5 if dtype != "float32" else 1e-5
                )


def test_halves_are_rounded_to_even_so_that_means_do_not_drift() -> None:
    data = np.array([[[1, 1, 2, 2], [2, 2, 3, 3]]], "uint8")  # means of 1.5 and 2.5
    assert made_of(data, None, "average")[0].tolist() == [[[2, 2]]]


@pytest.mark.parametrize("method", ["average", "bilinear", "cubic", "mode", "nearest"])
@pytest.mark.parametrize("size", [(64, 64), (33, 47), (1, 5), (2, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "int64"])
def test_what_is_the_same_everywhere_stays_the_same(method: str, size: tuple[int, int], dtype: str) -> None:
    """Beside specks that are missing too, level by level, whatever hides under the mask."""
    value = {"uint8": 200, "int16": -300, "float32": 0.1, "float64": 1e300 / 7, "int64": 2**62 + 1}[dtype]
    rng = np.random.default_rng(1)
    weight = rng.random((1, *size)) < 0.75
    weight[0, 0, 0] = True
    data = np.where(weight, np.array(value, dtype), np.array(0, dtype))
    if dtype.startswith("float"):
        data[~weight] = np.nan
    while max(data.shape[1:]) > 1:
        data, valid = made_of(data, weight, method)
        weight = np.ones((1, *data.shape[1:]), "bool") if valid is None else valid
        wrong = np.abs(data[weight] - np.array(value, dtype)) > (1e-15 * value if dtype == "float64" else 0)
        assert not wrong.any()


@pytest.mark.parametrize("length", [8, 9, 513, 1001])
@pytest.mark.parametrize("method", ["average", "bilinear", "cubic"])
def test_a_ramp_stays_where_it_is(length: int, method: str) -> None:
    """Also where the level above has an odd length, and a pixel of the overview stands for a little less than two."""
    below = -(-length // 2)
    data = np.broadcast_to(np.arange(length) + 0.5, (1, 4, length)).copy()
    found, _ = made_of(data, None, method)
    right = (np.arange(below) + 0.5) * length / below
    inner = slice(4, -4) if below > 10 else slice(2, -2)
    assert found[0, 0, inner] == pytest.approx(right[inner], abs=0.02)


def test_cubic_is_the_kernel_where_all_is_there_and_a_mean_beside_what_is_not() -> None:
    rng = np.random.default_rng(2)
    data = rng.integers(0, 255, (1, 32, 32)).astype("uint8")
    weights = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
    missing = np.ones((1, 32, 32), "bool")
    missing[0, 0:4, 0:4] = False
    missing[0, 16, 20] = False
    found, valid = made_of(np.where(missing, data, 0), missing, "cubic")
    assert not valid[0, :2, :2].any()
    assert valid.sum() == 16 * 16 - 4
    wide = data[0].astype("float64")
    for row, column in [(5, 5), (12, 12), (8, 13), (4, 8)]:
        patch = wide[2 * row - 3 : 2 * row + 5, 2 * column - 3 : 2 * column + 5]
        whole = missing[0, 2 * row - 3 : 2 * row + 5, 2 * column - 3 : 2 * column + 5].all()
        there = missing[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        mean = wide[2 * row : 2 * row + 2, 2 * column : 2 * column + 2][there].mean()
        right = np.clip(weights @ patch @ weights, 0, 255) if whole else mean
        assert abs(found[0, row, column] - right) <= 0.5 + 1e-3


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -9999), ("int32", -(2**31)), ("int8", -128), ("uint8", 255)])
def test_mode_counts_what_is_valid(dtype: str, nodata: int) -> None:
    rng = np.random.default_rng(3)
    data = rng.choice([1, 2, 5], (1, 10, 14)).astype(dtype)
    data[rng.random(data.shape) < 0.5] = nodata
    found, valid = made_of(data, data != nodata, "mode", nodata)
    for row, column in np.ndindex(5, 7):
        there = [int(v) for v in four(data[0], row, column) if v != nodata]
        assert valid[0, row, column] == bool(there)
        if there:
            most = Counter(there).most_common()[0][1]
            assert found[0, row, column] in {value for value, votes in Counter(there).items() if votes == most}


def test_no_mean_becomes_the_nodata_value() -> None:
    data = np.array([[[-1, 1, 7, 7], [-1, 1, 7, 7]]], "int16")
    found, valid = made_of(data, np.ones((1, 2, 4), "bool") & (data != 0), "average", 0)
    assert valid is None
    assert found[0, 0].tolist() == [1, 7]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colours_are_weighted_by_opacity(dtype: str) -> None:
    full = np.iinfo(dtype).max
    alpha = np.array([[full, full // 3, 0, 0], [0, 0, 0, 1]], dtype)
    data = np.array([[[10, 70, 9, 9], [99, 99, 9, 50]]], dtype)
    found, valid = made_of(data, alpha[None], "cubic")
    rows, columns = side("cubic", 2, 1, 0, 1), side("cubic", 4, 2, 0, 2)
    around = ((-rows.start, rows.stop - 2), (-columns.start, columns.stop - 4))
    opacity = halve_alpha(np.pad(alpha, around, mode="edge"), rows, columns, "cubic")
    assert found[0, 0].tolist() == [25, 50]
    assert valid.all()
    assert opacity[0].tolist() == [round((full + full // 3) / 4), 1]


def rgb(value: int, size: tuple[int, int], valid: Any) -> Any:
    return np.where(valid, value, 0).astype("uint8")[None].repeat(3, axis=0).reshape(3, *size)


@pytest.mark.parametrize("size", [(2048, 1536), (1101, 1733)])
def test_a_file_gets_its_overviews_window_by_window_as_if_at_once(tmp_path: Path, size: tuple[int, int]) -> None:
    """Levels and masks as GDAL finds them, without seams where windows meet."""
    rng = np.random.default_rng(5)
    valid = rng.random(size) < 0.97
    data = np.where(valid, rng.integers(1, 255, (2, *size)), 0).astype("uint8")
    path = made.write(tmp_path / "a.tif", data, mask=valid, overviews=())
    levels = len(factors(size[1], size[0]))
    counted: list[int] = []
    overviews(path, levels, "cubic", counted.append, beside=tmp_path / "b.tif")
    assert sum(counted) == pixels(size[1], size[0])
    above, weight = data, valid[None]
    for level in range(1, levels + 1):
        right, found_valid = made_of(above, weight, "cubic")
        there = np.ones((1, *right.shape[1:]), "bool") if found_valid is None else found_valid
        with rasterio.open(level_file(tmp_path / "b.tif", level)) as found:
            assert (found.read()[:, there[0]] == right[:, there[0]]).all()
            assert (found.read()[:, ~there[0]] == 0).all()
        with rasterio.open(mask_file(tmp_path / "b.tif", level)) as found:
            assert ((found.read(1) == 255) == there[0]).all()
        above, weight = right, there


@pytest.mark.parametrize("position", [1, 2, 5])
def test_alpha_counts_wherever_it_stands(tmp_path: Path, position: int) -> None:
    size = (1100, 1100)
    alpha = np.full(size, 65535, "uint16")
    alpha[:550] = 0
    bands = [np.where(alpha > 0, 200, 0).astype("uint16") for _ in range(4)]
    bands.insert(position - 1, alpha)
    path = made.write(tmp_path / "a.tif", np.stack(bands), overviews=())
    with rasterio.open(path, "r+") as written:
        meaning = [ColorInterp.undefined] * 5
        meaning[position - 1] = ColorInterp.alpha
        written.colorinterp = meaning
    overviews(path, 2, "cubic", QUIET)
    for level in (1, 2):
        with rasterio.open(level_file(path, level)) as found:
            valid = found.read(position) > 0
            assert valid.mean() == pytest.approx(0.5, abs=0.01)
            for band in {1, 2, 3, 4, 5} - {position}:
                assert (found.read(band)[valid] == 200).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_that_are_not_numbers_are_missing(tmp_path: Path, dtype: str) -> None:
    data = np.full((1, 1100, 1100), 7.5, dtype)
    data[0, ::2, ::2] = np.nan
    data[0, :500] = np.nan
    data[0, 600, 600] = np.inf
    path = made.write(tmp_path / "a.tif", data, overviews=())
    overviews(path, 2, "average", QUIET)
    with rasterio.open(level_file(path, 1)) as found:
        values = found.read(1)
        assert np.isnan(values[:250]).all()
        assert (values[250:] == 7.5).all()


def test_overviews_in_one_file_beside_the_raster(tmp_path: Path) -> None:
    size = (2100, 2100)
    valid = np.ones(size, "bool")
    valid[:, :1000] = False
    path = made.write(tmp_path / "a.tif", rgb(200, size, valid), mask=None, overviews=())
    with rasters.environment(), rasterio.open(path, "r+") as written:
        written.write_mask(valid)
    assert path.with_name("a.tif.msk").exists()
    sidecar(path, 3, "cubic", QUIET)
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.tif", "a.tif.msk", "a.tif.ovr", "a.tif.msk.ovr"}
    for level in range(3):
        with rasters.environment(), rasterio.open(path, overview_level=level) as found:
            there = found.dataset_mask() > 0
            assert there.mean() == pytest.approx(1100 / 2100, abs=0.01)
            assert (found.read()[:, there] == 200).all()
