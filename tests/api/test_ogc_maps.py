"""OGC API - Maps: box, subset, center and scale all mean the same place, in the axis order of their CRS."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from starlette.testclient import TestClient

from tests.support import service

BOX = "8.1,46.3,8.9,46.8"
SAME = {
    "crs": "EPSG:3035",
    "f": "npy",
    "width": "90",
    "height": "60",
    "resampling": "bilinear",
}
DEGREE = 6378137.0 * math.pi / 180


def shown(client: TestClient, folder: Path, **query: Any) -> tuple[Any, Any, dict[str, str]]:
    answer = client.get("/cog/map", params={"url": f"{folder}/position.tif", **query})
    assert answer.status_code == 200, answer.text
    data, valid = service.array(answer.content)
    return data, valid, dict(answer.headers)


def test_a_box_has_the_axis_order_of_its_crs(client: TestClient, folder: Path) -> None:
    data, valid, _ = shown(client, folder, bbox=BOX, **SAME)
    assert valid.mean() > 0.5
    swapped = "46.3,8.1,46.8,8.9"
    laea = pyproj.Transformer.from_crs("OGC:CRS84", "EPSG:3035").transform_bounds(8.1, 46.3, 8.9, 46.8)
    for box, crs in (
        (BOX, "http://www.opengis.net/def/crs/OGC/1.3/CRS84"),
        (BOX, "[OGC:CRS84]"),
        (swapped, "http://www.opengis.net/def/crs/EPSG/0/4326"),
        (swapped, "[EPSG:4326]"),
        ("46.3,8.1,0,46.8,8.9,10", "EPSG:4326"),
    ):
        same, _, _ = shown(client, folder, bbox=box, **SAME, **{"bbox-crs": crs})
        assert np.array_equal(same, data, equal_nan=True), crs
    north_first, valid, headers = shown(
        client, folder, bbox=",".join(map(str, laea)), **(SAME | {"crs": "OGC:CRS84"}), **{"bbox-crs": "EPSG:3035"}
    )
    left, bottom, right, top = map(float, headers["content-bbox"].split(","))
    lon = left + (np.arange(90) + 0.5) * (right - left) / 90
    assert abs(north_first[0] - lon)[valid].max() < 1 / 512
    assert (left, bottom, right, top) == pytest.approx((8.1, 46.3, 8.9, 46.8), abs=0.1)


@pytest.mark.parametrize(
    "subset", [["Lat(46.3:46.8),Lon(8.1:8.9)"], ["Lon(8.1:8.9)", "Lat(46.3:46.8)"], ["N(46.3:46.8),x(8.1:8.9)"]]
)
def test_a_subset_is_a_box(client: TestClient, folder: Path, subset: list[str]) -> None:
    data, _, _ = shown(client, folder, bbox=BOX, **SAME)
    same, _, _ = shown(client, folder, subset=subset, **SAME, **{"subset-crs": "EPSG:4326"})
    assert np.array_equal(same, data, equal_nan=True)


def test_an_end_that_is_left_open_is_the_rasters(client: TestClient, folder: Path) -> None:
    _, _, headers = shown(client, folder, subset="Lat(46.5:*),Lon(*:8.5)", crs="EPSG:4326", f="npy")
    assert list(map(float, headers["content-bbox"].split(","))) == pytest.approx([8, 46.5, 8.5, 47])
    _, _, headers = shown(client, folder, subset="Lat(46.5:46.75)", crs="EPSG:4326", f="npy")
    assert list(map(float, headers["content-bbox"].split(","))) == pytest.approx([8, 46.5, 9, 46.75])


def test_a_scale_decides_the_size(client: TestClient, folder: Path) -> None:
    cell = 0.01
    scale = {"scale-denominator": repr(cell * DEGREE / 0.00028)}
    data, _, headers = shown(client, folder, bbox="8.2,46.2,8.6,46.5", crs="OGC:CRS84", f="npy", **scale)
    assert data.shape == (2, 30, 40)
    assert list(map(float, headers["content-bbox"].split(","))) == pytest.approx([8.2, 46.2, 8.6, 46.5])
    whole, _, _ = shown(client, folder, crs="EPSG:4326", f="npy", **scale)
    assert whole.shape == (2, 100, 100)
    metres, _, headers = shown(
        client, folder, bbox="8.2,46.2,8.6,46.5", crs="EPSG:3857", f="npy", **{"scale-denominator": "1000000"}
    )
    left, bottom, right, top = map(float, headers["content-bbox"].split(","))
    assert metres.shape == (2, round((top - bottom) / 280), round((right - left) / 280))


def test_a_center_is_in_the_middle(client: TestClient, folder: Path) -> None:
    scale = {"scale-denominator": repr(0.001 * DEGREE / 0.00028)}
    for center, crs in (("8.4,46.6", None), ("46.6,8.4", "EPSG:4326")):
        more = {"center-crs": crs} if crs else {}
        query = {"center": center, "crs": "OGC:CRS84", "f": "npy", "width": "80", "height": "40", **scale, **more}
        data, valid, headers = shown(client, folder, **query)
        assert (data.shape, valid.all()) == ((2, 40, 80), True)
        assert list(map(float, headers["content-bbox"].split(","))) == pytest.approx([8.36, 46.58, 8.44, 46.62])
        assert data.mean(axis=(1, 2)) == pytest.approx([8.4, 46.6], abs=1 / 512)
    _, _, headers = shown(client, folder, center="8.5,46.5", f="npy", width="64", height="32")
    left, bottom, right, top = map(float, headers["content-bbox"].split(","))
    assert ((right - left) * 512, (top - bottom) * 512) == pytest.approx((64, 32))


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"bbox": BOX, "center": "8,46"}, "center"),
        ({"bbox": BOX, "subset": "Lat(46:47)"}, "subset"),
        ({"bbox": BOX, "scale-denominator": "1000", "width": "10"}, "scale-denominator"),
        ({"subset": "Lat(46)"}, "subset"),
        ({"subset": "time(1:2)"}, "subset"),
        ({"subset": "Lat(a:b)"}, "subset"),
        ({"subset": "Lat 46:47"}, "subset"),
        ({"center": "8"}, "center"),
        ({"center": "8,99", "crs": "EPSG:3857"}, "center"),
        ({"scale-denominator": "0"}, "scale-denominator"),
        ({"scale-denominator": "0.001"}, "width"),
        ({"center": "8,46", "scale-denominator": "inf"}, "scale-denominator"),
    ],
)
def test_what_contradicts_itself_is_refused(
    client: TestClient, folder: Path, query: dict[str, str], parameter: str
) -> None:
    answer = client.get("/cog/map", params={"url": f"{folder}/position.tif", **query})
    assert answer.status_code in (400, 413, 422), answer.text
    assert answer.json().get("parameter") == parameter


def test_a_box_at_the_pole_has_no_area_in_web_mercator(client: TestClient, folder: Path) -> None:
    query = {"bbox": "0,90,10,90.0", "crs": "EPSG:3857", "scale-denominator": "1000000"}
    answer = client.get("/cog/map", params={"url": f"{folder}/position.tif", **query})
    assert (answer.status_code, answer.json()["parameter"]) == (422, "bbox"), answer.text
