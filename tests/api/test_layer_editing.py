"""Layers added, changed and removed over the net: by admins alone, each change of the document that is known."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import items, rasters, service
from tests.support.openapi import parameters
from tests.support.s3 import S3, s3, s3_server  # noqa: F401

TOKEN = "an-admin-of-the-tests"
ADMIN = {"authorization": f"Bearer {TOKEN}"}
ANY = ADMIN | {"if-match": "*"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path.resolve() / "rasters"
    found.mkdir()
    rasters.gradient(found / "two.tif", size=64)
    rasters.rgb(found / "rgb.tif", size=64)
    rasters.constant(tmp_path / "secret.tif", 1)
    return found


@pytest.fixture(params=["directory", "bucket"])
def client(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A client of a service with an empty catalog."""
    catalog, more = str(tmp_path / "catalog"), {}
    if request.param == "bucket":
        server: S3 = request.getfixturevalue("s3")
        server.bucket("edited")
        catalog, more = f"s3://edited/{tmp_path.name}/", {"s3_endpoint": server.endpoint}
    else:
        Path(catalog).mkdir()
    with service.client(folder, catalog=catalog, admin_token=TOKEN, **more) as found:
        yield found


@pytest.fixture
def plain(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "catalog").mkdir()
    with service.client(folder, catalog=str(tmp_path / "catalog"), admin_token=TOKEN) as found:
        yield found


def add(client: TestClient, folder: Path, layer_id: str = "two", **more: Any) -> Any:
    given = {"id": layer_id, "source": f"{folder}/two.tif", "render": {"bidx": [1], "rescale": [[0, 63]]}} | more
    return client.post("/layers", json=given, headers=ADMIN)


def shown(client: TestClient, layer_id: str = "two", **query: str) -> int:
    """Return the value of the preview's middle."""
    picture = service.pixels(client.get(f"/layers/{layer_id}/preview.png", params=query).content)
    return int(picture.reshape(64, 64, -1)[32, 32, 0])


def test_a_layer_from_its_beginning_to_its_end(client: TestClient, folder: Path) -> None:
    answer = add(client, folder, name="Two <bands>", attribution="Nobody")
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "http://localhost/layers/two"
    assert answer.headers["cache-control"] == "private, no-store"
    assert client.get("/two").json()["name"] == "Two <bands>"
    assert client.get("/two").json()["bounds"] == [8.0, 46.0, 9.0, 47.0]
    assert shown(client) == 32 * 255 // 63
    assert [layer["id"] for layer in client.get("/layers").json()["layers"]] == ["two"]

    known = {"if-match": answer.headers["etag"]}
    style = {"title": "Rows", "render": "bidx=2&rescale=0,126"}
    styled = client.put("/layers/two/styles/rows", json=style, headers=ADMIN | known)
    assert styled.status_code == 200, styled.text
    assert styled.json()["styles"]["rows"]["render"] == {"bidx": ["2"], "rescale": ["0,126"]}
    assert shown(client, style="rows") == 32 * 255 // 126
    late = client.put("/layers/two/styles/rows", json=style, headers=ADMIN | known)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")

    known = {"if-match": styled.headers["etag"]}
    renamed = client.patch("/layers/two", json={"name": "Zwei", "attribution": None}, headers=ADMIN | known)
    assert renamed.status_code == 200, renamed.text
    assert (renamed.json()["name"], "attribution" in renamed.json()) == ("Zwei", False)
    assert client.get("/two").json()["name"] == "Zwei"

    document = client.get("/layers/two/document", headers=ADMIN)
    assert document.json() == renamed.json()
    assert document.headers["etag"].removeprefix("W/") == renamed.headers["etag"].removeprefix("W/")
    replaced = document.json() | {"minzoom": 3, "maxzoom": 9}
    answer = client.put("/layers/two", json=replaced, headers=ADMIN | {"if-match": document.headers["etag"]})
    assert answer.status_code == 200, answer.text
    assert client.get("/two").json()["minzoom"] == 3

    assert client.delete("/layers/two/styles/rows", headers=ANY).status_code == 200
    assert client.get("/two").json()["styles"] == []
    assert client.delete("/layers/two/styles/rows", headers=ANY).status_code == 422
    assert client.delete("/layers/two", headers=ADMIN | known).status_code == 412
    assert client.delete("/layers/two", headers=ANY).status_code == 204
    assert client.get("/two").status_code == 404
    assert client.get("/layers").json()["layers"] == []
    assert client.delete("/layers/two", headers=ANY).status_code == 404
    assert add(client, folder).status_code == 201
    assert add(client, folder).status_code == 409


