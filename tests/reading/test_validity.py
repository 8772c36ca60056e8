"""What is valid, and that what is valid has a value: every data type, mask, resampling and engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.reading.test_reader import reader_of
from tests.support import rasters
from tests.support.engine import ENGINE
from tilery.geo import crs as crs_
from tilery.geo.raster import Array, Bounds, Crs, Grid, Raster
from tilery.reading import gdal_samples
from tilery.reading.grid.reader import rows_of
from tilery.reading.options import ReadOptions
from tilery.reading.reader import Reader

SIZE = 96
LEFT, BOTTOM, SIDE = 1000.0, 2000.0, 10.0
BOUNDS: Bounds = (LEFT, BOTTOM, LEFT + SIZE * SIDE, BOTTOM + SIZE * SIDE)
VALUE = 100
OWN = ("nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode", "gauss", "rms")
WARPED = ("max", "min", "med", "q1", "q3")
MERCATOR, DEGREES = crs_.WEB_MERCATOR, crs_.WGS84


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    yield
    ENGINE.datasets.clear()


def write(path: Path, data: Array, *, tiled: bool, **more: Any) -> Path:
    return rasters.write(
        path, data, crs="EPSG:3857", bounds=BOUNDS, tiled=tiled, block=32, overviews=more.pop("overviews", ()), **more
    )


def read(reader: Reader, box: Bounds, crs: Crs, method: str, size: int = 40, nodata: float | None = None) -> Raster:
    """Return a box of the raster's CRS, in another, resampled by the method in whichever parameter takes it."""
    own = crs == MERCATOR
    options = ReadOptions(
        resampling=method if own or method == "gauss" else "nearest",
        reproject="nearest" if own or method == "gauss" else method,
        nodata=nodata,
    )
    placed = crs_.transform_bounds(MERCATOR, crs, box)
    return reader.part(placed, bounds_crs=crs, options=options, width=size, height=size)


def mask_of(raster: Raster) -> NDArray[np.bool_]:
    return np.ones(raster.data.shape, bool) if raster.mask is None else np.broadcast_to(raster.mask, raster.data.shape)


def boxes() -> list[Bounds]:
    """Return boxes inside and beyond the raster, finer and coarser than it, at odd places."""
    found = []
    for number, wide in enumerate((150.0, 333.3, 905.0, 1834.5)):
        for part in (-0.77, 0.213, 0.65):
            x = LEFT + part * wide if number % 2 else LEFT + part * 0.5 * (SIZE * SIDE - wide)
            found.append((x, BOTTOM + 0.31 * part * wide, x + wide, BOTTOM + 0.31 * part * wide + wide))
    return found


def pattern() -> NDArray[np.bool_]:
    """True but for specks, stripes and an edge."""
    rng = np.random.default_rng(5)
    valid = np.ones((SIZE, SIZE), bool)
    for row, column, side in rng.integers((0, 0, 1), (SIZE, SIZE, 12), (20, 3)):
        valid[row : row + side, column : column + side] = False
    valid[:5] = False
    return valid


@pytest.mark.parametrize(
    ("kind", "dtype", "tiled", "overviews"),
    [
        ("none", "uint8", False, ()),
        ("none", "float32", False, (2, 4)),
        ("nodata", "uint8", False, ()),
        ("nodata", "int16", False, (2, 4)),
        ("nodata", "float32", True, ()),
        ("mask", "uint8", False, ()),
        ("mask", "uint8", True, (2, 4)),
        ("mask", "uint32", False, (2, 4)),
        ("mask", "float64", False, ()),
        ("alpha", "uint8", False, (2, 4)),
        ("alpha", "uint16", True, ()),
    ],
)
def test_what_is_valid_has_the_value_of_what_is_valid_around(
    tmp_path: Path, kind: str, dtype: str, tiled: bool, overviews: tuple[int, ...]
) -> None:
    valid = pattern() if kind != "none" else np.ones((SIZE, SIZE), bool)
    data = np.where(valid, VALUE, 0).astype(dtype)[None]
    more: dict[str, Any] = {}
    if kind == "nodata":
        more = {"nodata": 0}
    elif kind == "mask":
        more = {"mask": valid}
    elif kind == "alpha":
        data, more = (
            np.concatenate([data, np.where(valid[None], np.iinfo(dtype).max, 0).astype(dtype)]),
            {"alpha": True},
        )
    with reader_of(write(tmp_path / "raster.tif", data, tiled=tiled, overviews=overviews, **more)) as reader:
        for crs, methods in ((MERCATOR, OWN), (DEGREES, OWN + WARPED)):
            for method in methods:
                for box in boxes() if crs == MERCATOR else boxes()[::4]:
                    raster = read(reader, box, crs, method)
                    shown = raster.data[0][mask_of(raster)[0]]
                    assert np.abs(shown.astype(float) - VALUE).max(initial=0) <= 1, (crs, method, box)


