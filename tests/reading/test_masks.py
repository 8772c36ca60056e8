"""Alpha bands of every data type: what counts, and what shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds

from tests.support.engine import ENGINE
from tilery.geo.crs import WEB_MERCATOR
from tilery.reading.options import ReadOptions
from tilery.reading.source import raster
from tilery.storage.policy import Policy

SIDE = 64


def make(path: Path, dtype: str, shown: float, **options: object) -> Path:
    """Write a raster whose left half is there."""
    data = np.full((2, SIDE, SIDE), 100, dtype)
    data[1] = 0
    data[1, :, : SIDE // 2] = shown
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 2, "dtype": dtype, "crs": "EPSG:3857"}
    with rasterio.open(path, "w", transform=from_bounds(0, 0, 640, 640, SIDE, SIDE), **profile, **options) as target:
        target.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
        target.write(data)
    return path


@pytest.mark.parametrize("written", [{"tiled": True, "blockxsize": 32, "blockysize": 32}, {"compress": "packbits"}])
@pytest.mark.parametrize(
    ("dtype", "shown", "whole"),
    [
        ("uint8", 255, True),
        ("uint8", 254, False),
        ("int16", 32767, True),
        ("uint16", 65535, True),
        ("uint16", 255, False),
        *((name, int(np.iinfo(name).max), True) for name in ("int8", "int32", "uint32", "int64", "uint64")),
        ("int64", 255, False),
        ("float32", 1, True),  # floating point has no most: both 1 and 255 are written for opaque
        ("float32", 255, True),
        ("float64", 0.5, True),
    ],
)
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_what_an_alpha_band_hides(
    tmp_path: Path, written: dict[str, object], dtype: str, shown: float, whole: bool, method: str
) -> None:
    path = make(tmp_path / "a.tif", dtype, shown, **written)
    source = raster(Policy.from_sources([f"{tmp_path}/"]).locate(str(path)))
    with ENGINE.open(source) as reader:
        options = ReadOptions(resampling=method)
        found = reader.part((0, 0, 640, 640), bounds_crs=WEB_MERCATOR, width=SIDE, height=SIDE, options=options)
    assert found.mask is not None
    mask = found.mask.reshape(SIDE, SIDE)
    away = 2  # from the edge in the middle, where kernels mix
    assert (mask[:, : SIDE // 2 - away] == whole).all()
    assert not mask[:, SIDE // 2 + away :].any()
    assert (found.data[0, :, : SIDE // 2 - away] == 100).all()


@pytest.mark.parametrize("method", ["bilinear", "cubic", "lanczos"])
@pytest.mark.parametrize(("dtype", "shown"), [("uint8", 255), ("int16", 32767), ("float32", 1)])
def test_what_is_hidden_begins_where_the_nearest_pixel_is_hidden(
    tmp_path: Path, dtype: str, shown: float, method: str
) -> None:
    """As with nodata and masks, and in GDAL: mosaics have no gap then where two rasters meet. What shows fades out."""
    path = make(tmp_path / "a.tif", dtype, shown, tiled=True, blockxsize=32, blockysize=32)
    source = raster(Policy.from_sources([f"{tmp_path}/"]).locate(str(path)))
    with ENGINE.open(source) as reader:
        options = ReadOptions(resampling=method)
        found = reader.part((0, 0, 640, 640), bounds_crs=WEB_MERCATOR, width=5 * SIDE, height=SIDE, options=options)
    assert found.mask is not None
    assert np.array_equal(found.mask[0], np.broadcast_to(np.arange(5 * SIDE) < 5 * SIDE // 2, (SIDE, 5 * SIDE)))
    assert np.allclose(found.data[0][found.mask[0]], 100)
    assert found.alpha is not None
    assert 0 < found.alpha[0, 5 * SIDE // 2 - 1] < shown
