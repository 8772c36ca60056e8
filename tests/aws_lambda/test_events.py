"""Stage 3: the handler with events as AWS records them, of every kind."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.aws_lambda.conftest import Function, body_of, header, recorded
from tests.support.lambda_runtime import KINDS as FRONTS
from tests.support.lambda_runtime import make_answer, make_event
from tests.support.service import client, pixels
from tests.support.upstream import Fault, Upstream

KINDS = ("http-api", "http-api-v1", "rest-api", "function-url", "alb", "alb-multi")
TILE = "/cog/tiles/WebMercatorQuad/8/134/90.png"
HOST = "abcdefghij.execute-api.us-east-1.amazonaws.com"


def get(kind: str, target: str, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return make_event(kind, "GET", target, [*({"host": "localhost"} | (headers or {})).items()], **more)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tile_of_every_kind_of_event(function: Function, folder: Path, kind: str) -> None:
    answer = function(recorded(kind, folder))
    assert answer["statusCode"] == 200, answer
    assert answer["isBase64Encoded"] is True
    assert header(answer, "content-type") == "image/png"
    assert header(answer, "etag")
    expected = client(folder).get(TILE, params={"url": str(folder / "rgb.tif")})
    body = body_of(answer)
    assert body == expected.content
    assert pixels(body).shape[:2] == (256, 256)
    assert all(isinstance(value, str) for value in (answer.get("headers") or {}).values())
    assert ("multiValueHeaders" in answer) == (kind in {"http-api-v1", "rest-api", "alb-multi"})


@pytest.mark.parametrize("kind", KINDS)
def test_text_stays_text(function: Function, folder: Path, kind: str) -> None:
    event = recorded(kind, folder)
    text = json.dumps(event).replace(TILE, "/cog/info").replace("gzip", "identity").replace("bidx", "_")
    answer = function(json.loads(text.replace("deflate", "").replace("br, zstd", "")))
    assert answer["statusCode"] == 200, answer
    assert answer["isBase64Encoded"] is False
    assert json.loads(answer["body"])["count"] == 3


@pytest.mark.parametrize("kind", FRONTS)
def test_compressed_text_arrives_whole(function: Function, folder: Path, kind: str) -> None:
    answer = function(get(kind, "/conformance", {"accept-encoding": "gzip"}))
    plain = function(get(kind, "/api"))
    assert plain["statusCode"] == 200
    packed = function(get(kind, "/api", {"accept-encoding": "gzip"}))
    assert header(packed, "content-encoding") == "gzip"
    assert packed["isBase64Encoded"] is True
    import gzip

    assert gzip.decompress(body_of(packed)) == body_of(plain)
    assert answer["statusCode"] == 200


def test_a_token_that_cloudfronts_edge_hands_on_is_the_callers_own(folder: Path) -> None:
    """What CloudFront signs has its signature in Authorization."""
    function = Function(folder, TILERY_ACCESS_TOKEN="right")
    signature = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/lambda/aws4_request"

    def status(**headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return int(function(get("function-url", "/colorMaps", sent))["statusCode"])

    try:
        assert status(authorization=signature) == 401
        assert status(authorization=signature, x_viewer_authorization="Bearer wrong") == 401
        assert status(authorization=signature, x_viewer_authorization="Bearer right") == 200
        assert status(authorization="Bearer right") == 200
    finally:
        function.close()


@pytest.mark.parametrize("kind", FRONTS)
def test_a_body_arrives(function: Function, folder: Path, kind: str) -> None:
    ring = [[8.2, 46.2], [8.8, 46.2], [8.5, 46.8], [8.2, 46.2]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    headers = [("host", "localhost"), ("content-type", "application/json")]
    target = f"/cog/statistics?url={folder / 'gradient.tif'}"
    event = make_event(kind, "POST", target, headers, json.dumps(feature).encode())
    text = function(event)
    band = json.loads(text["body"])["properties"]["statistics"]["b1"]
    assert band["mean"] == pytest.approx(0.5 * 512, rel=0.02)
    encoded = base64.b64encode(event["body"].encode()).decode()
    assert function(event | {"body": encoded, "isBase64Encoded": True})["body"] == text["body"]


@pytest.mark.parametrize("kind", ["http-api", "http-api-v1", "rest-api", "function-url", "alb-multi"])
def test_repeated_parameters_arrive_in_their_order(function: Function, folder: Path, kind: str) -> None:
    event = json.loads(json.dumps(recorded(kind, folder)).replace(TILE, TILE.replace(".png", ".npy")))
    event = json.loads(json.dumps(event).replace("gzip, deflate, br, zstd", "").replace("gzip, deflate", ""))
    text = json.dumps(event).replace("bidx=1&bidx=2&bidx=3", "bidx=3&bidx=1").replace('"1", "2", "3"', '"3", "1"')
    answer = function(json.loads(text))
    assert answer["statusCode"] == 200, answer
    import io

    found = np.load(io.BytesIO(body_of(answer)))
    asked = client(folder).get(TILE.replace("png", "npy"), params={"url": str(folder / "rgb.tif"), "bidx": [3, 1]})
    np.testing.assert_array_equal(found, np.load(io.BytesIO(asked.content)))


@pytest.mark.parametrize("kind", FRONTS)
def test_what_the_caller_has_is_not_sent_again(function: Function, folder: Path, kind: str) -> None:
    target = f"{TILE}?url={folder / 'rgb.tif'}"
    etag = header(function(get(kind, target)), "etag")
    answer = function(get(kind, target, {"if-none-match": str(etag)}))
    assert answer["statusCode"] == 304
    assert not answer.get("body")
    head = function(make_event(kind, "HEAD", target, [("host", "localhost")]))
    assert (head["statusCode"], header(head, "etag")) == (200, etag)
    assert make_answer(kind, json.dumps(head).encode())[2] == b""


@pytest.mark.parametrize("kind", FRONTS)
def test_mistakes_are_answered_as_elsewhere(function: Function, folder: Path, kind: str) -> None:
    answer = function(get(kind, f"{TILE}?url=/etc/passwd"))
    assert answer["statusCode"] == 403
    assert json.loads(answer["body"])["code"] == "source_refused"
    assert header(answer, "access-control-allow-origin") == "*"
    assert header(answer, "cache-control") == "no-store"
    assert function(get(kind, "/no/such/place"))["statusCode"] == 404


def links(answer: dict[str, Any]) -> str:
    found: str = json.loads(answer["body"])["tiles"][0]
    return found


def tilejson(folder: Path) -> str:
    return f"/cog/WebMercatorQuad/tilejson.json?url={folder / 'rgb.tif'}"


def test_a_stage_is_part_of_the_path_and_of_every_link(function: Function, folder: Path) -> None:
    for kind in ("http-api", "http-api-v1"):
        event = get(kind, tilejson(folder), {"host": HOST}, stage="prod")
        assert links(function(event)).startswith(f"https://{HOST}/prod/cog/tiles/")
    event = recorded("rest-api", folder)
    event["path"] = "/cog/WebMercatorQuad/tilejson.json"
    event["requestContext"]["path"] = f"/prod{event['path']}"
    assert links(function(event)).startswith(f"https://{HOST}/prod/cog/tiles/")
    own = "tiles.example.com"
    event["requestContext"] |= {"path": event["path"], "domainName": own}
    event["multiValueHeaders"]["Host"] = [own]
    assert links(function(event)).startswith(f"https://{own}/cog/tiles/"), "a domain of one's own hides the stage"


def test_only_links_with_a_host_that_leads_here_are_for_everybody(function: Function, folder: Path) -> None:
    event = get("http-api", tilejson(folder), {"host": HOST, "x-forwarded-host": "evil.example"})
    event["requestContext"]["domainName"] = HOST
    answer = function(event)
    assert links(answer).startswith(f"https://{HOST}/cog/tiles/")
    assert header(answer, "cache-control") == "public, max-age=3600"
    forged = {"host": "evil.example", "x-forwarded-host": "wrong.example"}
    for kind in ("http-api", "alb", "alb-multi"):
        event = get(kind, tilejson(folder), forged)
        event["requestContext"]["domainName"] = HOST
        answer = function(event)
        assert "://evil.example/cog/tiles/" in links(answer)
        assert header(answer, "cache-control") == "private, max-age=3600"


def test_base_path_and_trusted_proxies_are_those_of_the_settings(folder: Path) -> None:
    function = Function(folder, TILERY_ROOT_PATH="/maps", TILERY_TRUSTED_PROXIES="203.0.113.7")
    try:
        event = get("http-api", f"/maps{tilejson(folder)}", {"host": HOST})
        assert links(function(event)).startswith(f"https://{HOST}/maps/cog/tiles/")
        event = recorded("alb", folder)
        event["path"] = "/cog/WebMercatorQuad/tilejson.json"
        event["headers"] |= {"host": "10.0.0.1", "x-forwarded-host": "127.0.0.1"}
        assert "//127.0.0.1/maps/cog" in links(function(event)), "who connected to the balancer is believed"
        event["headers"]["x-forwarded-for"] = "203.0.113.7, 198.51.100.9"
        assert "//10.0.0.1/maps/cog" in links(function(event)), "what the caller wrote before is not"
    finally:
        function.close()


@pytest.mark.parametrize(
    ("kind", "side", "suffix", "status"),
    [
        ("http-api", 1200, "npy", 413),
        ("http-api", 1200, "tif", 413),
        ("http-api", 1000, "npy", 200),
        ("alb", 450, "npy", 413),
        ("alb", 400, "npy", 200),
        ("function-url", 450, "npy", 200),
    ],
)
def test_what_cannot_fit_is_refused_before_the_work(
    function: Function, folder: Path, kind: str, side: int, suffix: str, status: int
) -> None:
    target = f"/cog/preview.{suffix}?url={folder / 'rgb.tif'}&width={side}&height={side}"
    answer = function(get(kind, target))
    assert answer["statusCode"] == status, answer["body"][:200]
    if status == 413:
        problem = json.loads(answer["body"])
        assert (problem["code"], problem["parameter"]) == ("answer_too_large", "format")
        assert problem["limit"] < side * side
        assert str(problem["limit"]) in problem["detail"]
    else:
        assert make_answer(kind, json.dumps(answer).encode())[0] == 200


def test_bands_and_types_count(function: Function, folder: Path) -> None:
    target = f"/cog/preview.npy?url={folder / 'rgb.tif'}&width=1400&height=1400"
    assert function(get("http-api", target))["statusCode"] == 413
    assert function(get("http-api", f"{target}&bidx=1"))["statusCode"] == 200
    assert function(get("http-api", f"{target}&bidx=1&return_mask=false"))["statusCode"] == 200
    wide = f"/cog/preview.npy?url={folder / 'gradient.tif'}&width=1400&height=1400&return_mask=false"
    assert function(get("http-api", wide))["statusCode"] == 413, "gradient has more than a byte a pixel"
    assert function(get("http-api", f"{wide}&bidx=1&rescale=0,100"))["statusCode"] == 200


def test_what_turns_out_too_large_is_refused_too(folder: Path) -> None:
    from tests.support import rasters

    noise = np.random.default_rng(3).integers(0, 255, (3, 1500, 1500)).astype(np.uint8)
    rasters.write(folder / "noise.tif", noise)
    function = Function(folder)
    try:
        target = f"/cog/preview.png?url={folder / 'noise.tif'}&max_size=1500"
        answer = function(get("http-api", target, {"origin": "https://maps.example", "x-request-id": "mine"}))
        assert answer["statusCode"] == 413
        problem = json.loads(answer["body"])
        assert problem["code"] == "answer_too_large"
        assert problem["request_id"] == "mine"
        assert header(answer, "x-request-id") == "mine"
        assert header(answer, "access-control-allow-origin") == "*"
        assert header(answer, "cache-control") == "no-store"
        assert header(answer, "etag") is None
        small = f"/cog/preview.png?url={folder / 'noise.tif'}&max_size=600"
        assert function(get("http-api", small))["statusCode"] == 200
        assert function(get("alb", small))["statusCode"] == 413, "a balancer carries less"
    finally:
        function.close()


def test_the_functions_time_is_the_deadline(folder: Path) -> None:
    with Upstream() as upstream:
        upstream.put("/a.tif", (folder / "rgb.tif").read_bytes())
        upstream.always = Fault(delay=20)
        function = Function(folder, TILERY_SOURCES=upstream.root)
        try:
            answer = function(get("http-api", f"{TILE}?url={upstream.url('/a.tif')}"), milliseconds=2000)
        finally:
            function.close()
    assert answer["statusCode"] == 504
    assert json.loads(answer["body"])["code"] in {"deadline_exceeded", "upstream_timeout"}


def test_a_slot_that_hangs_ends_the_process(folder: Path) -> None:
    hang = "import time, app.serving.render as render\nrender.opened = lambda *_: time.sleep(60)\n"
    function = Function(folder, after=hang, TILERY_DEADLINE="1")
    try:
        event = get("http-api", f"{TILE}?url={folder / 'rgb.tif'}")
        assert function(event)["statusCode"] == 504
        with pytest.raises(AssertionError):
            function(event)
        assert function.process.wait(5) == -9
    finally:
        function.close()


def test_a_process_without_room_for_a_large_request_is_ended(folder: Path) -> None:
    starve = "from tilery.limits.memory import Memory\nMemory.is_starved = True\n"
    function = Function(folder, after=starve)
    try:
        with pytest.raises(AssertionError):
            function(get("http-api", f"{TILE}?url={folder / 'rgb.tif'}"))
        assert function.process.wait(5) == -9
        assert "a large request finds no room" in function.log.read_text()
    finally:
        function.close()


def test_too_little_memory_is_said_at_the_start(folder: Path) -> None:
    function = Function(folder, memory=128)
    try:
        assert function.process.wait(20) != 0
        assert "give the function at least" in function.log.read_text()
    finally:
        function.close()