@pytest.mark.parametrize("kind", ["none", "nodata", "mask"])
def test_nearest_pixels_are_valid_and_valued_where_the_middle_lies(tmp_path: Path, kind: str) -> None:
    valid = pattern() if kind != "none" else np.ones((SIZE, SIZE), bool)
    data = np.arange(1, SIZE * SIZE + 1, dtype="uint16").reshape(SIZE, SIZE)
    data[~valid] = 0
    kinds: dict[str, dict[str, Any]] = {"none": {}, "nodata": {"nodata": 0}, "mask": {"mask": valid}}
    more = kinds[kind]
    path = write(tmp_path / "strips.tif", data[None], tiled=False, **more)
    with reader_of(path) as reader:
        for box in boxes():
            raster = read(reader, box, MERCATOR, "nearest")
            middle = (np.arange(40) + 0.5) / 40
            columns = np.floor((box[0] + middle * (box[2] - box[0]) - LEFT) / SIDE).astype(int)
            rows = np.floor((BOUNDS[3] - (box[3] - middle * (box[3] - box[1]))) / SIDE).astype(int)
            inside = ((rows >= 0) & (rows < SIZE))[:, None] & ((columns >= 0) & (columns < SIZE))[None]
            at = np.clip(rows, 0, SIZE - 1)[:, None], np.clip(columns, 0, SIZE - 1)[None]
            assert (mask_of(raster)[0] == (inside & valid[at])).all()
            assert (raster.data[0][inside & valid[at]] == data[at][inside & valid[at]]).all()
            assert (raster.data[0][~inside] == 0).all()


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize(
    ("dtype", "nodata", "pair"),
    [("float32", 0.0, (-1, 1)), ("float64", 0.0, (-1, 1)), ("int16", 5.0, (4, 6)), ("uint8", 5.0, (4, 6)),
     ("int32", 5.0, (4, 6)), ("float32", -1e30, (-2e30, 0))],
)  # fmt: skip
def test_what_is_computed_is_never_missing(
    tmp_path: Path, dtype: str, nodata: float, pair: tuple[float, float], tiled: bool
) -> None:
    data = np.where(np.indices((SIZE, SIZE)).sum(axis=0) % 2, *pair).astype(dtype)[None]
    path = write(tmp_path / "chequered.tif", data, tiled=tiled, nodata=nodata)
    with reader_of(path) as reader:
        for crs, methods in ((MERCATOR, OWN), (DEGREES, (*OWN, *WARPED, "sum"))):
            for method in methods:
                for size, inset in ((24, 0.0), (24, 100.0), (24, -100.0), (95, 5.0)):
                    box = (LEFT + inset, BOTTOM + inset, BOUNDS[2] - inset, BOUNDS[3] - inset)
                    raster = read(reader, box, crs, method, size)
                    edge = 4 if inset < 0 else 1
                    assert mask_of(raster)[0, edge * 2 : -edge * 2, edge * 2 : -edge * 2].all(), (crs, method, inset)


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize(
    ("dtype", "base"),
    [("int32", 2**24), ("int32", -(2**30)), ("uint32", 2**31), ("int64", 2**40), ("float64", 2**52)],
)
@pytest.mark.parametrize("masked", [None, "nodata", "mask"])
def test_the_most_frequent_code_is_one_of_the_raster(
    tmp_path: Path, dtype: str, base: int, masked: str | None, tiled: bool
) -> None:
    rng = np.random.default_rng(2)
    codes = (base + np.array([0, 1, 3, 7])).astype(dtype)
    picked = rng.choice(4, (SIZE, SIZE), p=(0.4, 0.3, 0.2, 0.1))
    missing = rng.random((SIZE, SIZE)) < 0.6
    missing[:16, :16] = True
    more: dict[str, Any] = {}
    if masked == "nodata":
        picked[missing] = 3
        more = {"nodata": float(codes[3])}
    elif masked == "mask":
        more = {"mask": ~missing}
    hidden = picked == 3 if masked == "nodata" else missing if masked == "mask" else np.zeros_like(missing)
    path = write(tmp_path / "codes.tif", codes[picked][None], tiled=tiled, **more)
    with reader_of(path) as reader:
        whole = read(reader, BOUNDS, MERCATOR, "mode", SIZE // 8)
        turned = read(reader, BOUNDS, DEGREES, "mode", 11)
    assert np.isin(turned.data[mask_of(turned)], codes).all()
    assert mask_of(turned).sum() > 100
    if masked is None:
        return
    for row in range(SIZE // 8):
        for column in range(SIZE // 8):
            block = (slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
            counts = np.bincount(picked[block][~hidden[block]], minlength=4)
            assert mask_of(whole)[0, row, column] == (counts.sum() > 0)
            if counts.sum():
                assert counts[np.flatnonzero(codes == whole.data[0, row, column])[0]] == counts.max()


def test_the_most_frequent_of_many_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tilery.reading import gdal

    data = np.random.default_rng(0).integers(2**25, 2**25 + 3, (1, SIZE, SIZE)).astype("int32")
    path = write(tmp_path / "codes.tif", data, tiled=False, mask=pattern())
    with reader_of(path) as reader:
        for crs in (MERCATOR, DEGREES):
            expected = read(reader, BOUNDS, crs, "mode", 24)
            monkeypatch.setattr(gdal, "_SAMPLES", 24 * 16 * 5)
            found = read(reader, BOUNDS, crs, "mode", 24)
            monkeypatch.undo()
            assert (mask_of(found) == mask_of(expected)).all()
            assert (found.data[mask_of(found)] == expected.data[mask_of(found)]).all()


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("kind", ["nodata", "unsaid", "mask"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_a_number_is_transparent(tmp_path: Path, tiled: bool, kind: str, dtype: str) -> None:
    data = np.full((2, SIZE, SIZE), VALUE, dtype)
    data[0, 20:40, 20:40] = np.nan
    data[:, 60:80, 60:80] = np.nan
    more: dict[str, Any] = {}
    if kind == "nodata":
        data[:, :10] = -9999
        more = {"nodata": -9999}
    elif kind == "mask":
        more = {"mask": np.indices((SIZE, SIZE))[0] >= 10}
    with reader_of(write(tmp_path / "nan.tif", data, tiled=tiled, **more)) as reader:
        for crs in (MERCATOR, DEGREES):
            for method in ("nearest", "bilinear", "average"):
                raster = read(reader, BOUNDS, crs, method, SIZE)
                mask = mask_of(raster)
                assert not mask[0, 25:35, 25:35].any()
                assert mask[1, 25:35, 25:35].all()
                assert not mask[:, 65:75, 65:75].any()
                assert mask[:, 45:55, 45:55].all()
                assert mask[:, :9].any() == (kind == "unsaid")
                assert np.isfinite(raster.data[mask]).all()


def test_of_several_places_alike_the_majority_takes_the_least() -> None:
    values = np.array([[3, 1, 3, 1], [2, 2, 9, 1], [5, 6, 7, 8]])
    valid = np.array([[True] * 4, [False, True, True, True], [False] * 4])
    assert gdal_samples.majority(values, None)[0].tolist() == [1, 2, 5]
    found, some = gdal_samples.majority(values, valid)
    assert found[:2].tolist() == [1, 1]
    assert some.tolist() == [True, True, False]


def test_rows_of_a_grid() -> None:
    grid = Grid(crs=MERCATOR, bounds=(0.0, 0.0, 10.0, 40.0), width=5, height=20)
    assert rows_of(grid, 5, 10) == Grid(crs=MERCATOR, bounds=(0.0, 20.0, 10.0, 30.0), width=5, height=5)
