"""``POST /profile``: values along lines, at even distances."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from numpy.testing import assert_allclose
from rasterio.enums import Resampling
from starlette.testclient import TestClient

from tests.support import mosaics, rasters, service
from tests.support.s3 import S3, s3, s3_server  # noqa: F401 - fixtures
from tilery.reading.grid.windows import BlockReader

WGS84 = pyproj.Geod(ellps="WGS84")


def feature(*positions: tuple[float, float], kind: str = "LineString", **properties: Any) -> dict[str, Any]:
    coordinates = [list(position) for position in positions]
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def profile(client: TestClient, url: Path | str, *positions: tuple[float, float], **query: Any) -> dict[str, Any]:
    answer = client.post("/cog/profile", params={"url": str(url), **query}, json=feature(*positions))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["properties"]["profile"]
    return found


def test_a_plane_has_its_own_values_all_along_the_line(client: TestClient, folder: Path) -> None:
    corners = ((8.101, 46.203), (8.777, 46.81), (8.9, 46.15))
    # from an overview, from the raster, closer than its pixels, which are 0.002° wide: a kernel weighs whole ones
    for samples, tolerance in ((40, 4e-4), (300, 4e-4), (3000, 1e-6)):
        found = profile(client, folder / "position.tif", *corners, samples=samples, resampling="bilinear")
        x, y = np.transpose(found["coordinates"])
        assert_allclose(found["values"], [x, y], atol=tolerance)
        assert (x[0], y[0], x[-1], y[-1]) == (*corners[0], *corners[-1])
        assert len(x) == samples
        assert found["band_names"] == ["b1", "b2"]


@pytest.mark.parametrize("name", ["position.tif", "position-mercator.tif", "position-utm.tif"])
def test_values_are_those_of_points(client: TestClient, folder: Path, name: str) -> None:
    url = str(folder / name)
    found = profile(client, url, (7.99, 46.5), (8.03, 46.512), (8.035, 46.48), samples=40)
    asked = [client.get(f"/cog/point/{x},{y}", params={"url": url}) for x, y in found["coordinates"]]
    expected = [answer.json()["values"] if answer.status_code == 200 else [None, None] for answer in asked]
    assert expected[0] == [None, None]  # it begins beside the raster
    assert list(map(list, zip(*found["values"], strict=True))) == expected


def test_positions_are_metres_apart_on_the_ellipsoid(client: TestClient, folder: Path) -> None:
    corners = ((8.1, 46.2), (8.2, 46.9), (8.9, 46.9))
    found = profile(client, folder / "position.tif", *corners, samples=33)
    x, y = np.transpose(corners)
    # along a parallel the line is straight in degrees, and no geodesic
    xs, ys = np.interp(np.arange(20_001) / 10_000, range(3), x), np.interp(np.arange(20_001) / 10_000, range(3), y)
    assert found["unit"] == "m"
    assert found["length"] == pytest.approx(WGS84.line_length(xs, ys), rel=1e-9)
    assert_allclose(found["distances"], np.linspace(0, found["length"], 33))
    across, down = np.transpose(found["coordinates"])
    steps = WGS84.inv(across[:-1], down[:-1], across[1:], down[1:])[2]
    assert np.sort(steps)[1:] == pytest.approx(found["length"] / 32, rel=1e-4)  # one goes round the corner
    west, south = pyproj.Transformer.from_crs(4326, 32632, always_xy=True).transform(8.2, 46.3)
    metres = profile(
        client, folder / "position-utm.tif", (west, south), (west + 5000, south), coord_crs="EPSG:32632", samples=2
    )
    assert metres["length"] == pytest.approx(5000, rel=1e-3)
    assert_allclose(metres["values"], np.transpose([(west, south), (west + 5000, south)]), atol=400)


def test_a_long_line_is_read_from_an_overview(client: TestClient, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 1000, (1, 512, 512)).astype("float32")
    path = rasters.write(tmp_path / "noise.tif", values, bounds=(0, 0, 8, 8), resampling=Resampling.average)
    with service.client(tmp_path) as local:
        found = profile(local, path, (0.03125, 4.03125), (7.96875, 4.03125), samples=128)
    halved = values[0].reshape(128, 4, 128, 4).mean(axis=(1, 3))
    assert_allclose(found["values"][0], halved[63], rtol=1e-6)


@pytest.mark.parametrize("kind", ["nodata", "nan", "mask", "alpha"])
def test_what_is_missing_is_a_gap(client: TestClient, folder: Path, kind: str) -> None:
    found = profile(client, folder / f"half-{kind}.tif", (7.9, 46.6), (9.1, 46.5), samples=25)
    inside = [8.5 <= x < 9 for x, _ in found["coordinates"]]
    assert 5 < sum(inside) < 15
    assert found["values"] == [[100 if there else None for there in inside]] * 3


def test_longitudes_beyond_180(client: TestClient, folder: Path) -> None:
    url = folder / "antimeridian.tif"
    here = profile(client, url, (179.9, 46.0), (180.1, 46.01), samples=30)
    turned = profile(client, url, (-180.1, 46.0), (-179.9, 46.01), samples=30)
    to_utm = pyproj.Transformer.from_crs(4326, 32660, always_xy=True)
    columns = [(to_utm.transform(x, y)[0] - 650_000) / 200_000 * 256 for x, y in here["coordinates"]]
    assert here["values"][0] == [math.floor(column) for column in columns]
    assert turned["values"] == here["values"]
    assert turned["length"] == pytest.approx(here["length"])


def test_band_maths_and_reading(client: TestClient, folder: Path) -> None:
    line = ((8.2, 46.5), (8.206, 46.5))
    found = profile(client, folder / "gradient-uint16.tif", *line, samples=3, expression="b1+b2;b1*0")
    assert found["values"] == [[102 + 256, 103 + 256, 105 + 256], [0, 0, 0]]
    assert found["band_descriptions"] == ["b1+b2", "b1*0"]
    scaled = profile(client, folder / "scaled.tif", *line, samples=2, unscale=True)
    assert (scaled["values"], scaled["band_descriptions"]) == ([[60.0, 60.0]], ["green"])
    many = profile(client, folder / "many.tif", *line, samples=2, bidx=[6, 1])
    assert many["band_names"] == ["b6", "b1"]


def test_a_raster_without_a_place_has_lines_of_pixels(client: TestClient, tmp_path: Path) -> None:
    rasters.write(tmp_path / "plain.tif", rasters.columns_and_rows(64, 64), crs=None, bounds=None, overviews=())
    with service.client(tmp_path) as local:
        found = profile(local, tmp_path / "plain.tif", (0.5, 0.5), (30.5, 40.5), samples=11)
    assert (found["length"], found["unit"]) == (50.0, None)
    assert found["values"] == [[3 * step for step in range(11)], [4 * step for step in range(11)]]


def test_features_keep_what_they_are(client: TestClient, folder: Path) -> None:
    lines = [feature((8.1, 46.5), (8.9, 46.5), name="a"), feature((8.5, 46.1), (8.5, 46.9), name="b")]
    answer = client.post(
        "/cog/profile",
        params={"url": str(folder / "constant.tif"), "samples": 2},
        json={"type": "FeatureCollection", "features": lines},
    )
    assert answer.headers["content-type"] == "application/geo+json"
    found = answer.json()["features"]
    assert [item["properties"]["name"] for item in found] == ["a", "b"]
    assert [item["properties"]["profile"]["values"] for item in found] == [[[7, 7]], [[7, 7]]]
    assert [item["geometry"] for item in found] == [item["geometry"] for item in lines]


def test_along_a_mosaic(tmp_path: Path) -> None:
    rasters.constant(tmp_path / "west.tif", 1, bounds=(8.0, 46.0, 8.4, 47.0))
    rasters.constant(tmp_path / "east.tif", 2, bounds=(8.6, 46.0, 9.0, 47.0))
    mosaics.write(tmp_path / "m.json", "west.tif", "east.tif")
    with service.client(f"{tmp_path}/") as local:
        answer = local.post(
            "/mosaicjson/profile",
            params={"url": str(tmp_path / "m.json"), "samples": 5},
            json=feature((8.1, 46.5), (8.9, 46.5)),
        )
    assert answer.json()["properties"]["profile"]["values"] == [[1, 1, None, 2, 2]]


def test_of_a_remote_raster(s3: S3, folder: Path) -> None:  # noqa: F811
    s3.bucket("lines")
    s3.put("lines", "position.tif", (folder / "position.tif").read_bytes())
    line = ((8.1, 46.2), (8.8, 46.8))
    with service.client("s3://lines/", s3_endpoint=s3.endpoint) as remote, service.client(folder) as local:
        found = profile(remote, "s3://lines/position.tif", *line)
        assert found == profile(local, folder / "position.tif", *line)
    assert len(found["distances"]) == 256


@pytest.mark.parametrize(
    ("body", "query", "status", "code", "parameter"),
    [
        (feature((8.1, 46.1), (8.1, 46.1)), {}, 400, "invalid_geometry", "body"),
        (feature((8.1, 46.1), (8.2, 46.1), kind="MultiPoint"), {}, 400, "invalid_geometry", "body"),
        (feature((8.1, 46.1)), {}, 400, "invalid_geometry", "body"),
        (feature((8.1, 46.1), (8.2, 46.1)), {"samples": 1}, 422, "invalid_parameter", "samples"),
        (feature((8.1, 46.1), (8.2, 46.1)), {"samples": 4097}, 422, "invalid_parameter", "samples"),
        (feature((8.1, 46.1), (8.2, 46.1)), {"bidx": 9}, 400, "invalid_band", "bidx"),
        (feature((8.1, 46.1), (8.2, 146.1)), {}, 400, "invalid_geometry", None),
        (feature((1.0, 1.0), (2.0, 1.0)), {}, 404, "point_outside_bounds", None),
        ({"type": "Nothing"}, {}, 422, "invalid_parameter", "body"),
        (
            {"type": "FeatureCollection", "features": [feature((8.1, 46.1), (8.2, 46.1))] * 3},
            {"samples": 4000},
            400,
            "over_limit",
            "samples",
        ),
    ],
)
def test_what_cannot_be_had(
    client: TestClient, folder: Path, body: Any, query: dict[str, Any], status: int, code: str, parameter: str | None
) -> None:
    answer = client.post("/cog/profile", params={"url": str(folder / "rgb.tif"), **query}, json=body)
    found = answer.json()
    assert (answer.status_code, found["code"], found.get("parameter")) == (status, code, parameter), found


def test_the_blocks_of_a_line_are_fetched_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rasters.gradient(tmp_path / "blocks.tif", block=64, overviews=(), bounds=(0, 0, 8, 8))
    asked: list[list[tuple[int, int, int]]] = []
    read = BlockReader.read

    def counted(reader: BlockReader, windows: Any) -> Any:
        asked.append([block for window in windows for block in window.blocks()])
        return read(reader, windows)

    monkeypatch.setattr(BlockReader, "read", counted)
    with service.client(tmp_path) as local:
        found = profile(local, tmp_path / "blocks.tif", (0.5, 7.5), (7.5, 6.9), samples=60)
    crossed = {(0, math.floor(8 - y), math.floor(x)) for x, y in found["coordinates"]}
    assert len(crossed) >= 8
    assert set(asked[0]) == crossed
    assert len(asked[0]) == len(crossed)
    assert found["values"][0] == [math.floor(x * 64) for x, _ in found["coordinates"]]
