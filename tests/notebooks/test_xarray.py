"""What is read as a DataArray: positions, CRS and missing data, worked out from the values that were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
from pyproj import CRS

import tilery
from tests.support import rasters

SIZE = 8
BOX = (500_000.0, 5_000_000.0, 500_800.0, 5_000_800.0)
"""100 m a pixel."""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    data = np.arange(2 * SIZE * SIZE, dtype="int16").reshape(2, SIZE, SIZE)
    data[:, 0, 0] = -1
    return rasters.write(
        tmp_path / "grid.tif", data, crs="EPSG:32632", bounds=BOX, nodata=-1, tiled=False, overviews=()
    )


def test_positions_values_and_crs(grid: Path) -> None:
    found = tilery.open(grid).read()
    assert isinstance(found, xarray.DataArray)
    assert (found.dims, found.shape, found.dtype, found.name) == (
        ("band", "y", "x"),
        (2, SIZE, SIZE),
        "float32",
        "grid",
    )
    np.testing.assert_array_equal(found.x, 500_050 + 100 * np.arange(SIZE))
    np.testing.assert_array_equal(found.y, 5_000_750 - 100 * np.arange(SIZE))
    assert found.sel(band=2, x=500_151, y=5_000_700, method="nearest") == SIZE * SIZE + 1
    assert bool(found.isnull()[0, 0, 0])
    assert int(found.isnull().sum()) == 2
    assert CRS.from_wkt(found.spatial_ref.attrs["crs_wkt"]).to_epsg() == 32632
    assert [float(part) for part in found.spatial_ref.attrs["GeoTransform"].split()] == [
        5e5,
        100,
        0,
        5_000_800,
        0,
        -100,
    ]
    assert found.encoding["grid_mapping"] == "spatial_ref"
    assert "long_name" not in found.attrs


def test_a_box_in_another_crs_and_types_that_hold_the_values(grid: Path, tmp_path: Path) -> None:
    raster = tilery.open(grid)
    part = raster.read(BOX, bounds_crs="EPSG:32632", crs="EPSG:4326", max_size=4, bands=1)
    assert isinstance(part, xarray.DataArray)
    assert max(part.shape) == 4
    assert 8.99 < float(part.x.min()) < 9.02
    large = rasters.write(tmp_path / "large.tif", np.full((1, 4, 4), 2**31 - 1, "int32"), overviews=())
    assert float(tilery.open(large).read().max()) == 2**31 - 1


def test_a_masked_array_keeps_the_type(grid: Path) -> None:
    found = tilery.open(grid).read(masked=True)
    assert (type(found), found.dtype) == (np.ma.MaskedArray, np.int16)
