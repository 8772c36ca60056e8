"""Requests by keys and values: the names of OGC's protocols change no tile, no key and no link, and mean a tile."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.testclient import TestClient

from tests.support import rasters, service

OWS = "{http://www.opengis.net/ows/1.1}"
XLINK = "{http://www.w3.org/1999/xlink}"
QGIS = "SERVICE=WMS&REQUEST=GetCapabilities"
KEYS = {"SERVICE": "WMTS", "REQUEST": "GetTile", "VERSION": "1.0.0", "FORMAT": "image/png"}
PLACE = {"TILEMATRIXSET": "WebMercatorQuad", "TILEMATRIX": "8", "TILEROW": "90", "TILECOL": "134"}
TILE = "8/134/90"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of one layer with a style."""
    found = tmp_path_factory.mktemp("catalog").resolve()
    (found / "numbers").mkdir()
    rasters.gradient(found / "numbers" / "raster.tif", dtype="uint16")
    document = {
        "bounds": [8, 46, 9, 47],
        "minzoom": 5,
        "maxzoom": 9,
        "source": "raster.tif",
        "revision": "r1",
        "render": {"bidx": 1, "rescale": "0,511"},
        "styles": {"rows": {"render": {"bidx": 2}}},
    }
    (found / "numbers" / "index.json").write_text(json.dumps(document))
    return found


@pytest.fixture(scope="module")
def client(catalog: Path) -> Iterator[TestClient]:
    with service.client(catalog, catalog=str(catalog)) as found:
        yield found


def templates(text: str) -> list[str]:
    return re.findall(r'template="([^"]+)"', text)


@pytest.mark.parametrize("query", [QGIS, QGIS.lower(), "Service=WMTS&Request=GetCapabilities&AcceptVersions=1.0.0"])
def test_documents_repeat_no_name_of_the_protocol(client: TestClient, catalog: Path, query: str) -> None:
    source = f"url={catalog}/numbers/raster.tif&bidx=1&rescale=0,511"
    for path, own in (
        ("/wmts", ""),
        ("/numbers/wmts", "rescale=0,255"),
        ("/cog/WMTSCapabilities.xml", source),
        ("/cog/WebMercatorQuad/WMTSCapabilities.xml", source),
        ("/layers/numbers/WMTSCapabilities.xml", "bidx=1"),
    ):
        plain, asked = (client.get(f"{path}?{q}").text for q in (own, f"{own}&{query}"))
        assert templates(asked) == templates(plain) != []
        assert asked == plain, path


def test_no_other_document_repeats_them_either(client: TestClient, catalog: Path) -> None:
    source = f"url={catalog}/numbers/raster.tif&rescale=0,511"
    for path, own in (
        ("/numbers", "rescale=0,255"),
        ("/cog/WebMercatorQuad/tilejson.json", source),
        ("/cog/tiles", source),
        ("/cog/tiles/WebMercatorQuad", source),
        ("/layers/numbers/tiles", "bidx=1"),
    ):
        plain, asked = (client.get(f"{path}?{q}") for q in (own, f"{own}&{QGIS}&layers=numbers"))
        assert asked.json() == plain.json(), path


@pytest.mark.parametrize("mode", ["serve", "redirect"])
def test_a_tile_with_such_names_is_the_stored_one(catalog: Path, tmp_path: Path, mode: Any) -> None:
    store = {"tile_store": str(tmp_path), "tile_store_mode": mode, "tile_store_url": "https://tiles.example.com"}
    with service.client(catalog=str(catalog), **store) as client:
        for query in ("", QGIS, QGIS.lower(), "Layer=numbers&TileMatrix=8", f"style=rows&{QGIS}"):
            answer = client.get(f"/numbers/{TILE}.png?{query}", follow_redirects=False)
            assert answer.status_code == (302 if mode == "redirect" else 200)
        client.app.context.service.tile_store.close()  # type: ignore[attr-defined]
    assert len([path for path in tmp_path.rglob("*.png") if path.is_file()]) == 2


