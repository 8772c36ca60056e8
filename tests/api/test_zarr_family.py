"""The routes below ``/zarr``, and layers whose source is a Zarr store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pyproj import CRS
from starlette.testclient import TestClient

from app.cli import tilery
from app.config import settings
from tests.support import service, zarrs
from tests.support.zarrs import Variable, axis
from tilery.reading.zarr import codecs

T = "time=2020-01-02"
TILE = "/zarr/tiles/WebMercatorQuad/2/1/1"
FEATURE = {
    "type": "Feature",
    "properties": {},
    "geometry": {"type": "Polygon", "coordinates": [[[-10, -10], [20, -10], [20, 30], [-10, 30], [-10, -10]]]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("zarr").resolve()
    zarrs.world(found / "w.zarr", attrs={"units": "K", "valid_range": [0, 10], "_FillValue": -1})
    zarrs.world(found / "old.zarr", version=2)
    zarrs.world(found / "listed.zarr", consolidated=False)
    zarrs.write(
        found / "deep.zarr",
        {
            "w": Variable(
                data=np.arange(2 * 3 * 20 * 30, dtype="f4").reshape(2, 3, 20, 30), dims=("time", "level", "y", "x")
            ),
            "time": axis(np.arange(2), "time", units=zarrs.UNITS),
            "level": axis(np.array([1000.0, 850.0, 500.0]), "level", positive="down"),
            "y": axis(np.arange(20.0), "y"),
            "x": axis(np.arange(30.0), "x"),
        },
        attributes={"title": "<b>Deep</b>"},
    )
    moon = {"crs_wkt": CRS.from_user_input("IAU_2015:30100").to_wkt()}
    zarrs.write(
        found / "moon.zarr",
        {
            "height": Variable(data=np.ones((20, 30), "f4"), dims=("y", "x"), attrs={"grid_mapping": "crs"}),
            "crs": Variable(data=np.int32(0), dims=(), attrs=moon),
            "y": axis(np.arange(20.0), "y"),
            "x": axis(np.arange(30.0), "x"),
        },
    )
    return found


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with service.client(f"{folder}/") as found:
        yield found


@pytest.fixture
def get(client: TestClient, folder: Path) -> Any:
    def asked(path: str, store: str = "w.zarr", **query: Any) -> Any:
        return client.get(f"/zarr{path}", params={"url": f"{folder}/{store}", **query})

    return asked


def test_values_along_a_line(client: TestClient, folder: Path, get: Any) -> None:
    query = {"url": f"{folder}/w.zarr", "variable": "v", "sel": T, "samples": "4"}
    line = {"type": "LineString", "coordinates": [[10.1, 10.1], [14.3, 12.3]]}
    answer = client.post("/zarr/profile", params=query, json={"type": "Feature", "properties": {}, "geometry": line})
    found = answer.json()["properties"]["profile"]
    at = [get(f"/point/{x},{y}", variable="v", sel=T).json()["values"] for x, y in found["coordinates"]]
    assert [list(band) for band in zip(*at, strict=True)] == found["values"]
    assert len(set(found["values"][0])) > 1


def test_info(get: Any) -> None:
    found = get("/info", variable="v", show_times=True).json()
    names = [f"2020-01-0{day}T00:00:00.000000000" for day in (1, 2, 3, 4)]
    assert found == {
        "bounds": [-180, -90, 180, 90],
        "crs": "http://www.opengis.net/def/crs/EPSG/0/4326",
        "band_metadata": [[f"b{n}", {}] for n in (1, 2, 3, 4)],
        "band_descriptions": [[f"b{n}", name] for n, name in enumerate(names, 1)],
        "dtype": "float64",
        "nodata_type": "Nodata",
        "name": "v",
        "count": 4,
        "width": 180,
        "height": 90,
        "dimensions": ["time", "y", "x"],
        "attrs": {"units": "K", "valid_range": [0, 10], "valid_min": 0, "valid_max": 10},
        "minmax": [[0, 10]] * 4,
        "times": names,
    }
    assert get("/info", "old.zarr", variable="v", sel=T).json()["band_descriptions"] == [["b1", names[1]]]
    assert get("/info", variable="v", decode_times=False).json()["band_metadata"][0][1]["units"] == zarrs.UNITS
    feature = get("/info.geojson", variable="v", sel=T).json()
    assert feature["bbox"] == [-180, -90, 180, 90]
    assert feature["properties"]["count"] == 1
    elsewhere = get("/info.geojson", "moon.zarr", variable="height").json()
    assert (elsewhere["geometry"], elsewhere["properties"]["count"]) == (None, 1)
    assert get("/info.geojson", "moon.zarr", variable="height", crs="EPSG:4326").status_code == 415


@pytest.mark.parametrize("store", ["w.zarr", "old.zarr", "listed.zarr"])
def test_pictures_and_values(get: Any, client: TestClient, folder: Path, store: str) -> None:
    data = zarrs.positions()[1]
    assert get("/point/9.3,41.7", store, variable="v", sel=T).json()["values"] == [data[65, 94]]
    picture, mask = service.array(get("/bbox/-20,-10,40,30.npy", store, variable="v", sel=T).content)
    assert np.array_equal(picture[0], data[40:60, 80:110][::-1])
    assert mask.all()
    posted = client.post(
        "/zarr/feature.npy", params={"url": f"{folder}/{store}", "variable": "v", "sel": T}, json=FEATURE
    )
    assert np.array_equal(service.array(posted.content)[0][0], data[40:60, 85:100][::-1])
    statistics = client.post(
        "/zarr/statistics", params={"url": f"{folder}/{store}", "variable": "v", "sel": T}, json=FEATURE
    ).json()["properties"]["statistics"]["b1"]
    assert statistics["mean"] == pytest.approx(data[40:60, 85:100].mean())
    assert (statistics["min"], statistics["max"]) == (data[40:60, 85:100].min(), data[40:60, 85:100].max())
    for path in (".png", ".webp", ".tif", ""):
        assert (
            get(f"/tiles/WebMercatorQuad/2/1/1{path}", store, variable="v", sel=T, rescale="0,2e6").status_code == 200
        )


@pytest.mark.parametrize(
    "path",
    [
        "/WebMercatorQuad/tilejson.json",
        "/tilejson.json",
        "/WebMercatorQuad/map.html",
        "/tiles",
        "/tiles/WebMercatorQuad",
        "/WMTSCapabilities.xml",
        "/preview.png",
        "/map?bbox=-10,-10,10,10",
        "/statistics",
        "/bounds",
        "/tiles/WebMercatorQuad/0/0/0.png",
        "/tiles/WorldCRS84Quad/0/0/0.png",
    ],
)
def test_every_verb(get: Any, path: str) -> None:
    path, _, query = path.partition("?")
    more = dict(pair.split("=") for pair in query.split("&")) if query else {}
    answer = get(path, variable="v", sel=T, **more)
    assert answer.status_code == 200, answer.text


def test_what_links_carry(get: Any, client: TestClient) -> None:
    found = get("/WebMercatorQuad/tilejson.json", variable="v", sel=T, rescale="0,10").json()
    assert "variable=v" in found["tiles"][0]
    assert "sel=time%3D2020-01-02" in found["tiles"][0]
    address = found["tiles"][0].replace("http://localhost", "").format(z=1, x=0, y=0)
    assert client.get(address).status_code == 200
    page = get("/WebMercatorQuad/map.html", variable="v", sel=T).text
    point = json.loads(page.partition('"point": ')[2].partition("]]}")[0] + "]]}")
    assert ["variable", "v"] in point["query"]


def test_what_a_group_holds(get: Any) -> None:
    assert get("/dataset/keys").json() == ["v"]
    assert get("/variables", "old.zarr").json() == ["v"]
    assert get("/dataset/keys", "listed.zarr").json() == ["v"]
    assert get("/dataset/dimensions", "deep.zarr").json() == {"level": 3, "time": 2, "y": 20, "x": 30}
    assert get("/dataset/dict", "deep.zarr").json() == {
        "coords": {
            "level": {"dims": ["level"], "attrs": {"positive": "down"}, "dtype": "float64", "shape": [3]},
            "time": {"dims": ["time"], "attrs": {}, "dtype": "datetime64[ns]", "shape": [2]},
            "x": {"dims": ["x"], "attrs": {}, "dtype": "float64", "shape": [30]},
            "y": {"dims": ["y"], "attrs": {}, "dtype": "float64", "shape": [20]},
        },
        "attrs": {"title": "<b>Deep</b>"},
        "dims": {"level": 3, "time": 2, "y": 20, "x": 30},
        "data_vars": {
            "w": {"dims": ["time", "level", "y", "x"], "attrs": {}, "dtype": "float32", "shape": [2, 3, 20, 30]}
        },
    }
    assert get("/dataset/coordinates/time", "deep.zarr").json()["data"] == [
        "2020-01-01T00:00:00",
        "2020-01-02T00:00:00",
    ]
    assert get("/dataset/coordinates/level", "deep.zarr").json()["data"] == [1000, 850, 500]
    assert get("/dataset/coordinates/w", "deep.zarr").status_code == 404
    page = get("/dataset/", "deep.zarr")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "&lt;b&gt;Deep" in page.text
    assert "<b>Deep" not in page.text


def test_validate(get: Any) -> None:
    assert get("/validate").json() == {"v": {"compatible_with_titiler": True, "errors": [], "warnings": []}}
    found = get("/validate", "deep.zarr", variables=["w", "level"]).json()
    assert found["w"]["compatible_with_titiler"]
    assert "sel" in found["w"]["warnings"][0]
    assert not found["level"]["compatible_with_titiler"]
    assert get("/validate", variables="nope").status_code == 404


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ({}, 422, "variable"),
        ({"variable": "nope"}, 404, "variable"),
        ({"variable": "lat"}, 415, "variable"),
        ({"variable": "v", "group": "nope"}, 404, "group"),
        ({"variable": "v", "group": "../w.zarr"}, 422, "group"),
        ({"variable": "../v"}, 422, "variable"),
        ({"variable": "v", "sel": "time"}, 422, "sel"),
        ({"variable": "v", "sel": "time=best::2020"}, 422, "sel"),
        ({"variable": "v", "sel": "time=2021-01-01"}, 422, "sel"),
        ({"variable": "v", "sel": "lat=1"}, 422, "sel"),
        ({"variable": "v", "sel": "foo=1"}, 422, "sel"),
        ({"variable": "v", "decode_times": "maybe"}, 422, "decode_times"),
        ({"variable": "v", "bidx": "9"}, 400, "bidx"),
    ],
)
def test_what_is_wrong_is_named(get: Any, query: dict[str, Any], status: int, parameter: str) -> None:
    for path in ("/tiles/WebMercatorQuad/0/0/0.png", "/point/0,0"):
        answer = get(path, **query)
        assert (answer.status_code, answer.json()["parameter"]) == (status, parameter), answer.text
        assert "/tmp" not in answer.text


def test_dimensions_that_are_left(get: Any) -> None:
    answer = get("/info", "deep.zarr", variable="w")
    assert answer.status_code == 422
    assert "time or level" in answer.json()["detail"]
    assert get("/info", "deep.zarr", variable="w", sel="level=nearest::800").json()["count"] == 2
    outside = get("/info", "../w.zarr", variable="w")
    assert outside.status_code == 403


def test_without_the_extra(get: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(codecs, "_are_installed", lambda: False)
    with service.client(f"{folder}/") as bare:
        answer = bare.get(f"{TILE}.png", params={"url": f"{folder}/w.zarr", "variable": "v"})
    assert answer.status_code == 415
    assert "tilery[zarr]" in answer.json()["detail"]


def test_the_routes_can_be_left_out(folder: Path) -> None:
    with service.client(f"{folder}/", disable_zarr=True) as client:
        assert client.get("/zarr/info", params={"url": f"{folder}/w.zarr", "variable": "v"}).status_code == 404


def test_a_store_that_is_written_anew_is_seen(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    path = zarrs.world(folder / "w.zarr")
    with service.client(f"{folder}/") as client:
        query = {"url": str(path), "variable": "v", "sel": "time=2020-01-01"}
        assert client.get("/zarr/point/1,1", params=query).json()["values"] == [101_201]
        zarrs.world(path, data=zarrs.positions() + 1)
        assert client.get("/zarr/point/1.1,1.1", params=query).json()["values"] == [101_202]


def test_layers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = tmp_path.resolve() / "layers"
    catalog.mkdir()
    monkeypatch.setenv("TILERY_SOURCES", f"{folder}/")
    monkeypatch.setenv("TILERY_CATALOG", str(catalog))

    def add(*arguments: str) -> Any:
        settings.get.cache_clear()
        found = CliRunner().invoke(tilery, ["layers", "add", *arguments])
        settings.get.cache_clear()
        return found

    assert add("w", f"{folder}/w.zarr", "--render", f"variable=v&sel={T}").exit_code == 0
    assert add("deep", f"{folder}/deep.zarr", "--render", f"variable=w&sel={T}&sel=level%3D500").exit_code == 0
    unnamed = add("x", f"{folder}/w.zarr")
    assert unnamed.exit_code != 0
    assert "variable=NAME: v" in str(unnamed.exception or unnamed.output)
    document = json.loads((catalog / "w" / "index.json").read_text())
    assert (document["kind"], document["bounds"][0], document["minzoom"]) == ("zarr", -180, 0)
    styled = CliRunner().invoke(tilery, ["layers", "style", "w", "warm", "rescale=0,1&colormap_name=hot"])
    assert "Warning" not in styled.output
    assert CliRunner().invoke(tilery, ["layers", "style", "w", "wrong", "bidx=7"]).exit_code != 0
    with service.client(f"{folder}/", catalog=str(catalog), tile_store=str(tmp_path / "tiles")) as client:
        data = zarrs.positions()
        point = "/layers/w/point/9.3,41.7"
        assert client.get(point).json()["values"] == [data[1, 65, 94]]
        assert client.get(point, params={"sel": "time=2020-01-03"}).json()["values"] == [data[2, 65, 94]]
        assert client.get("/w/0/0/0.png?rescale=0,2e6").status_code == 200
        assert client.get("/w/0/0/0.png", params={"style": "warm"}).status_code == 200
        assert client.get("/w/0/0/0.png").headers["x-cache"] == "miss"
        client.app.context.service.tile_store.settle(10)  # type: ignore[attr-defined]
        assert len(list((tmp_path / "tiles" / "w").rglob("0/0/0.png"))) == 2, "that of the style and that without one"
        deep = client.get("/layers/deep/point/3.1,4.1", params={"sel": "time=2020-01-01"}).json()
        assert deep["values"] == [2 * 600 + 4 * 30 + 3]
        moments = [f"2020-01-0{day}T00:00:00" for day in (1, 2, 3, 4)]
        expected = [{"name": "time", "values": moments, "position": 1}]
        assert client.get("/layers/w/dimensions").json() == {"dimensions": expected}
        assert client.get("/layers/w").json()["kind"] == "zarr"
        facts = client.get("/layers/w/info.geojson", params={"sel": "time=2020-01-03"}).json()["properties"]
        assert (facts["width"], facts["height"], facts["dtype"], facts["count"]) == (180, 90, "float64", 1)
        assert facts["band_descriptions"] == [["b1", "2020-01-03T00:00:00.000000000"]]
        assert client.get("/layers/deep/dimensions", params={"sel": "time=2020-01-01"}).json()["dimensions"] == [
            {"name": "time", "values": moments[:2], "position": 0},
            {"name": "level", "values": [1000, 850, 500], "position": 2},
        ]
        several = {"sel": [T, "time=2020-01-01"]}
        assert client.get("/layers/w/dimensions", params=several).json()["dimensions"][0]["position"] is None
        for path in ("/info", "/WebMercatorQuad/tilejson.json", "/WMTSCapabilities.xml", "/statistics?max_size=32"):
            assert client.get(f"/layers/w{path}").status_code == 200, path
