"""Layers in folders: every route of a layer, and that none takes a part of an address for something else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from starlette.routing import Match
from starlette.testclient import TestClient

from app.api.access import signatures
from app.api.families import layers
from tests.support import rasters, service
from tilery.catalog import ids

TILE = "8/134/90"
IDS = ("alps", "alps/2024/dem", "alps/2024/dem-7", "2024", "7/66/x")
"""One that is a folder too, numbers where a tile has them, and an old id of nothing but a number."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of layers that are told apart by their names."""
    found = tmp_path_factory.mktemp("catalog").resolve()
    for layer_id in IDS:
        folder = found / layer_id
        folder.mkdir(parents=True, exist_ok=True)
        rasters.rgb(folder / "raster.tif")
        document: dict[str, Any] = {"name": layer_id, "bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 9}
        document |= {"source": "raster.tif", "styles": {"red": {"render": {"bidx": 1}}}}
        (folder / "index.json").write_text(json.dumps(document))
    return found


@pytest.fixture(scope="module")
def client(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    sets = tmp_path_factory.mktemp("sets")
    with service.client(catalog) as plain:
        own = plain.get("/tileMatrixSets/WebMercatorQuad").json()
    (sets / "mygrid.json").write_text(json.dumps(own | {"id": "mygrid"}))
    with service.client(catalog=str(catalog), tile_matrix_set_directory=str(sets)) as found:
        yield found


@pytest.mark.parametrize("layer_id", IDS)
def test_the_document(client: TestClient, layer_id: str) -> None:
    for path in (f"/{layer_id}", f"/layers/{layer_id}", f"/{layer_id.replace('/', '%2F')}", f"/{layer_id}/"):
        body = client.get(path).json()
        assert (body["id"], body["name"]) == (layer_id, layer_id)
        assert body["tiles"] == [f"http://localhost/{layer_id}/{{z}}/{{x}}/{{y}}@2x.png"]
    assert client.get(f"/collections/{layer_id}").json()["id"] == layer_id


@pytest.mark.parametrize(
    "path",
    [
        "/{}/8/134/90.png",
        "/{}/8/134/90@2x.png",
        "/{}/8/134/90",
        "/unstored/{}/8/134/90.png",
        "/layers/{}/tiles/8/134/90.png",
        "/layers/{}/tiles/WebMercatorQuad/8/134/90.png",
        "/layers/{}/tiles/mygrid/8/134/90.png",
        "/layers/{}/info",
        "/layers/{}/tilejson.json",
        "/layers/{}/WebMercatorQuad/tilejson.json",
        "/layers/{}/mygrid/tilejson.json",
        "/layers/{}/mygrid/map.html",
        "/layers/{}/tiles",
        "/layers/{}/tiles/mygrid",
        "/layers/{}/point/8.5,46.5",
        "/layers/{}/preview.png",
        "/layers/{}/statistics",
        "/layers/{}/viewer",
        "/layers/{}/stac",
        "/layers/{}/map?f=png",
        "/layers/{}/WMTSCapabilities.xml",
        "/layers/{}/wms?request=GetCapabilities",
        "/{}/wmts",
        "/{}/wms?request=GetCapabilities",
        "/{}/map",
    ],
)
def test_every_route(client: TestClient, path: str) -> None:
    for layer_id in IDS[1:]:
        answer = client.get(path.format(layer_id))
        assert answer.status_code == 200, answer.text
        bare = path.format(layer_id).partition("?")[0]
        assert signatures.subject_of(bare, b"", ["cog"], ["mygrid"]) == f"layer:{layer_id}"
        if path.endswith(("/wmts", "/stac")):
            assert layer_id in answer.text
        if path.endswith("tilejson.json"):
            name = "mygrid" if "mygrid" in path else "WebMercatorQuad"
            assert f"/layers/{layer_id}/tiles/{name}/" in answer.json()["tiles"][0]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/alps/7/66/45/wmts", 404, "layer_not_found"),  # a tile is no folder
        ("/alps/2024", 404, "layer_not_found"),
        ("/cog/dem/8/134/90.png", 404, "not_found"),
        ("/alps/nothing/8/134/90.png", 404, "layer_not_found"),
        ("/layers/alps/2024/dem/nothing", 404, "layer_not_found"),
        ("/layers/alps/2024/dem/Nothing/tilejson.json", 422, "invalid_parameter"),
        ("/layers/alps/2024/dem/bbox/1", 404, "not_found"),
        ("/layers/alps/../dem", 404, "layer_not_found"),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, status: int, code: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_method_that_a_verb_has_not(client: TestClient) -> None:
    assert client.post("/layers/alps/2024/dem/info").status_code == 405
    assert client.post("/layers/alps/info").status_code == 405


WORDS = ["alps", "dem-7", "2024", "7", "66", "45", "45.png", "45@2x.png", "mygrid", "WebMercatorQuad", "Nothing"]
WORDS += ["map", "map.html", "tiles", "info", "wmts", "tilejson.json", "point", "8.5,46.5", "styles", "layers"]


def test_a_signature_takes_no_address_for_another_layers(client: TestClient) -> None:
    """What is signed is what the router reads, for any path that it knows."""
    app: Any = client.app
    router = app.routes()
    fast = layers.fast_routes(app.context)
    random, known = Random(17), 0
    for _ in range(6000):
        start = random.choice([[], [], ["layers"], ["collections"], ["unstored"]])
        path = "/" + "/".join([*start, *random.choices(WORDS, k=random.randint(1, 6))])
        layer = next((match["layer"] for route in fast if (match := route.pattern.fullmatch(path))), None)
        if layer is None:
            scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
            matches = (route.matches(scope) for route in router.router.routes)
            layer = next((at["path_params"].get("layer") for full, at in matches if full is Match.FULL), None)
        if layer is not None and ids.is_id(layer):
            known += 1
            subject = signatures.subject_of(path, b"", ["cog"], ["mygrid"])
            is_wrong_tile = re.fullmatch(rf"(/unstored)?/{layer}/[0-9]+/[^/]+/[^/]+", path) is not None
            assert subject == f"layer:{layer}" or (is_wrong_tile and client.get(path).status_code == 422), path
    assert known > 300


def test_lists_and_services(client: TestClient) -> None:
    assert [layer["id"] for layer in client.get("/layers").json()["layers"]] == sorted(IDS)
    found = ET.fromstring(client.get("/wmts").content)
    spaces = {"w": "http://www.opengis.net/wmts/1.0", "ows": "http://www.opengis.net/ows/1.1"}
    names = [name.text for name in found.findall(".//w:Layer/ows:Identifier", spaces)]
    assert sorted(name for name in names if name) == sorted(IDS)
    templates = [node.get("template", "") for node in found.findall(".//w:ResourceURL", spaces)]
    assert any("/alps/2024/dem/{TileMatrix}" in template for template in templates)
    query = {"service": "WMTS", "request": "GetTile", "layer": "alps/2024/dem", "tilematrix": "8"}
    tile = client.get("/wmts", params=query | {"tilecol": "134", "tilerow": "90", "style": "red"})
    assert tile.content == client.get(f"/alps/2024/dem/{TILE}.png?style=red").content
    query = {"service": "WMS", "version": "1.3.0", "request": "GetMap", "layers": "alps/2024/dem", "styles": "red"}
    query |= {"crs": "CRS:84", "bbox": "8,46,9,47", "width": "64", "height": "64", "format": "image/png"}
    assert client.get("/wms", params=query).headers["content-type"] == "image/png"


def test_a_folder_and_a_search(client: TestClient) -> None:
    def found(query: str) -> list[str]:
        return [layer["id"] for layer in client.get(f"/layers?{query}").json()["layers"]]

    assert found("folder=alps") == found("folder=/alps/2024/") == ["alps/2024/dem", "alps/2024/dem-7"]
    assert found("folder=alps/20") == []
    assert found("q=DEM") == ["alps/2024/dem", "alps/2024/dem-7"]
    assert found("q=dem-7+alps") == ["alps/2024/dem-7"]
    assert found("q=%25") == found("q=_") == []
    assert len(found("q=")) == len(IDS)
    assert client.get("/layers?folder=../a").json()["parameter"] == "folder"
    page = client.get("/layers?folder=alps&limit=1")
    assert page.links["next"]["url"] == "http://localhost/layers?folder=alps&limit=1&offset=1"
    assert client.get("/wmts?folder=alps").text.count("<Layer>") == 2
    assert client.get("/collections?q=dem-7").json()["numberMatched"] == 1


def test_pages_lead_to_layers_in_folders(client: TestClient) -> None:
    page = client.get("/layers", headers={"accept": "text/html"}).text
    assert 'href="./alps/2024/dem/wmts"' in page
    viewer = client.get("/layers/alps/2024/dem/viewer").text
    assert '"root": "../../../../"' in viewer
    assert 'src="../../../static/' in client.get("/alps/2024/dem/map").text
