"""The routes that need no raster: lists, definitions and pictures, as JSON and as pages."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.support import service
from tilery.rendering import colormap as colormaps
from tilery.rendering import encoding

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
IMAGE_ELEMENT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
DOCUMENTS = (
    "/",
    "/conformance",
    "/tileMatrixSets",
    "/tileMatrixSets/WebMercatorQuad",
    "/colorMaps",
    "/colorMaps/viridis",
    "/algorithms",
    "/algorithms/hillshade",
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with service.client(name="Tiles & <more>") as found:
        yield found


@pytest.mark.parametrize("path", DOCUMENTS)
def test_json_is_the_default_and_a_browser_gets_a_page(client: TestClient, path: str) -> None:
    assert client.get(path).headers["content-type"] == "application/json"
    assert client.get(path, headers={"Accept": "*/*"}).headers["content-type"] == "application/json"
    for page in (
        client.get(path, headers={"Accept": BROWSER}),
        client.get(path, params={"f": "html"}),
        client.get(path, params={"f": "html"}, headers={"Accept": "application/json"}),
    ):
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "accept" in page.headers["vary"].lower()
    forced = client.get(path, params={"f": "json"}, headers={"Accept": BROWSER})
    assert forced.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", DOCUMENTS)
def test_other_formats_are_refused(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"f": "xml"})
    assert answer.status_code == 422
    assert answer.json()["parameter"] == "f"
    assert answer.headers["cache-control"] == "no-store"


def test_landing_links_lead_somewhere(client: TestClient) -> None:
    body = client.get("/").json()
    assert body["title"] == "Tiles & <more>"
    relations = {link["rel"] for link in body["links"]}
    assert {
        "self",
        "service-desc",
        "service-doc",
        "data",
        "doc",
        "http://www.opengis.net/def/rel/ogc/1.0/conformance",
        "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes",
    } <= relations
    for link in body["links"]:
        assert link["href"].startswith("http://localhost/")
        answer = client.get(link["href"])
        assert answer.status_code == 200, link
        assert answer.headers["content-type"].startswith(link["type"].partition(";")[0]), link


def test_conformance_names_classes_as_the_standards_do(client: TestClient) -> None:
    classes = client.get("/conformance").json()["conformsTo"]
    assert len(classes) == len(set(classes)) > 10
    assert all(name.startswith("http://www.opengis.net/spec/ogcapi-") for name in classes)
    assert not any("oas30" in name for name in classes)  # the description is OpenAPI 3.1


def test_all_tile_matrix_sets_are_listed_and_defined(client: TestClient) -> None:
    listed = client.get("/tileMatrixSets").json()["tileMatrixSets"]
    assert len(listed) == 13
    for item in listed:
        definition = client.get(item["links"][0]["href"]).json()
        assert definition["id"] == item["id"]
        assert all(matrix["cornerOfOrigin"] == "topLeft" for matrix in definition["tileMatrices"])
        assert {"id", "scaleDenominator", "cellSize", "pointOfOrigin", "tileWidth", "matrixWidth"} <= set(
            definition["tileMatrices"][0]
        )


def test_an_unknown_tile_matrix_set_is_said_so_as_fastapi_says_it(client: TestClient) -> None:
    answer = client.get("/tileMatrixSets/Nowhere")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["type"] == "literal_error"
    assert error["loc"] == ["path", "tileMatrixSetId"]
    assert "'WebMercatorQuad'" in error["msg"]


def test_colormaps_are_listed_in_both_spellings(client: TestClient) -> None:
    body = client.get("/colorMaps").json()
    assert len(body["colorMaps"]) == 211
    assert [item["id"] for item in body["colormaps"]] == body["colorMaps"]
    assert body["colormaps"][0]["links"][0]["rel"] == "item"


def test_a_colormap_is_a_colour_for_each_byte(client: TestClient) -> None:
    body = client.get("/colorMaps/viridis").json()
    assert list(body) == [str(value) for value in range(256)]
    assert body["0"] == [68, 1, 84, 255]
    assert body["255"] == [253, 231, 36, 255]


def test_a_colormap_page_shows_every_colour(client: TestClient) -> None:
    page = client.get("/colorMaps/viridis", params={"f": "html"}).text
    assert page.count("<rect ") == 256
    assert 'fill="#440154"' in page


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({}, (256, 20)),
        ({"orientation": "vertical"}, (20, 256)),
        ({"width": 100}, (100, 20)),
        ({"height": 64, "orientation": "vertical"}, (20, 64)),
        ({"width": 31, "height": 7}, (31, 7)),
    ],
)
def test_a_picture_of_a_colormap_runs_through_its_colours(
    client: TestClient, query: dict[str, str | int], size: tuple[int, int]
) -> None:
    answer = client.get("/colorMaps/viridis", params={"f": "png", **query})
    assert answer.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(answer.content)).convert("RGB")
    assert picture.size == size
    pixels = np.asarray(picture)
    line = pixels[:, 0] if query.get("orientation") == "vertical" else pixels[0]
    colours = colormaps.get("viridis").rgba[:, :3]
    # the colour in the middle of each step: at 256 pixels every one, in their order
    steps = ((np.arange(len(line)) + 0.5) * 256 / len(line)).astype(int)
    assert (line == colours[steps]).all()
    assert (pixels == (pixels[:, :1] if query.get("orientation") == "vertical" else pixels[:1])).all()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("png", "image/png"),
        ("pngraw", "image/png"),
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
        ("jp2", "image/jp2"),
        ("tif", "image/tiff; application=geotiff"),
        ("tiff", "image/tiff; application=geotiff"),
        ("npy", "application/x-binary"),
    ],
)
def test_a_colormap_comes_in_every_picture_format(client: TestClient, name: str, media_type: str) -> None:
    answer = client.get("/colorMaps/viridis", params={"f": name})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    if name == "npy":
        assert np.load(io.BytesIO(answer.content)).shape == (4, 20, 256)
    elif name not in ("jp2", "tif", "tiff"):
        assert Image.open(io.BytesIO(answer.content)).size == (256, 20)


def test_an_image_element_gets_a_picture(client: TestClient) -> None:
    answer = client.get("/colorMaps/viridis", headers={"Accept": IMAGE_ELEMENT})
    assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "query", ["width=0", "width=100000000", "width=4000&height=4000", "height=-1", "width=x", "orientation=sideways"]
)
def test_pictures_of_impossible_sizes_are_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/colorMaps/viridis?f=png&{query}")
    assert answer.status_code in (400, 422)
    assert answer.json()["parameter"] == query.partition("=")[0]


def test_large_pictures_of_colormaps_are_made_in_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def encode(*_: object) -> bytes:
        threads.append(threading.current_thread().name)
        return b""

    monkeypatch.setattr(encoding, "encode", encode)
    with service.client() as client:
        assert client.get("/colorMaps/viridis?f=jp2&width=2000&height=2000").status_code == 200
    assert [name.partition("_")[0] for name in threads] == ["render"]


def test_algorithms_describe_themselves(client: TestClient) -> None:
    listed = client.get("/algorithms").json()["algorithms"]
    assert len(listed) == 18
    assert listed[0]["id"] == "hillshade"
    assert listed[0]["links"][0]["href"] == "http://localhost/algorithms/hillshade"
    for item in listed:
        body = client.get(item["links"][0]["href"]).json()
        assert set(body) == {"title", "description", "inputs", "outputs", "parameters"}
    assert client.get("/algorithms/nothing").status_code == 422


def test_links_carry_the_access_token() -> None:
    with service.client(access_token="s3cret") as client:
        assert client.get("/tileMatrixSets").status_code == 401
        body = client.get("/tileMatrixSets?access_token=s3cret").json()
        assert body["tileMatrixSets"][0]["links"][0]["href"].endswith("?access_token=s3cret")
        page = client.get("/tileMatrixSets?access_token=s3cret&f=html").text
        assert "tileMatrixSets/WebMercatorQuad?f=html&amp;access_token=s3cret" in page


def test_the_description_of_the_api_has_the_media_type_and_the_operation_ids(client: TestClient) -> None:
    answer = client.get("/api")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.1"
    document = json.loads(answer.content)
    assert document["servers"] == [{"url": "http://localhost"}]
    ids = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert {
        "getTileMatrixSetsList",
        "getTileMatrixSet",
        "getAlgorithmList",
        "getAlgorithm",
        "getColorMapList",
        "getColorMap",
        "landing__get",
        "conformance_conformance_get",
    } <= ids
    assert client.get("/openapi.json").headers["content-type"] == "application/json"
    assert client.get("/openapi.json").json() == document


def test_pages_of_colormaps_name_values_and_ranges(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('{"1": [255, 0, 0, 255], "7": [0, 0, 255, 128]}')
    (tmp_path / "ranges.json").write_text("[[[0, 10.5], [255, 0, 0, 255]], [[10.5, 1e6], [0, 0, 255, 255]]]")
    with service.client(tmp_path, colormap_directory=str(tmp_path)) as client:
        for name, labels in (("classes", ["1", "7"]), ("ranges", ["0 to 10.5", "10.5 to 1e+06"])):
            text = client.get(f"/colorMaps/{name}?f=html").text
            assert re.findall(r">\s*([^<>]+?)\s*<span class=\"soft mono\">", text) == labels
