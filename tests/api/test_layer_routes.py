"""Layers: short addresses, styles, and everything that /cog offers, without a url."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.api.families import layers
from tests.support import rasters, service


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two layers: numbers with styles, and a picture."""
    found = tmp_path_factory.mktemp("catalog").resolve()
    for name in ("numbers", "picture"):
        (found / name).mkdir()
    rasters.gradient(found / "numbers" / "raster.tif", dtype="uint16")
    rasters.rgb(found / "picture" / "raster.tif")
    numbers = {
        "tilejson": "3.0.0",
        "name": "Numbers",
        "description": "Columns and rows.",
        "attribution": "Nobody",
        "bounds": [8, 46, 9, 47],
        "minzoom": 5,
        "maxzoom": 9,
        "source": "raster.tif",
        "revision": "r1",
        "render": {"bidx": 1, "rescale": "0,511", "colormap_name": "viridis"},
        "styles": {"rows": {"title": "Rows", "render": {"bidx": 2}}, "gray": {"render": {"colormap_name": "gray"}}},
    }
    (found / "numbers" / "index.json").write_text(json.dumps(numbers))
    picture = {"name": "Picture", "bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 9, "source": "raster.tif"}
    (found / "picture" / "index.json").write_text(json.dumps(picture))
    return found


@pytest.fixture(scope="module")
def client(catalog: Path) -> Iterator[TestClient]:
    with service.client(catalog=str(catalog)) as found:
        yield found


TILE = "8/134/90"


def test_the_list(client: TestClient) -> None:
    layers = client.get("/layers").json()["layers"]
    assert [(layer["id"], layer["name"]) for layer in layers] == [("numbers", "Numbers"), ("picture", "Picture")]
    page = client.get("/layers", headers={"accept": "text/html"})
    assert "Numbers" in page.text


def test_a_layer_is_a_tilejson(client: TestClient) -> None:
    body = client.get("/numbers").json()
    assert body == client.get("/layers/numbers").json()
    assert body["tiles"] == ["http://localhost/numbers/{z}/{x}/{y}@2x.png"]
    assert (body["minzoom"], body["maxzoom"], body["bounds"]) == (5, 9, [8, 46, 9, 47])
    assert body["attribution"] == "Nobody"
    assert [style["name"] for style in body["styles"]] == ["rows", "gray"] or len(body["styles"]) == 2
    tile = client.get(body["tiles"][0].replace("{z}/{x}/{y}", TILE))
    assert service.pixels(tile.content).shape[:2] == (512, 512)


def shown(client: TestClient, path: str, **query: Any) -> bytes:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("path", ["/numbers", f"/numbers/{TILE}.png", "/layers/numbers/info"])
def test_a_query_longer_than_any_real_one(client: TestClient, path: str) -> None:
    answer = client.get(f"{path}?{'a&' * 2100}")
    assert (answer.status_code, answer.json()["code"]) == (400, "over_limit")


def test_long_queries_are_not_kept() -> None:
    before = layers._merged_before.cache_info().currsize
    for number in range(3):
        assert layers.merged((), (), b"url=%d" % number + b"a" * 5000)
    assert layers._merged_before.cache_info().currsize == before


def test_a_tile_looks_as_the_layer_says(client: TestClient, catalog: Path) -> None:
    short = shown(client, f"/numbers/{TILE}.png")
    assert short == shown(client, f"/layers/numbers/tiles/WebMercatorQuad/{TILE}.png")
    with service.client(catalog) as other:
        same = shown(
            other,
            f"/cog/tiles/WebMercatorQuad/{TILE}.png",
            url=f"{catalog}/numbers/raster.tif",
            bidx=1,
            rescale="0,511",
            colormap_name="viridis",
        )
    assert short == same


def test_styles_and_the_request_win_over_the_layer(client: TestClient) -> None:
    plain = shown(client, f"/numbers/{TILE}.png")
    rows = shown(client, f"/numbers/{TILE}.png", style="rows")
    gray = shown(client, f"/numbers/{TILE}.png", style="gray")
    assert len({plain, rows, gray}) == 3
    assert shown(client, f"/numbers/{TILE}.png", bidx=2) == rows
    assert shown(client, f"/numbers/{TILE}.png", style="gray", colormap_name="viridis") == plain
    assert shown(client, f"/numbers/{TILE}.png", expression="b2") == rows
    wrong = client.get(f"/numbers/{TILE}.png", params={"style": "nonsense"})
    assert (wrong.status_code, wrong.json()["parameter"]) == (422, "style")
    assert "rows" in wrong.json()["detail"]


def test_styles_have_tags_of_their_own(client: TestClient) -> None:
    tags = {client.get(f"/numbers/{TILE}.png", params=query).headers["etag"] for query in ({}, {"style": "gray"})}
    assert len(tags) == 2
    answer = client.get(f"/numbers/{TILE}.png")
    assert client.get(f"/numbers/{TILE}.png", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "info",
        "info.geojson",
        "statistics",
        "preview.png",
        "point/8.5,46.5",
        "bbox/8.2,46.2,8.4,46.4.png",
        "WebMercatorQuad/tilejson.json",
        "tiles",
        "tiles/WebMercatorQuad",
        "WMTSCapabilities.xml",
        "WebMercatorQuad/map.html",
        "viewer",
        "validate",
        "stac",
        "map?f=png",
    ],
)
def test_everything_that_cog_offers(client: TestClient, path: str) -> None:
    answer = client.get(f"/layers/picture/{path}")
    assert answer.status_code == 200, answer.text
    assert "raster.tif" not in answer.text