def test_a_tile_by_keys_is_the_tile_of_the_address(client: TestClient, catalog: Path) -> None:
    layer = KEYS | PLACE | {"LAYER": "numbers"}
    plain, rows = (client.get(f"/numbers/{TILE}.png", params=q) for q in ({}, {"style": "rows"}))
    assert plain.content != rows.content
    for path, query, expected in (
        ("/wmts", layer | {"STYLE": "default"}, plain),
        ("/wmts", layer | {"STYLE": "rows"}, rows),
        ("/wmts", {name.lower(): value for name, value in (layer | {"STYLE": "rows"}).items()}, rows),
        ("/numbers/wmts", KEYS | PLACE, plain),
        ("/numbers/wmts", KEYS | PLACE | {"style": "rows", "STYLE": "default"}, rows),
        ("/layers/numbers/WMTSCapabilities.xml", layer, plain),
        ("/layers/numbers/WMTSCapabilities.xml", layer | {"STYLE": "numbers_WebMercatorQuad_default"}, plain),
        ("/layers/numbers/WMTSCapabilities.xml", layer | {"STYLE": "rows"}, rows),
    ):
        found = client.get(path, params=query)
        assert (found.status_code, found.content) == (200, expected.content), (path, query)
        assert found.headers["content-type"] == "image/png"
        assert found.headers["etag"] == expected.headers["etag"] or "layers" in path


def test_a_tile_of_a_dataset_by_keys(client: TestClient, catalog: Path) -> None:
    own = {"url": f"{catalog}/numbers/raster.tif", "bidx": "1", "rescale": "0,511", "tile_format": "png"}
    tile = {name: value for name, value in own.items() if name != "tile_format"}
    for grid, place in (("WebMercatorQuad", "8/90/134"), ("WGS1984Quad", "7/30/134")):
        matrix, row, column = place.split("/")
        expected = client.get(f"/cog/tiles/{grid}/{matrix}/{column}/{row}.png", params=tile)
        assert expected.status_code == 200, expected.text
        keys = {"TILEMATRIXSET": grid, "TILEMATRIX": matrix, "TILEROW": row, "TILECOL": column}
        for path in ("/cog/WMTSCapabilities.xml", f"/cog/{grid}/WMTSCapabilities.xml"):
            found = client.get(path, params=own | KEYS | keys | {"STYLE": "any", "LAYER": "any"})
            assert (found.status_code, found.content) == (200, expected.content)
            assert found.headers["etag"] == expected.headers["etag"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "locator"),
    [
        ({"REQUEST": "GetMap"}, 400, "OperationNotSupported", "request"),
        ({"TILEROW": ""}, 400, "MissingParameterValue", "TileRow"),
        ({"TILEMATRIXSET": "WGS1984Quad"}, 400, "InvalidParameterValue", "TileMatrixSet"),
        ({"FORMAT": "image/gif"}, 400, "InvalidParameterValue", "Format"),
        ({"TILECOL": "x"}, 422, "InvalidParameterValue", "x"),
        ({"STYLE": "none"}, 422, "InvalidParameterValue", "style"),
        ({"LAYER": "<none>"}, 404, "InvalidParameterValue", "layer"),
        ({"LAYER": ""}, 422, "InvalidParameterValue", "layer"),
        ({"TILEROW": "0"}, 404, "TileOutOfRange", None),
    ],
)
def test_failures_are_exception_reports(
    client: TestClient, changes: dict[str, str], status: int, code: str, locator: str | None
) -> None:
    answer = client.get("/wmts", params=KEYS | PLACE | {"LAYER": "numbers"} | changes)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/xml")
    assert answer.headers["cache-control"] == "no-store"
    report = ET.fromstring(answer.content)
    assert report.tag == f"{OWS}ExceptionReport"
    exception = report[0]
    assert (exception.get("exceptionCode"), exception.get("locator")) == (code, locator)
    assert answer.headers["x-request-id"] in (exception.findtext(f"{OWS}ExceptionText") or "")


def test_a_token_goes_along(catalog: Path) -> None:
    with service.client(catalog=str(catalog), access_token="sesame") as client:
        query = KEYS | PLACE | {"LAYER": "numbers", "access_token": "sesame"}
        assert client.get("/wmts", params=query).status_code == 200
        text = client.get(f"/wmts?access_token=sesame&{QGIS}").text
    for template in templates(text):
        assert dict(parse_qsl(urlsplit(template.replace("&amp;", "&")).query)).keys() <= {"access_token", "style"}
