"""STAC Items: footprints off the globe and across its seams, shares of valid pixels, assets of layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from tests.support import rasters, service

GEOSTATIONARY = "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84"


def item(folder: Path, path: Path, **params: Any) -> Any:
    answer = service.client(folder).get("/cog/stac", params={"url": str(path), **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("crs", "half_x", "half_y", "bounds"),
    [
        (GEOSTATIONARY, 5567248, 5567248, (-81.3, -81.3, 81.3, 81.3)),
        ("+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84", 6378137, 6356752, (-90, -90, 90, 90)),
        ("ESRI:54009", 18040000, 9020000, (-180, -90, 180, 90)),
        ("EPSG:3413", 4000000, 4000000, (-180, 40.9, 180, 90)),
    ],
)
def test_a_view_of_the_globe_has_a_footprint(
    tmp_path: Path, crs: str, half_x: float, half_y: float, bounds: tuple[float, ...]
) -> None:
    data = np.random.default_rng(1).integers(0, 200, (1, 100, 200), dtype="uint8")
    transform = Affine(half_x / 100, 0, -half_x, 0, -half_y / 50, half_y)
    found = item(tmp_path, rasters.write(tmp_path / "a.tif", data, crs=crs, transform=transform))
    assert found["bbox"] == pytest.approx(bounds, abs=0.3)
    ring = np.array(found["geometry"]["coordinates"][0])
    assert np.isfinite(ring).all()
    assert (ring.min(axis=0), ring.max(axis=0)) == (
        pytest.approx(bounds[:2], abs=0.3),
        pytest.approx(bounds[2:], abs=0.3),
    )
    assert found["assets"]["data"]["raster:bands"][0]["statistics"]["maximum"] == data.max()


@pytest.mark.parametrize("bounds", [(170.0, -25.0, 190.0, -10.0), (-190.0, -25.0, -170.0, -10.0)])
def test_one_over_the_antimeridian_is_in_two_parts(tmp_path: Path, bounds: Any) -> None:
    found = item(tmp_path, rasters.constant(tmp_path / "a.tif", 1, bounds=bounds))
    assert found["bbox"] == [170, -25, -170, -10]
    assert found["geometry"]["type"] == "MultiPolygon"


def test_one_that_lies_nowhere_has_no_geometry(tmp_path: Path) -> None:
    found = item(tmp_path, rasters.constant(tmp_path / "a.tif", 1, crs=None, bounds=None))
    assert found["geometry"] is None
    assert "bbox" not in found


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("missing", [0, 0.25, 1])
@pytest.mark.parametrize("max_size", [64, 1024])
def test_the_share_of_valid_pixels(tmp_path: Path, dtype: str, missing: float, max_size: int) -> None:
    data = np.random.default_rng(1).integers(1, 100, (1, 120, 80)).astype(dtype)
    data[:, : int(120 * missing)] = 0
    nodata = None if missing == 0 else 0
    path = rasters.write(tmp_path / "a.tif", data, nodata=nodata, overviews=())
    (band,) = item(tmp_path, path, max_size=max_size)["assets"]["data"]["raster:bands"]
    assert band["statistics"]["valid_percent"] == pytest.approx(100 * (1 - missing), abs=2)


def test_nan_is_not_valid(tmp_path: Path) -> None:
    data = np.ones((1, 100, 100), "float32")
    data[:, :50] = np.nan
    (band,) = item(tmp_path, rasters.write(tmp_path / "a.tif", data))["assets"]["data"]["raster:bands"]
    assert band["statistics"]["valid_percent"] == 50