def test_the_asset_of_a_layers_item_is_what_it_says(client: TestClient) -> None:
    asset = client.get("/layers/picture/stac").json()["assets"]["data"]
    answer = client.get(asset["href"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == asset["type"]


def test_links_of_a_layer_lead_to_its_own_routes(client: TestClient) -> None:
    body = client.get("/layers/numbers/WebMercatorQuad/tilejson.json", params={"style": "rows"}).json()
    assert body["tiles"][0].startswith("http://localhost/layers/numbers/tiles/WebMercatorQuad/{z}/{x}/{y}?style=rows")
    tileset = client.get("/layers/numbers/tiles/WebMercatorQuad").text
    assert "/layers/numbers/tiles/WebMercatorQuad" in tileset
    assert "/cog/" not in tileset


@pytest.mark.parametrize("tile", ["10/536/362", "13/4294/2899", "4/8/5"])
def test_beyond_the_zooms_tiles_are_made_of_what_there_is(client: TestClient, tile: str) -> None:
    long = client.get(f"/layers/numbers/tiles/WebMercatorQuad/{tile}.png")
    short = client.get(f"/numbers/{tile}.png")
    assert (short.status_code, long.status_code) == (200, 200)
    assert short.content == long.content
    assert service.pixels(short.content)[..., -1].any()


def test_beyond_the_bounds_there_is_nothing(client: TestClient) -> None:
    for path in ("/numbers/8/0/0.png", "/numbers/12/0/0.png"):
        outside = client.get(path)
        assert (outside.status_code, outside.json()["code"]) == (404, "tile_outside_bounds")
        assert outside.json()["limit"] == "8,46,9,47"
    deep = client.get("/numbers/31/536/362.png")
    assert (deep.status_code, deep.json()["parameter"]) == (404, "z")


@pytest.mark.parametrize(("setting", "status"), [("404", 404), ("204", 204), ("transparent", 200)])
@pytest.mark.parametrize("path", ["/numbers/10/0/0.png", "/numbers/8/0/0.png", "/numbers/2/0/0@2x.png"])
def test_where_there_is_nothing_the_setting_decides(catalog: Path, setting: str, status: int, path: str) -> None:
    with service.client(catalog=str(catalog), empty_tile=setting) as client:
        answer = client.get(path)
    assert answer.status_code == status
    if setting == "transparent":
        picture = service.pixels(answer.content)
        assert picture.shape[:2] == ((512, 512) if "@2x" in path else (256, 256))
        assert not picture[..., -1].any()


@pytest.mark.parametrize(
    "path", ["/nothing", f"/nothing/{TILE}.png", "/layers/nothing/info", "/nothing/wmts", "/nothing/map", "/layers/NO"]
)
def test_layers_that_are_not_there(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "layer_not_found")
    assert answer.json()["parameter"] == "layer"


@pytest.mark.parametrize(
    "path", [f"/..%2f..%2fetc/{TILE}.png", f"/Numbers/{TILE}.png", f"/num%00bers/{TILE}.png", "/a" * 40]
)
def test_names_that_no_layer_can_have(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 422)


def test_wmts_of_a_layer_and_of_the_catalog(client: TestClient) -> None:
    one, everything = client.get("/numbers/wmts").text, client.get("/wmts").text
    assert one.count("<Layer>") == 1
    assert everything.count("<Layer>") == 2
    template = re.search(r'template="([^"]+)"', one)
    assert template is not None
    z, x, y = TILE.split("/")
    address = template[1].replace("{TileMatrix}", z).replace("{TileCol}", x).replace("{TileRow}", y)
    assert client.get(address.replace("{Style}", "default")).status_code == 200


def test_cog_does_not_read_what_only_the_catalog_may(client: TestClient, catalog: Path) -> None:
    answer = client.get("/cog/info", params={"url": f"{catalog}/numbers/raster.tif"})
    assert (answer.status_code, answer.json()["code"]) == (403, "source_refused")


def test_names_in_any_case_by_setting(catalog: Path) -> None:
    settings = {"catalog": str(catalog), "lower_case_query_parameters": True, "access_token": "secret"}
    with service.client(**settings) as client:
        for name in ("style", "Style"):
            plain, other = ({"access_token": "secret"} | more for more in ({}, {name: "rows"}))
            tile = f"/numbers/{TILE}.png"
            assert shown(client, tile, **other) != shown(client, tile, **plain)
        small, large = ({"access_token": "secret", name: 2} for name in ("bidx", "BIDX"))
        assert shown(client, f"/numbers/{TILE}.npy", **small) == shown(client, f"/numbers/{TILE}.npy", **large)
        assert client.get("/numbers", params={"ACCESS_TOKEN": "secret"}).status_code == 200


def test_without_a_catalog_there_are_no_layers() -> None:
    with service.client() as client:
        assert client.get("/layers").json() == {"layers": []}
        assert client.get("/numbers").status_code == 404


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of 25 layers, one of them broken."""
    root = tmp_path_factory.mktemp("many").resolve()
    rasters.gradient(root / "raster.tif", dtype="uint8")
    for number in range(25):
        layer = root / f"layer-{number:02}"
        layer.mkdir()
        document = {"bounds": [8, 46, 9, 47], "minzoom": 5, "maxzoom": 9, "source": f"{root}/raster.tif"}
        (layer / "index.json").write_text(json.dumps(document) if number != 7 else '{"statistics":' + "[" * 500)
    return root


def test_lists_come_in_pages(many: Path) -> None:
    with service.client(many, catalog=str(many)) as client:
        found: list[str] = []
        addresses = ["/layers?limit=10"]
        while addresses:
            answer = client.get(addresses.pop())
            assert answer.status_code == 200
            body = answer.json()
            found += [layer["id"] for layer in body["layers"]]
            links = {link["rel"]: link["href"] for link in body["links"]}
            if "next" in links:
                addresses.append(links["next"])
                assert answer.links["next"]["url"] == links["next"]
            assert ("prev" in links) == (len(found) > 10)
        assert found == [f"layer-{number:02}" for number in range(25) if number != 7]
        assert [layer["id"] for layer in client.get("/layers").json()["layers"]] == found
        page = client.get("/layers?limit=10&f=html").text
        assert "offset=10" in page
        assert "layer-09" in page
        assert "layer-10" not in page


def test_a_wmts_document_of_many_layers_comes_in_pages(many: Path) -> None:
    with service.client(many, catalog=str(many)) as client:
        first = client.get("/wmts?limit=10&offset=10")
        assert first.text.count("<Layer>") == 10
        assert "limit=" not in "".join(re.findall(r'template="([^"]+)"', first.text))
        assert client.get(first.links["next"]["url"]).text.count("<Layer>") == 5
        assert first.links["prev"]["url"].endswith("/wmts?limit=10")
        assert first.links["next"]["url"].replace("&", "&amp;") in first.text
        whole = client.get("/wmts")
        assert whole.text.count("<Layer>") == 24
        assert "link" not in whole.headers
        assert "<ows:Abstract>" not in whole.text


@pytest.mark.parametrize("path", ["/layers", "/wmts", "/layer-01/wmts", "/wms?SERVICE=WMS&REQUEST=GetCapabilities"])
def test_documents_of_layers_are_made_once_for_a_state_of_the_catalog(many: Path, path: str) -> None:
    with service.client(many, catalog=str(many), revalidate_seconds=0) as client:
        first, second = client.get(path), client.get(path)
        assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
        assert first.content == second.content
        known = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert known.status_code == 304
        other = client.get(path, headers={"host": "other.example"})
        assert "http://other.example" in other.text
        document = many / "layer-01" / "index.json"
        before = document.read_text()
        document.write_text(json.dumps(json.loads(before) | {"name": "Another name"}))
        try:
            changed = client.get(path)
            assert changed.headers["x-cache"] == "miss"
            assert "Another name" in changed.text
        finally:
            document.write_text(before)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "offset=-1", "offset=1e9"])
def test_pages_that_are_none(many: Path, query: str) -> None:
    with service.client(many, catalog=str(many)) as client:
        for path in ("/layers", "/wmts"):
            answer = client.get(f"{path}?{query}")
            assert (answer.status_code, answer.json()["parameter"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize(
    ("bounds", "centre"),
    [
        ([170, -10, -170, 30], [180, 10]),
        ([170, -10, -160, 30], [-175, 10]),
        ([160, -10, -170, 30], [175, 10]),
        ([8, 46, 9, 47], [8.5, 46.5]),
    ],
)
def test_the_centre_of_a_layer_is_within_its_bounds(tmp_path: Path, bounds: list[float], centre: list[float]) -> None:
    (tmp_path / "one").mkdir()
    rasters.rgb(tmp_path / "one" / "raster.tif", size=32)
    document = {"name": "One", "bounds": bounds, "minzoom": 3, "maxzoom": 9, "source": "raster.tif"}
    (tmp_path / "one" / "index.json").write_text(json.dumps(document))
    with service.client(tmp_path, catalog=str(tmp_path)) as client:
        assert client.get("/one").json()["center"] == [*centre, 3]


def test_an_earlier_revision_is_shown_as_long_as_its_files_are_there(tmp_path: Path) -> None:
    catalog = tmp_path.resolve()
    gone, old, new = (f"2026010{day}t000000-abcdef" for day in (1, 2, 3))
    for revision, value in ((old, 10), (new, 200)):
        (catalog / "dem" / revision).mkdir(parents=True)
        data = np.full((1, 64, 64), value, dtype=np.uint8)
        rasters.write(catalog / "dem" / revision / "index.tif", data, bounds=(8.0, 46.0, 9.0, 47.0))
    document = {"name": "DEM", "bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 9, "source": f"{new}/index.tif"}
    document |= {"revision": new, "history": [gone, old]}
    (catalog / "dem" / "index.json").write_text(json.dumps(document))
    with service.client(catalog=str(catalog)) as client:
        assert client.get("/dem").json()["revisions"] == [new, old]
        values = [
            client.get(f"/layers/dem/point/8.5,46.5{query}").json()["values"] for query in ("", f"?revision={old}")
        ]
        assert values == [[200], [10]]
        before = client.get("/dem", params={"revision": old}).json()
        assert before["revision"] == old
        assert f"revision={old}" in before["tiles"][0]
        tiles = [client.get(f"/dem/8/134/90.png{query}") for query in ("", f"?revision={new}", f"?revision={old}", "")]
        assert tiles[0].content == tiles[1].content == tiles[3].content != tiles[2].content
        assert tiles[0].headers["etag"] != tiles[2].headers["etag"]
        for name in (gone, "never", f"../dem/{old}"):
            answer = client.get("/layers/dem/info", params={"revision": name})
            assert answer.status_code == 404, answer.text
        assert answer.json()["code"] == "revision_not_found"
        assert answer.json()["parameter"] == "revision"
        assert f"{new}, {old}" in answer.json()["detail"]


def test_a_raster_that_is_written_over_has_one_revision(client: TestClient) -> None:
    assert "revisions" not in client.get("/numbers").json()
    assert client.get("/layers/numbers/info?revision=r1").status_code == 200
    assert client.get("/layers/numbers/info?revision=r0").status_code == 404