def ids(client: TestClient, **query: int) -> list[str]:
    return [layer["id"] for layer in client.get("/layers", params=query).json()["layers"]]


def test_layers_in_an_order(client: TestClient, folder: Path) -> None:
    for name in ("a", "b", "c", "d"):
        assert add(client, folder, name).status_code == 201
    assert ids(client) == ["a", "b", "c", "d"]
    for name, order in (("d", 1), ("b", 2.5)):
        assert client.patch(f"/layers/{name}", json={"order": order}, headers=ANY).json()["order"] == order
    assert ids(client) == ["d", "b", "a", "c"]
    assert ids(client, offset=1, limit=2) == ["b", "a"]
    assert [one["id"] for one in client.get("/collections").json()["collections"]] == ["d", "b", "a", "c"]
    assert client.patch("/layers/d", json={"order": None}, headers=ANY).status_code == 200
    assert ids(client) == ["b", "a", "c", "d"]
    for wrong in ("first", [1], {"a": 1}):
        assert client.patch("/layers/a", json={"order": wrong}, headers=ANY).status_code == 422, wrong


CHANGES = [
    ("POST", "/layers"),
    ("GET", "/layers/two/document"),
    ("PUT", "/layers/two"),
    ("PATCH", "/layers/two"),
    ("DELETE", "/layers/two"),
    ("PUT", "/layers/two/styles/a"),
    ("DELETE", "/layers/two/styles/a"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_nobody_else_may(folder: Path, tmp_path: Path, method: str, path: str) -> None:
    (tmp_path / "catalog").mkdir()
    settings = {"catalog": str(tmp_path / "catalog"), "access_token": "look-at-it-only"}
    with service.client(folder, admin_token=TOKEN, **settings) as client:
        add(client, folder)
        before = client.get("/layers/two/document", headers=ADMIN).json()
        for header, status in (
            ({}, 401),
            ({"authorization": "Bearer wrong"}, 401),
            ({"authorization": "Basic YTpi"}, 401),
            ({"authorization": "Bearer look-at-it-only"}, 403),
        ):
            answer = client.request(method, path, json={}, headers=header | {"if-match": "*"})
            assert answer.status_code == status, header
            assert TOKEN not in answer.text
        for query in (f"access_token={TOKEN}", "access_token=look-at-it-only"):
            answer = client.request(method, f"{path}?{query}", json={}, headers={"if-match": "*"})
            assert answer.status_code in (401, 403), query
        assert client.get("/layers/two/document", headers=ADMIN).json() == before
    with service.client(folder, **settings) as client:  # no admin token: no such routes
        token = {"authorization": "Bearer look-at-it-only", "if-match": "*"}
        assert client.request(method, path, json={}, headers=token).status_code in (404, 405)


def test_an_admin_may_look_as_well(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    with service.client(
        folder, catalog=str(tmp_path / "catalog"), admin_token=TOKEN, access_token="look-at-it-only"
    ) as client:
        assert client.get("/layers", headers=ADMIN).status_code == 200
        assert client.get("/layers").status_code == 401
        assert client.get("/layers", params={"access_token": TOKEN}).status_code == 401


@pytest.mark.parametrize(("method", "path"), [change for change in CHANGES if change[0] in ("PUT", "PATCH", "DELETE")])
def test_which_document_is_meant_has_to_be_said(plain: TestClient, folder: Path, method: str, path: str) -> None:
    add(plain, folder)
    answer = plain.request(method, path, json={}, headers=ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    other = plain.request(method, path, json={"name": "x"}, headers=ADMIN | {"if-match": '"another"'})
    assert other.status_code in (412, 422)
    assert plain.get("/two").status_code == 200


def test_of_many_editors_one_writes(client: TestClient, folder: Path) -> None:
    known = {"if-match": add(client, folder).headers["etag"]}

    def write(number: int) -> int:
        body = {"render": {"bidx": [1]}}
        return client.put(f"/layers/two/styles/s{number}", json=body, headers=ADMIN | known).status_code

    with ThreadPoolExecutor(6) as threads:
        answers = sorted(threads.map(write, range(6)))
    assert answers == [200, 412, 412, 412, 412, 412]
    assert len(client.get("/layers/two/document", headers=ADMIN).json()["styles"]) == 1


def test_of_many_editors_who_do_not_care_all_write(plain: TestClient, folder: Path) -> None:
    add(plain, folder)

    def write(number: int) -> int:
        body = {"render": {"bidx": [1]}}
        return plain.put(f"/layers/two/styles/s{number}", json=body, headers=ANY).status_code

    with ThreadPoolExecutor(3) as threads:
        assert set(threads.map(write, range(3))) == {200}
    assert len(plain.get("/layers/two/document", headers=ADMIN).json()["styles"]) == 3


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"source": "{folder}/../secret.tif"}, 403),
        ({"source": "/etc/passwd"}, 403),
        ({"source": "http://169.254.169.254/latest/"}, 403),
        ({"source": "two.tif"}, 422),
        ({"source": "{folder}/none.tif"}, 404),
        ({"source": 5}, 422),
        ({"id": "layers"}, 422),
        ({"id": "../up"}, 422),
        ({"id": "UPPER"}, 422),
        ({"kind": "vector"}, 422),
        ({"more": 1}, 422),
        ({"name": "x" * 201}, 422),
        ({"render": {"url": "/etc/passwd"}}, 422),
        ({"render": "bidx=9"}, 400),
        ({"render": "colormap_name=none-such"}, 422),
        ({"render": {"colormap_name": "viridis", "bidx": [1, 2]}}, 400),
        ({"styles": {"bad name": {}}}, 422),
        ({"styles": {"a": {"render": {"expression": "b1+"}}}}, 400),
        ({"styles": {"a": {"render": {"bidx": [7]}}}}, 400),
    ],
)
def test_a_wrong_layer_is_refused(plain: TestClient, folder: Path, given: dict[str, Any], status: int) -> None:
    body = {"id": "two", "source": "{folder}/two.tif"} | given
    if isinstance(body["source"], str):
        body["source"] = body["source"].format(folder=folder)
    answer = plain.post("/layers", json=body, headers=ADMIN)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"].endswith(".")
    assert plain.get("/layers").json()["layers"] == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"text"', b"[" * 100_000, b'{"a":' * 1000, b"\xff\xfe"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/layers"), ("PATCH", "/layers/two"), ("PUT", "/layers/two")])
def test_a_body_that_is_none(plain: TestClient, folder: Path, content: bytes, method: str, path: str) -> None:
    add(plain, folder)
    answer = plain.request(method, path, content=content, headers=ANY)
    assert (answer.status_code, answer.json()["parameter"]) == (422, "body")


@pytest.mark.parametrize(
    ("patch", "status"),
    [
        ({"source": "{folder}/../secret.tif"}, 403),
        ({"source": "../../secret.tif"}, 422),
        ({"source": "/etc/passwd"}, 403),
        ({"id": "other"}, 422),
        ({"minzoom": 9, "maxzoom": 3}, 422),
        ({"bounds": [0, 0, 999, 1]}, 422),
        ({"render": {"bidx": [5]}}, 400),
        ({"styles": {"a": {"render": {"nothing": 1}}}}, 422),
        ({"styles": 5}, 422),
        ({"format": 99}, 422),
    ],
)
def test_a_wrong_change_is_refused(plain: TestClient, folder: Path, patch: dict[str, Any], status: int) -> None:
    before = add(plain, folder).json()
    if isinstance(patch.get("source"), str):
        patch = {"source": patch["source"].format(folder=folder)}
    answer = plain.patch("/layers/two", json=patch, headers=ANY)
    assert answer.status_code == status, answer.text
    assert plain.get("/layers/two/document", headers=ADMIN).json() == before


def test_a_raster_that_cannot_be_read_now(plain: TestClient, folder: Path) -> None:
    add(plain, folder)
    (folder / "two.tif").rename(folder / "away.tif")
    plain.app.context.engine.forget()  # type: ignore[attr-defined]
    style = {"render": {"bidx": [2]}}
    assert plain.put("/layers/two/styles/a", json=style, headers=ANY).status_code == 404
    assert plain.put("/layers/two/styles/a", params={"check": "false"}, json=style, headers=ANY).status_code == 200
    wrong = {"render": {"colormap_name": "none-such"}}
    assert plain.put("/layers/two/styles/b?check=false", json=wrong, headers=ANY).status_code == 422
    assert plain.patch("/layers/two", json={"name": "Still there"}, headers=ANY).status_code == 200


def test_the_default_style(plain: TestClient, folder: Path) -> None:
    add(plain, folder)
    answer = plain.put("/layers/two/styles/default", json={"render": {"bidx": [2], "rescale": "0,126"}}, headers=ANY)
    assert answer.json()["render"] == {"bidx": [2], "rescale": "0,126"}
    assert shown(plain) == 32 * 255 // 126
    assert plain.delete("/layers/two/styles/default", headers=ANY).json()["render"] == {}


def test_an_item_of_stac_becomes_a_layer(plain: TestClient, folder: Path) -> None:
    data = {"href": "./two.tif", "type": items.COG}
    items.write(folder / "item.json", assets={"data": data})
    body = {"id": "scene", "source": f"{folder}/item.json"}
    assert plain.post("/layers", json=body, headers=ADMIN).status_code == 422  # which asset?
    answer = plain.post("/layers", json=body | {"render": "assets=data&bidx=1"}, headers=ADMIN)
    assert (answer.status_code, answer.json()["kind"]) == (201, "stac"), answer.text
    assert plain.get("/layers/scene/preview.png").status_code == 200


def test_the_description_of_the_api_has_them(plain: TestClient) -> None:
    document = plain.get("/openapi.json").json()
    for method, path in CHANGES:
        template = path.replace("two", "{layer}").replace("styles/a", "styles/{style}")
        operation = document["paths"][template][method.lower()]
        if method in ("PUT", "PATCH", "DELETE"):
            assert any(one["in"] == "header" and one["name"] == "If-Match" for one in parameters(document, operation))


def test_a_style_holds_the_names_of_classes(plain: TestClient, folder: Path) -> None:
    add(plain, folder)
    render = 'bidx=1&colormap={"31": "%2300ff00", "32": "%23ff0000"}&labels={"32": "Forest"}'
    answer = plain.put("/layers/two/styles/cover", json={"title": "Cover", "render": render}, headers=ANY)
    assert answer.status_code == 200, answer.text
    found = plain.get("/layers/two/legend.json", params={"style": "cover"}).json()["classes"]
    assert [(one["value"], one["label"]) for one in found] == [(31, "31"), (32, "Forest")]
    picture = service.pixels(plain.get("/layers/two/preview.png", params={"style": "cover"}).content)
    assert picture[5, 30:34].tolist() == [[0, 0, 0, 0], [0, 255, 0, 255], [255, 0, 0, 255], [0, 0, 0, 0]]
    capabilities = plain.get("/wmts")
    assert capabilities.status_code == 200
    assert "<ows:Identifier>cover</ows:Identifier>" in capabilities.text
    template = "/wmts?service=WMTS&request=GetTile&version=1.0.0&layer=two&style=cover&format=image/png"
    tile = plain.get(f"{template}&tilematrixset=WebMercatorQuad&tilematrix=10&tilerow=362&tilecol=536")
    colors = {tuple(color) for color in service.pixels(tile.content).reshape(-1, 4).tolist()}
    assert tile.status_code == 200, tile.text
    assert colors <= {(0, 0, 0, 0), (0, 255, 0, 255), (255, 0, 0, 255)}
    assert (255, 0, 0, 255) in colors
