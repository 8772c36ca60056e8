"""What of a request reaches the service behind CloudFront, what makes the key of its cache, and what pages are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.cloudfront import CloudFront
from tests.cdk.support import alone, synthesised

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
CHROME_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX_IMAGE = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
TOKEN = {"ACCESS_TOKEN_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"}
TILE = "/cog/tiles/WebMercatorQuad/8/134/90.png"
URL = "url=s3%3A%2F%2Fimagery%2Fcogs%2Fa.tif"


def edge(stack: str = "ecs", **settings: str) -> CloudFront:
    return CloudFront(alone(stack, SOURCES="s3://imagery/cogs/", CLOUDFRONT="1", **settings))


BOTH = pytest.mark.parametrize("stack", ["ecs", "lambda"])


@BOTH
@pytest.mark.parametrize("accept", [CHROME_IMAGE, FIREFOX_IMAGE, "*/*", "image/webp"])
def test_a_tile_has_one_copy_whichever_browser_asks(stack: str, accept: str) -> None:
    plain = edge(stack).ask(TILE, URL)
    asked = edge(stack).ask(TILE, f"{URL}&utm_source=mail", accept=accept, origin="https://a.example", user_agent="x")
    assert asked.key == plain.key
    assert asked.key == (TILE, "url=s3%3A%2F%2Fimagery%2Fcogs%2Fa.tif", ())


def test_a_tile_whose_format_is_not_said_by_accept_has_one_copy_either() -> None:
    for path, query in ((TILE.removesuffix(".png"), URL), ("/map", f"{URL}&f=webp"), ("/cog/tilejson.json", URL)):
        assert edge().ask(path, query, accept=CHROME).key == edge().ask(path, query).key, path


@BOTH
def test_what_the_service_chooses_by_accept_is_kept_apart(stack: str) -> None:
    chrome, image, script = (edge(stack).ask("/map", URL, accept=a) for a in (CHROME, CHROME_IMAGE, "application/json"))
    assert chrome.headers["accept"] == "*/*;q=0.8,image/webp,text/html"
    assert image.headers["accept"] == "*/*;q=0.8,image/*,image/webp"
    assert script.headers["accept"] == "application/json"
    assert len({chrome.key, image.key, script.key}) == 3


@BOTH
def test_a_preflight_arrives_as_the_browser_sent_it(stack: str) -> None:
    asked = edge(stack).ask(
        "/cog/statistics",
        method="OPTIONS",
        origin="https://maps.example.com",
        access_control_request_method="POST",
        access_control_request_headers="content-type",
    )
    assert asked.headers["origin"] == "https://maps.example.com"
    assert asked.headers["access-control-request-method"] == "POST"
    assert asked.headers["access-control-request-headers"] == "content-type"


def policies(name: str) -> list[tuple[str, Any]]:
    found = CloudFront(synthesised(name))
    return [(b["PathPattern"], found._of(b.get("ResponseHeadersPolicyId"))) for b in found.behaviours]


def test_stored_tiles_tell_pages_of_other_origins_that_they_may() -> None:
    """A tile from the private bucket has no such headers of its own."""
    for pattern, policy in policies("store-first"):
        cors = policy["ResponseHeadersPolicyConfig"]["CorsConfig"]
        assert cors["AccessControlAllowOrigins"] == {"Items": ["*"]}, pattern
        assert cors["OriginOverride"] is True, "or the first who asked would be in the cache"
        assert cors["AccessControlAllowCredentials"] is False
        assert {"Authorization", "Content-Type"} <= set(cors["AccessControlAllowHeaders"]["Items"])
        assert "ETag" in cors["AccessControlExposeHeaders"]["Items"]


@BOTH
@pytest.mark.parametrize(
    "env",
    [
        '{"TILERY_CORS_ORIGINS": "https://a.example, https://b.example", "TILERY_CORS_ALLOW_METHODS": "GET,HEAD"}',
        '{"TITILER_API_CORS_ORIGINS": "https://a.example,https://b.example", "TILERY_CORS_ALLOW_METHODS": "GET,HEAD"}',
    ],
)
def test_the_origins_are_those_that_the_service_was_told(stack: str, env: str) -> None:
    cors = edge(stack, ENV=env).ask(TILE, URL, origin="https://b.example").cors
    assert cors is not None
    assert cors["AccessControlAllowOrigins"] == {"Items": ["https://a.example", "https://b.example"]}
    assert cors["AccessControlAllowMethods"] == {"Items": ["GET", "HEAD"]}


def test_a_token_in_a_header_reaches_the_tasks_and_opens_no_copy_to_others() -> None:
    mine = edge(**TOKEN).ask(TILE, URL, authorization="Bearer right")
    assert mine.headers["authorization"] == "Bearer right"
    assert mine.key != edge(**TOKEN).ask(TILE, URL).key
    assert edge().ask(TILE, URL, authorization="Bearer x").key == edge().ask(TILE, URL).key, "nobody asks for one"


def test_a_token_in_a_header_reaches_the_function_beside_cloudfronts_signature() -> None:
    mine = edge("lambda", **TOKEN).ask(TILE, URL, authorization="Bearer right", x_viewer_authorization="Bearer forged")
    assert mine.headers["x-viewer-authorization"] == "Bearer right"
    assert "authorization" not in mine.headers, "CloudFront writes its own"
    assert mine.key != edge("lambda", **TOKEN).ask(TILE, URL).key
    forged = edge("lambda", **TOKEN).ask(TILE, URL, x_viewer_authorization="Bearer forged")
    assert "x-viewer-authorization" not in forged.headers


@BOTH
def test_whose_request_it_is_says_the_edge_and_not_the_visitor(stack: str) -> None:
    asked = edge(stack).ask(TILE, URL, ip="198.51.100.7", x_viewer_address="10.0.0.1", x_forwarded_for="10.0.0.1")
    assert asked.headers["x-viewer-address"] == "198.51.100.7"
    assert "198.51.100.7" not in str(asked.key)


def test_the_firewall_counts_by_what_the_edge_writes() -> None:
    template = synthesised("edge")
    rate = template.one("WAFv2::WebACL")["Rules"][0]["Statement"]["RateBasedStatement"]
    assert rate["AggregateKeyType"] == "FORWARDED_IP"
    header = rate["ForwardedIPConfig"]["HeaderName"]
    asked = CloudFront(template).ask(TILE, URL, ip="198.51.100.7", **{header: "10.0.0.1"})
    assert asked.headers[header.lower()] == "198.51.100.7", "or whoever writes another each time is never counted"


def test_the_name_that_was_asked_for_is_handed_on_where_the_service_is_not_told() -> None:
    assert edge("lambda").ask(TILE, URL, x_forwarded_host="evil.example").headers["x-forwarded-host"] == (
        "d1.cloudfront.net"
    )
    assert "x-forwarded-host" not in CloudFront(synthesised("edge", "lambda")).ask(TILE, URL).headers


def test_what_is_left_of_accept_means_the_same_to_the_service() -> None:
    negotiation = pytest.importorskip("app.api.negotiation")
    pictures = ("image/png", "image/tiff", "application/x-binary", "image/jp2", "image/webp", "image/jpeg")
    offers = (pictures, ("application/json", "text/html"), ("application/json", "text/html", *pictures))
    headers = [
        CHROME,
        CHROME_IMAGE,
        FIREFOX_IMAGE,
        "text/*;q=0.3, TEXT/HTML;q=0.7, application/json;q=0.5",
        "image/jpeg;q=0.9,image/png;q=0.1",
        "image/tiff; application=geotiff",
        "application/x-binary",
        "application/*;q=0.2, */*;q=0.1",
        "*/*",
    ]
    for accept in headers:
        left = edge().ask("/map", URL, accept=accept).headers.get("accept", "")
        for offered in offers:
            assert negotiation.preferred(left, offered) == negotiation.preferred(accept, offered), (accept, left)
