"""STAC Items: footprints off the globe and across its seams, shares of valid pixels, assets of layers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

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


@pytest.mark.parametrize(
    ("tags", "imagery", "moment"),
    [
        ({"TIFFTAG_DATETIME": "2019:05:06 07:08:09"}, {}, "2019-05-06T07:08:09Z"),  # as TIFF 6.0 writes it
        ({"TIFFTAG_DATETIME": "2019-05-06T07:08:09Z"}, {}, "2019-05-06T07:08:09Z"),
        ({}, {"ACQUISITIONDATETIME": "2018-01-02T03:04:05+01:00"}, "2018-01-02T02:04:05Z"),
        (
            {"TIFFTAG_DATETIME": "2019:05:06 07:08:09"},
            {"ACQUISITIONDATETIME": "2018-01-02T03:04:05Z"},
            "2018-01-02T03:04:05Z",
        ),
        (
            {"TIFFTAG_DATETIME": "2019:05:06 07:08:09"},
            {"ACQUISITIONDATETIME": "some day"},
            "2019-05-06T07:08:09Z",
        ),
        ({"TIFFTAG_DATETIME": "2019:15:06 07:08:09"}, {}, None),
        ({}, {"ACQUISITIONDATETIME": "9" * 30}, None),
        ({}, {}, None),
    ],
)
def test_the_moment_is_that_of_the_tags(
    tmp_path: Path, tags: dict[str, str], imagery: dict[str, str], moment: str | None
) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**tags)
        dataset.update_tags(ns="IMAGERY", **imagery)
    before = dt.datetime.now(dt.UTC)
    found = item(tmp_path, path)["properties"]["datetime"]
    if moment is not None:
        assert dt.datetime.fromisoformat(found) == dt.datetime.fromisoformat(moment)
    else:
        assert before <= dt.datetime.fromisoformat(found) <= dt.datetime.now(dt.UTC)


@pytest.mark.parametrize(
    ("text", "cover"),
    [("7", 7), ("12.5", 12.5), ("0", 0), ("100", 100), ("cloudy", None), ("nan", None), ("-5", None), ("1e400", None)],
)
def test_the_share_of_clouds_is_that_of_the_tags_where_it_is_one(
    tmp_path: Path, text: str, cover: float | None
) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="IMAGERY", CLOUDCOVER=text)
    assert item(tmp_path, path)["properties"].get("eo:cloud_cover") == cover
    assert "eo:cloud_cover" not in item(tmp_path, path, with_eo=False)["properties"]


@pytest.mark.parametrize("crs", ["EPSG:4326", "+proj=longlat +R=6371000"])
def test_one_placed_by_ground_control_points_says_where_it_is_drawn(tmp_path: Path, crs: str) -> None:
    points = [GroundControlPoint(row, column, 8 + column / 64, 47 - row / 64) for row in (0, 64) for column in (0, 64)]
    path = rasters.write(
        tmp_path / "a.tif", np.full((1, 64, 64), 3, "uint8"), crs=None, bounds=None, gcps=(points, crs), overviews=()
    )
    found = item(tmp_path, path)
    properties = found["properties"]
    assert properties["proj:epsg"] == (4326 if crs.startswith("EPSG") else None)
    assert ("proj:wkt2" in properties) == (not crs.startswith("EPSG"))
    assert properties["proj:bbox"] == pytest.approx((8, 46, 9, 47), abs=0.05)
    left, bottom, right, top = properties["proj:bbox"]
    height, width = properties["proj:shape"]
    across, _, x, _, down, y, *rest = properties["proj:transform"]
    assert (x, y, rest) == (left, top, [0, 0, 1])
    assert (x + width * across, y + height * down) == (pytest.approx(right), pytest.approx(bottom))
    assert properties["proj:geometry"]["coordinates"][0][2] == [right, top]


def test_what_is_not_wanted_is_left_out(tmp_path: Path) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1)
    plain = {"with_proj": False, "with_raster": False, "with_eo": False}
    found = item(tmp_path, path, asset_media_type="image/tiff", datetime="2020-01-01", **plain)
    assert found["stac_extensions"] == []
    assert found["properties"] == {"datetime": "2020-01-01T00:00:00Z"}
    assert found["assets"]["data"] == {"href": str(path), "type": "image/tiff", "roles": []}


def test_more_than_a_start_and_an_end_is_no_time(tmp_path: Path) -> None:
    path = rasters.constant(tmp_path / "a.tif", 1)
    query = {"url": str(path), "datetime": "2020-01-01/2021-01-01/2022-01-01"}
    answer = service.client(tmp_path).get("/cog/stac", params=query)
    assert (answer.status_code, answer.json()["parameter"]) == (422, "datetime")
