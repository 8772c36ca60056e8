"""Values and bodies that are too long, too many or none, and answers that fail on their way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from app.api.middleware import RequestMiddleware
from app.config.settings import Settings
from tests.support import service
from tilery.errors import InvalidParameter

RING = [[8.2, 46.2], [8.4, 46.2], [8.4, 46.4], [8.2, 46.2]]


def ask(client: TestClient, path: str, **query: Any) -> tuple[int, str, Any]:
    answer = client.get(path, params=query)
    body = answer.json()
    return answer.status_code, body["code"], body


@pytest.mark.parametrize(
    ("path", "query", "parameter", "detail"),
    [
        ("/cog/preview.png", {"algorithm_params": "\0"}, "algorithm_params", "NUL character"),
        ("/cog/preview.png", {"algorithm_params": "[1]"}, "algorithm_params", "JSON object"),
        ("/cog/preview.png", {"algorithm_params": "[" * 20_000}, "algorithm_params", "JSON object"),
        ("/cog/preview.png", {"url": "a" * 9000}, "url", "at most 8192 characters"),
        ("/cog/WMTSCapabilities.xml", {"zooms": "5"}, "zooms", "should match pattern"),
        ("/cog/statistics", {"histogram_range": "0,nan"}, "histogram_range", "'minimum,maximum'"),
        ("/cog/statistics", {"histogram_bins": "3,2,1"}, "histogram_bins", "must rise"),
        ("/cog/statistics", {"histogram_bins": "inf"}, "histogram_bins", "number of bins or their edges"),
        ("/stac/info", {"assets": "a" * 5000}, "assets", "at most 4096 characters"),
        ("/stac/info", {"assets": "a\0"}, "assets", "no NUL"),
        ("/stac/preview.png", {"assets": ""}, "assets", "required"),
    ],
)
def test_values_that_are_too_long_or_none(
    client: TestClient, folder: Path, path: str, query: dict[str, str], parameter: str, detail: str
) -> None:
    status, code, body = ask(client, path, **{"url": f"{folder}/rgb.tif", **query})
    assert (status, code, body["parameter"]) == (422, "invalid_parameter", parameter)
    assert detail in body["detail"]


def test_a_tile_with_its_edges_is_no_larger_than_a_picture(client: TestClient, folder: Path) -> None:
    tile = "/cog/tiles/WebMercatorQuad/8/134/90.png"
    url = f"{folder}/rgb.tif"
    status, _, body = ask(client, tile, url=url, tilesize=2048, buffer=100)
    assert (status, body["parameter"], body["limit"]) == (400, "tilesize", 2048**2)
    assert str((2048 + 2 * 100) ** 2) in body["detail"]
    assert ask(client, tile, url=url, tilesize=2048, buffer=2000)[2]["parameter"] == "buffer"


def test_an_empty_crs_is_none(client: TestClient, folder: Path) -> None:
    url = f"{folder}/position.tif"
    for path, name in (("/cog/point/8.5,46.5", "coord_crs"), ("/cog/bounds", "crs")):
        given = client.get(path, params={"url": url, name: ""})
        assert given.status_code == 200
        assert given.json() == client.get(path, params={"url": url}).json()


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ({"type": "FeatureCollection"}, ["features"], "missing"),
        ({"type": "FeatureCollection", "features": 3}, ["features"], "missing"),
        ({"type": "FeatureCollection", "features": [1]}, ["features", 0], "model_type"),
        ({"type": "Feature", "geometry": None, "properties": 3}, ["properties"], "dict_type"),
        ({"type": "Feature", "geometry": None, "properties": []}, ["properties"], "dict_type"),
    ],
)
def test_what_a_collection_lacks_is_said_with_its_place(
    client: TestClient, folder: Path, body: Any, place: list[Any], kind: str
) -> None:
    answer = client.post("/cog/statistics", params={"url": f"{folder}/rgb.tif"}, json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["type"]) == (["body", *place], kind)


def test_no_more_features_than_the_setting_says(folder: Path) -> None:
    features = [{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [RING]}}] * 3
    for most, status in ((3, 200), (2, 400)):
        with service.client(folder, max_features=most) as client:
            answer = client.post(
                "/cog/statistics",
                params={"url": f"{folder}/rgb.tif"},
                json={"type": "FeatureCollection", "features": features},
            )
        assert answer.status_code == status, answer.text
    assert (answer.json()["code"], answer.json()["limit"]) == ("over_limit", 2)


def test_pixels_are_cut_into_no_more_parts_than_can_be_counted(client: TestClient, folder: Path) -> None:
    ring = [[8.1, 46.1], [8.9, 46.1], [8.9, 46.9], [8.1, 46.1]]
    answer = client.post(
        "/cog/statistics",
        params={"url": f"{folder}/rgb.tif", "cover_scale": 1000, "max_size": 0},
        json={"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_much_work")
    assert (answer.json()["parameter"], answer.json()["limit"]) == ("cover_scale", 1 << 32)


@pytest.mark.parametrize("error", [RuntimeError("surprise"), InvalidParameter("too late")])
def test_an_answer_that_fails_on_its_way_is_not_begun_again(error: Exception) -> None:
    """The server closes the connection when an application fails: a second start would be taken for a part of it."""
    sent: list[str] = []

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    middleware = RequestMiddleware(broken, settings=Settings(_env_file=None))
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(type(error), match=str(error)):
        asyncio.run(middleware(scope, receive, send))
    assert sent == ["http.response.start", "http.response.body"]


def test_a_web_socket_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/cog/info"):
        pass
