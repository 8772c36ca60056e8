"""Collections and tilesets as clients of OGC's APIs read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import rasters, service

MAP = "http://www.opengis.net/def/rel/ogc/1.0/map"
TILESETS = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-map"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    catalog = tmp_path_factory.mktemp("catalog").resolve()
    for name in ("one", "two", "heights"):
        (catalog / name).mkdir()
        rasters.gradient(catalog / name / "raster.tif", dtype="uint8", count=1)
        document = {"name": name.title(), "bounds": [8, 46, 9, 47], "minzoom": 5, "maxzoom": 9, "source": "raster.tif"}
        render = {"render": {"algorithm": "terrainrgb"}} if name == "heights" else {}
        (catalog / name / "index.json").write_text(json.dumps(document | render))
    with service.client(catalog, catalog=str(catalog), access_token="sesame") as found:
        found.headers["authorization"] = "Bearer sesame"
        yield found


def links(body: dict[str, Any], relation: str) -> list[dict[str, Any]]:
    return [link for link in body["links"] if link["rel"] == relation]


def test_layers_are_collections(client: TestClient) -> None:
    body = client.get("/collections").json()
    assert [item["id"] for item in body["collections"]] == ["heights", "one", "two"]
    one = body["collections"][1]
    assert one == client.get("/collections/one").json()
    assert one["title"] == "One"
    assert one["extent"]["spatial"] == {
        "bbox": [[8, 46, 9, 47]],
        "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    }
    assert one["scaleDenominator"] == pytest.approx(559082264.0287178 / 2**9)
    assert [link["type"] for link in links(one, MAP)] == ["image/png", "image/jpeg"]
    for link in one["links"]:
        answer = client.get(link["href"])
        assert answer.status_code == 200, link
        assert answer.headers["content-type"].partition(";")[0] == link["type"].partition(";")[0]
    box = client.get(f"{links(one, MAP)[0]['href']}&bbox=8.25,46.25,8.75,46.75&width=32&height=32")
    assert box.headers["content-bbox"] == "8.25,46.25,8.75,46.75"
    assert links(one, TILESETS)[0]["href"].endswith("/layers/one/tiles")
    assert client.get("/collections/none").status_code == 404
    assert "Heights" in client.get("/collections", headers={"accept": "text/html"}).text


def test_they_come_some_at_a_time(client: TestClient) -> None:
    seen, address = [], "/collections?limit=2"
    while address:
        body = client.get(address).json()
        assert body["numberMatched"] == 3
        assert body["numberReturned"] == len(body["collections"])
        seen += [item["id"] for item in body["collections"]]
        address = next((link["href"] for link in links(body, "next")), "")
    assert seen == ["heights", "one", "two"]
    assert client.get("/collections?limit=0").status_code == 422


def test_the_landing_page_leads_to_them_first(client: TestClient) -> None:
    """GDAL follows the first link of that kind."""
    assert links(client.get("/").json(), "data")[0]["href"] == "http://localhost/collections"


def test_tilesets_link_to_tiles_by_name_and_type(client: TestClient) -> None:
    body = client.get("/layers/one/tiles/WebMercatorQuad?bidx=1").json()
    assert body["tileMatrixSetURI"] == "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
    items = links(body, "item")
    assert [item["type"] for item in items] == ["image/png", "image/jpeg", "image/webp"]
    for item in items:
        assert item["templated"] is True
        address = item["href"]
        for name, value in (("tileMatrix", "8"), ("tileRow", "90"), ("tileCol", "134")):
            assert f"{{{name}}}" in address
            address = address.replace(f"{{{name}}}", value)
        answer = client.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, item["type"])
    assert links(body, "tile")
    listed = client.get("/layers/one/tiles?bidx=1").json()["tilesets"]
    same = next(item for item in listed if item.get("tileMatrixSetURI") == body["tileMatrixSetURI"])
    assert links(same, "item") == items
    assert all(
        ("tileMatrixSetURI" in item) == ("NZTM" not in item["title"] and "LINZ" not in item["title"]) for item in listed
    )


def test_only_formats_that_tiles_have_are_offered(client: TestClient) -> None:
    for path, types in (
        ("/layers/one/tiles/WebMercatorQuad?tile_format=webp", ["image/webp"]),
        ("/layers/one/tiles/WebMercatorQuad?algorithm=terrarium", ["image/png"]),
        ("/layers/heights/tiles/WebMercatorQuad", ["image/png"]),
    ):
        assert [item["type"] for item in links(client.get(path).json(), "item")] == types
