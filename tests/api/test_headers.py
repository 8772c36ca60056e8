"""Headers: caching, entity tags, HEAD, CORS, compression, request ids, tokens."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest
from starlette.testclient import TestClient

from app.api import negotiation
from app.api.middleware import RequestMiddleware
from app.config.settings import Settings
from tests.support import service

TILE = "/cog/tiles/WebMercatorQuad/8/134/90.png"


@pytest.fixture
def url(folder: Path) -> str:
    return f"{folder}/rgb.tif"


def test_a_tile_the_second_time(folder: Path, url: str) -> None:
    with service.client(folder) as client:
        first, second = client.get(TILE, params={"url": url}), client.get(TILE, params={"url": url})
    assert first.headers["x-cache"] == "miss"
    assert second.headers["x-cache"] == "hit"
    assert "render;dur=" in first.headers["server-timing"]
    assert "total;dur=" in second.headers["server-timing"]
    assert first.content == second.content
    for name in ("etag", "cache-control", "content-type", "content-bbox", "content-crs", "content-length"):
        assert first.headers[name] == second.headers[name]
    assert first.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize(
    "path",
    ["/cog/info", TILE, "/cog/WebMercatorQuad/tilejson.json", "/cog/statistics", "/cog/preview", "/cog/point/8.5,46.5"],
)
def test_what_the_client_has_is_not_sent_again(client: TestClient, url: str, path: str) -> None:
    first = client.get(path, params={"url": url})
    again = client.get(path, params={"url": url}, headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"].removeprefix("W/") == first.headers["etag"].removeprefix("W/")
    whose = "private" if "tilejson" in path else "public"  # it has links, and nobody said which host is ours
    assert first.headers["cache-control"] == again.headers["cache-control"] == f"{whose}, max-age=3600"
    assert again.headers["access-control-allow-origin"] == "*"
    other = client.get(path, params={"url": url, "nodata": 5}, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == (304 if path == "/cog/info" else 200)


@pytest.mark.parametrize("path", ["/cog/info", TILE, "/cog/statistics"])
def test_any_answer_is_known_to_who_says_so(folder: Path, url: str, path: str) -> None:
    with service.client(folder) as client:
        for _ in ("made", "found in memory"):
            answer = client.get(path, params={"url": url}, headers={"if-none-match": "*"})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"]
        tag = client.get(path, params={"url": url}).headers["etag"]
        assert tag.removeprefix("W/") == answer.headers["etag"].removeprefix("W/")


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [("/cog/tiles/WebMercatorQuad/8/0/0.png", {}, 404), (TILE, {"bidx": 9}, 400), ("/cog/point/0,0", {}, 404)],
)
def test_where_there_is_no_answer_none_is_known(
    client: TestClient, url: str, path: str, more: dict[str, int], status: int
) -> None:
    answer = client.get(path, params={"url": url, **more}, headers={"if-none-match": "*"})
    assert answer.status_code == status


def test_known_tiles_are_known_before_any_work(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.serving import render

    with service.client(folder) as client:
        tag = client.get(TILE, params={"url": url}).headers["etag"]
    monkeypatch.setattr(render, "tile", None)
    with service.client(folder) as client:
        assert client.get(TILE, params={"url": url}, headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/cog/info",
        TILE,
        "/cog/preview",
        "/",
        "/conformance",
        "/tileMatrixSets",
        "/colorMaps",
        "/algorithms",
        "/api",
    ],
)
def test_head_says_what_get_says(client: TestClient, url: str, path: str) -> None:
    query = {"url": url} if path.startswith("/cog") else {}
    get, head = client.get(path, params=query), client.head(path, params=query)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    varying = {"x-request-id", "server-timing", "x-cache"}
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in get.headers.items() if k not in varying
    }


def test_head_of_a_failure(client: TestClient, folder: Path) -> None:
    answer = client.head("/cog/info", params={"url": f"{folder}/missing.tif"})
    assert (answer.status_code, answer.content) == (404, b"")


def test_health_is_never_kept(client: TestClient) -> None:
    answer = client.get("/healthz")
    assert answer.headers["cache-control"] == "no-store"


class TestCors:
    def test_anybody_may_read_and_nobody_with_credentials(self, client: TestClient, url: str) -> None:
        for headers in ({"origin": "https://map.example"}, {"origin": "null"}, {}):
            answer = client.get(TILE, params={"url": url}, headers=headers)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers
            assert "ETag" in answer.headers["access-control-expose-headers"]

    @pytest.mark.parametrize("path", ["/cog/statistics", "/cog/feature.png", TILE, "/cog/info", "/nothing"])
    def test_preflight(self, client: TestClient, path: str) -> None:
        answer = client.options(
            path,
            headers={
                "origin": "https://map.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type",
            },
        )
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "content-type"

    def test_listed_origins_only(self, folder: Path, url: str) -> None:
        with service.client(folder, cors_origins="https://a.example,https://b.example") as client:
            good = client.get(TILE, params={"url": url}, headers={"origin": "https://b.example"})
            bad = client.get(TILE, params={"url": url}, headers={"origin": "https://c.example"})
            refused = client.options(
                TILE, headers={"origin": "https://c.example", "access-control-request-method": "GET"}
            )
        assert good.headers["access-control-allow-origin"] == "https://b.example"
        assert "access-control-allow-origin" not in bad.headers
        assert "Origin" in good.headers["vary"]
        assert "Origin" in bad.headers["vary"]
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers

    def test_failures_can_be_read_too(self, client: TestClient) -> None:
        answer = client.get("/cog/info", headers={"origin": "https://map.example"})
        assert answer.status_code == 422
        assert answer.headers["access-control-allow-origin"] == "*"


class TestCompression:
    @pytest.mark.parametrize(
        ("accept", "coding"),
        [
            ("gzip", "gzip"),
            ("deflate", "deflate"),
            ("br", "br"),
            ("zstd", "zstd"),
            ("gzip, deflate, br, zstd", "zstd"),
            ("gzip;q=1.0, br;q=0.1", "gzip"),
            ("gzip;q=0, identity", None),
            ("gzip;q=0.1, identity", None),
            ("gzip;q=0.5, br;q=0.1, identity;q=0.2", "gzip"),
            ("identity, gzip", "gzip"),
            ("", None),
            ("*", "zstd"),
        ],
    )
    def test_documents(self, client: TestClient, accept: str, coding: str | None) -> None:
        plain = client.get("/colorMaps", headers={"accept-encoding": "identity"})
        with client.stream("GET", "/colorMaps", headers={"accept-encoding": accept}) as answer:
            body = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding") == coding
        assert int(answer.headers["content-length"]) == len(body)
        assert "Accept-Encoding" in answer.headers["vary"]
        decode: dict[str | None, Callable[[bytes], bytes]] = {
            "gzip": gzip.decompress,
            "deflate": zlib.decompress,
            "br": lambda data: bytes(cramjam.brotli.decompress(data)),
            "zstd": lambda data: bytes(cramjam.zstd.decompress(data)),
            None: bytes,
        }
        assert decode[coding](body) == plain.content

    def test_what_cannot_be_made_smaller_is_left_alone(self, client: TestClient, url: str) -> None:
        for suffix, coded in (("png", False), ("jpg", False), ("webp", False), ("tif", True), ("npy", True)):
            answer = client.get(f"/cog/preview.{suffix}", params={"url": url}, headers={"accept-encoding": "gzip"})
            assert ("content-encoding" in answer.headers) is coded, suffix

    def test_a_compressed_answer_has_a_weak_tag(self, client: TestClient, url: str) -> None:
        path = "/cog/preview.npy"
        plain = client.get(path, params={"url": url}, headers={"accept-encoding": "identity"})
        coded = client.get(path, params={"url": url}, headers={"accept-encoding": "gzip"})
        assert coded.headers["etag"] == f"W/{plain.headers['etag']}"
        assert coded.content == plain.content
        again = client.get(path, params={"url": url}, headers={"if-none-match": coded.headers["etag"]})
        assert again.status_code == 304

    @pytest.mark.parametrize(
        "path",
        [
            "/cog/info",
            "/cog/tiles/WebMercatorQuad",
            "/cog/WebMercatorQuad/WMTSCapabilities.xml",
            "/cog/preview.npy",
            "/cog/preview.tif",
            "/cog/preview.png",
            "/cog/preview",
            "/cog/map?f=npy",
            "/cog/bbox/8.2,46.2,8.4,46.4.tif",
            TILE,
            TILE.replace(".png", ".npy"),
        ],
    )
    def test_what_is_known_varies_as_what_is_sent(self, client: TestClient, url: str, path: str) -> None:
        path = f"{path}{'&' if '?' in path else '?'}url={url}"
        sent = client.get(path)
        known = client.get(path, headers={"if-none-match": sent.headers["etag"]})
        assert (sent.status_code, known.status_code) == (200, 304)
        names = [{name.strip() for name in answer.headers.get("vary", "").split(",")} for answer in (sent, known)]
        assert names[0] == names[1]


class TestRequestId:
    def test_given_or_made(self, client: TestClient) -> None:
        assert (
            client.get("/healthz", headers={"x-request-id": "Root=1-67-abc"}).headers["x-request-id"] == "Root=1-67-abc"
        )
        made = {client.get("/healthz").headers["x-request-id"] for _ in range(3)}
        assert len(made) == 3

    @pytest.mark.parametrize("evil", ["a b", "x" * 200, "<script>", 'a"b'])
    def test_a_harmful_one_is_replaced(self, client: TestClient, evil: str) -> None:
        assert client.get("/healthz", headers={"x-request-id": evil}).headers["x-request-id"] != evil


class TestToken:
    @pytest.fixture
    def guarded(self, folder: Path) -> TestClient:
        return service.client(folder, access_token="öpen sesame")

    def test_needed_everywhere_but_for_health_and_documentation(self, guarded: TestClient, url: str) -> None:
        for path in ("/cog/info", TILE, "/tileMatrixSets", "/", "/layers"):
            answer = guarded.get(path, params={"url": url})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/healthz", "/api", "/api.html", "/redoc"):
            assert guarded.get(path).status_code == 200

    def test_in_the_query_or_as_bearer(self, guarded: TestClient, url: str) -> None:
        assert guarded.get(TILE, params={"url": url, "access_token": "öpen sesame"}).status_code == 200
        bearer = {b"authorization": "Bearer öpen sesame".encode()}
        assert guarded.get(TILE, params={"url": url}, headers=bearer).status_code == 200
        for wrong in ("", "open sesame", "öpen sesam", "öpen sesamee"):
            assert guarded.get(TILE, params={"url": url, "access_token": wrong}).status_code == 401

    def test_carried_into_links_and_nowhere_else(
        self, guarded: TestClient, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        query = {"url": url, "access_token": "öpen sesame"}
        answer = guarded.get("/cog/WebMercatorQuad/tilejson.json", params=query)
        assert answer.json()["tiles"][0].count("access_token=%C3%B6pen+sesame") == 1
        assert "x-ignored-parameters" not in answer.headers
        guarded.get("/cog/preview.png", params=query | {"expression": "nonsense("})
        assert "sesame" not in caplog.text


def test_names_that_mean_nothing_are_answered(client: TestClient, url: str) -> None:
    answer = client.get(TILE, params={"url": url, "rescal": "0,1", "_": "123", "ü": "1"})
    assert answer.status_code == 200
    assert answer.headers["x-ignored-parameters"] == "rescal, _, ?"


@pytest.mark.parametrize(("setting", "status"), [("404", 404), ("204", 204), ("transparent", 200)])
def test_tiles_with_nothing_in_them(folder: Path, url: str, setting: str, status: int) -> None:
    with service.client(folder, empty_tile=setting) as client:
        answer = client.get("/cog/tiles/WebMercatorQuad/8/0/0@2x.png", params={"url": url})
    assert answer.status_code == status
    if status == 204:
        assert answer.content == b""
    if status == 200:
        found = service.pixels(answer.content)
        assert found.shape == (512, 512, 4)
        assert (found[..., 3] == 0).all()


def test_what_a_token_in_a_header_was_needed_for_is_kept_by_nobody_else(folder: Path, url: str) -> None:
    settings = {"access_token": "sesame", "cache_control": "public, max-age=60, s-maxage=600"}
    bearer = {"authorization": "Bearer sesame"}
    with service.client(folder, **settings) as guarded:
        by_header = guarded.get(TILE, params={"url": url}, headers=bearer)
        by_address = guarded.get(TILE, params={"url": url, "access_token": "sesame"})
    with service.client(folder) as free:
        unneeded = free.get(TILE, params={"url": url}, headers=bearer)
    assert by_header.status_code == by_address.status_code == unneeded.status_code == 200
    assert by_header.headers["cache-control"] == "private, max-age=60"
    assert by_address.headers["cache-control"] == "public, max-age=60, s-maxage=600"
    assert unneeded.headers["cache-control"] == "public, max-age=3600"


ORIGIN = {"origin": "https://map.example"}


class TestPreflightsThatAreOdd:
    def test_options_without_a_wish_is_no_preflight(self, client: TestClient) -> None:
        answer = client.options(TILE, headers=ORIGIN)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"

    def test_no_more_headers_are_allowed_than_a_request_may_have(self, client: TestClient) -> None:
        wish = ORIGIN | {"access-control-request-method": "GET"}
        plain = client.options(TILE, headers=wish)
        many = client.options(TILE, headers=wish | {"access-control-request-headers": "x-a," * 2000})
        for answer in (plain, many):
            assert answer.status_code == 204
            assert "access-control-allow-headers" not in answer.headers

    def test_a_star_allows_the_methods_that_there_are(self, folder: Path) -> None:
        with service.client(folder, cors_allow_methods="*") as client:
            answer = client.options(TILE, headers=ORIGIN | {"access-control-request-method": "GET"})
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS"


def test_head_has_no_body_however_many_pieces_it_would_come_in() -> None:
    sent: list[Any] = []

    async def pieces(scope: Any, receive: Any, send: Any) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"ab", "more_body": number < 2})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    middleware = RequestMiddleware(pieces, settings=Settings(_env_file=None))
    scope = {"type": "http", "method": "HEAD", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(middleware(scope, receive, send))
    assert [(message["type"], message.get("body"), message.get("more_body")) for message in sent] == [
        ("http.response.start", None, None),
        ("http.response.body", b"", False),
    ]
    assert (b"content-length", b"6") in sent[0]["headers"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/html;level=1;q=0.4, application/json;charset=utf-8;q=0.5", "application/json"),
        ("text/html; level=1, application/json; q=0.9", "text/html"),
        ("text/html;q=none, application/json;q=0.1", "application/json"),
        ("image/png", None),
        ("text/html;q=0, application/json;q=0", None),
    ],
)
def test_the_kind_of_answer_that_is_liked_best(accept: str, wanted: str | None) -> None:
    """RFC 9110, 12.5.1: what else is said of a type does not change how much it is liked."""
    assert negotiation.preferred(accept, ("text/html", "application/json")) == wanted


def test_whoever_knows_any_answer_is_told_only_where_there_is_one(folder: Path) -> None:
    """RFC 9110, 13.1.2: ``*`` matches whatever there is, made or not."""
    with service.client(folder) as client:
        query, any_ = {"url": f"{folder}/rgb.tif"}, {"If-None-Match": "*"}
        first = client.get(TILE, params=query, headers=any_)
        assert (first.status_code, first.content) == (304, b"")
        plain = client.get(TILE, params=query)
        assert (plain.status_code, plain.headers["x-cache"]) == (200, "hit"), "it was made for the one before"
        assert plain.headers["etag"] == first.headers["etag"]
        assert client.get(TILE, params=query, headers=any_).status_code == 304
        assert client.get(TILE.replace("/134/", "/0/"), params=query, headers=any_).status_code == 404
