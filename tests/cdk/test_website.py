"""The bucket of finished tiles in front of the service: public no further than it must be, and never in circles."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cdk.config import ConfigurationError, load
from tests.cdk.support import alone, synthesised

CDK = Path(__file__).parents[2] / "cdk"


STACKS = pytest.mark.parametrize("stack", ["ecs", "lambda"])


def bucket(name: str, part: str = "TileStore", kind: str = "AWS::S3::Bucket", stack: str = "ecs") -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (
        r["Properties"]
        for n, r in synthesised(name, stack).whole["Resources"].items()
        if n.startswith(part) and r["Type"] == kind
    )
    return found


def statements(name: str, stack: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bucket(name, kind="AWS::S3::BucketPolicy", stack=stack)["PolicyDocument"]["Statement"]
    return found


def environment(name: str, stack: str) -> dict[str, Any]:
    template = synthesised(name, stack)
    if stack == "ecs":
        return template.environment()
    found: dict[str, Any] = template.named("Function", "Lambda::Function")["Environment"]["Variables"]
    return found


def walk(rules: list[dict[str, Any]], key: str, status: str) -> list[str]:
    """Return where S3's website sends a caller whose objects are all missing; the first rule that fits counts."""
    way: list[str] = []
    while len(way) < 9:
        fits = (
            (rule["RoutingRuleCondition"].get("KeyPrefixEquals", ""), rule["RedirectRule"])
            for rule in rules
            if rule["RoutingRuleCondition"]["HttpErrorCodeReturnedEquals"] == status
            and key.startswith(rule["RoutingRuleCondition"].get("KeyPrefixEquals", ""))
        )
        prefix, where = next(fits)
        key = where["ReplaceKeyPrefixWith"] + key.removeprefix(prefix)
        if "HostName" in where:
            return [*way, f"service/{key}"]
        way.append(key)
    raise AssertionError(f"in circles: {way}")


@STACKS
def test_a_website_lets_everybody_read_tiles_and_do_nothing_else(stack: str) -> None:
    (allowed,) = (s for s in statements("website", stack) if s["Effect"] == "Allow")
    assert allowed["Action"] == "s3:GetObject"
    assert json.dumps(allowed["Resource"]).endswith('"/tiles/*"]]}')
    (denied,) = (s for s in statements("website", stack) if s["Effect"] == "Deny")
    assert denied["NotAction"] == "s3:GetObject"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    blocked = bucket("website", stack=stack)["PublicAccessBlockConfiguration"]
    assert blocked == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    assert "AccessControl" not in bucket("website", stack=stack)


@STACKS
def test_what_a_website_has_not_got_leads_to_the_service_for_now(stack: str) -> None:
    rules = bucket("website", stack=stack)["WebsiteConfiguration"]["RoutingRules"]
    codes = {rule["RoutingRuleCondition"]["HttpErrorCodeReturnedEquals"] for rule in rules}
    assert codes == {"403", "404"}, "without the right to list the bucket, what is missing is a 403"
    for rule in rules:
        assert rule["RedirectRule"]["HttpRedirectCode"] == "307", "browsers keep 301, S3's own choice, for ever"
    for status in ("403", "404"):
        assert walk(rules, "tiles/alps/8/133/90.png", status) == ["service/unstored/alps/8/133/90.png"]
        assert walk(rules, "tiles/alps/2024/dem/8/133/90.png", status) == [
            "service/unstored/alps/2024/dem/8/133/90.png"
        ]
        assert walk(rules, "alps/8/133/90.png", status) == [
            "tiles/alps/8/133/90.png",
            "service/unstored/alps/8/133/90.png",
        ]
    (host,) = {json.dumps(rule["RedirectRule"]["HostName"]) for rule in rules if "HostName" in rule["RedirectRule"]}
    (protocol,) = {rule["RedirectRule"]["Protocol"] for rule in rules if "HostName" in rule["RedirectRule"]}
    assert (protocol, "Balancer" in host, "ApiEndpoint" in host) == (
        ("http", True, False) if stack == "ecs" else ("https", False, True)
    )
    told = environment("website", stack)
    assert told["TILERY_TILE_STORE_MODE"] == "redirect"
    assert told["TILERY_TILE_STORE_LAYOUT"] == "plain"
    assert told["TILERY_TILE_STORE_FIRST"] == "1"
    assert "WebsiteURL" in json.dumps(told["TILERY_TILE_STORE_URL"])


@STACKS
def test_behind_cloudfront_the_bucket_stays_private(stack: str) -> None:
    assert set(bucket("store-first", stack=stack)["PublicAccessBlockConfiguration"].values()) == {True}
    assert "WebsiteConfiguration" not in bucket("store-first", stack=stack)
    (allowed,) = (s for s in statements("store-first", stack) if s["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    assert "Distribution" in json.dumps(allowed["Condition"])
    told = environment("store-first", stack)
    assert told["TILERY_TILE_STORE_MODE"] == "serve", "whom CloudFront asked already is sent nowhere"
    assert told["TILERY_TILE_STORE_LAYOUT"] == "plain"
    assert "TILERY_TILE_STORE_FIRST" not in told


@STACKS
def test_cloudfront_asks_the_bucket_and_then_the_service(stack: str) -> None:
    config = synthesised("store-first", stack).one("CloudFront::Distribution")["DistributionConfig"]
    (group,) = config["OriginGroups"]["Items"]
    origins = {origin["Id"]: origin for origin in config["Origins"]}
    first, second = (origins[member["OriginId"]] for member in group["Members"]["Items"])
    assert first["OriginPath"] == "/tiles"
    assert "OriginAccessControlId" in first
    assert ("VpcOriginConfig" in second) is (stack == "ecs")
    assert {403, 404} <= set(group["FailoverCriteria"]["StatusCodes"]["Items"])
    behaviours = {entry["PathPattern"]: entry for entry in config["CacheBehaviors"]}
    assert list(behaviours)[-1] == "/*/*/*/*.*", "whatever else has as many parts comes before"
    assert behaviours["/*/*/*/*.*"]["TargetOriginId"] == group["Id"]
    assert "POST" not in behaviours["/*/*/*/*.*"]["AllowedMethods"], "an origin group takes reading only"
    for path in ("/cog/*", "/layers/*", "/static/*"):
        assert behaviours[path]["TargetOriginId"] == second["Id"]
        assert "POST" in behaviours[path]["AllowedMethods"]
    assert config["DefaultCacheBehavior"]["TargetOriginId"] == second["Id"]


def test_the_website_of_the_function_leads_to_an_http_api() -> None:
    """A function URL has no name before there is a function, and the function names the website."""
    template = synthesised("website", "lambda")
    assert "AWS::Lambda::Url" not in template.kinds()
    assert template.named("Function", "Lambda::Function")["Timeout"] == 30
    assert (
        alone("lambda", TILE_WEBSITE="1", TIMEOUT="60").named("Function", "Lambda::Function")["Environment"][
            "Variables"
        ]["TILERY_DEADLINE"]
        == "28"
    ), "an HTTP API waits for 30 seconds"
    assert "TilesUrl" in template.whole["Outputs"]
    said = "".join(path.read_text() for path in template.folder.glob("*.json"))
    assert "The website leads to an HTTP API" in said


@STACKS
def test_tiles_stay_unless_the_settings_say_for_how_long(stack: str) -> None:
    def rules(**settings: str) -> list[dict[str, Any]]:
        found = alone(stack, TILE_STORE="1", ACCESS_LOGS="0", **settings).named("TileStore", "S3::Bucket")
        return list(found["LifecycleConfiguration"]["Rules"])

    assert [rule.get("ExpirationInDays") for rule in rules()] == [None]
    assert [rule.get("ExpirationInDays") for rule in rules(TILE_STORE_EXPIRY_DAYS="30")] == [30]


@pytest.mark.parametrize(
    ("uri", "query", "wanted"),
    [
        ("/alps/8/133/90.png", {}, "/alps/8/133/90.png"),
        ("/tiles/alps/8/133/90.png", {}, "/alps/8/133/90.png"),
        ("/tiles/alps/8/133/90.png", {"style": "one"}, "/layers/alps/tiles/WebMercatorQuad/8/133/90.png"),
        ("/alps/8/133/90@2x.webp", {"unknown": "1"}, "/alps/8/133/90@2x.webp"),
        ("/alps/8/133/90.png", {"style": "one"}, "/layers/alps/tiles/WebMercatorQuad/8/133/90.png"),
        ("/alps/8/133/90@2x.png", {"bidx": "1"}, "/layers/alps/tiles/WebMercatorQuad/8/133/90@2x.png"),
        ("/alps/2024/dem/8/133/90.png", {}, "/alps/2024/dem/8/133/90.png"),
        ("/tiles/alps/2024/dem/8/133/90.png", {}, "/alps/2024/dem/8/133/90.png"),
        ("/a/b/8/133/90.png", {"style": "one"}, "/layers/a/b/tiles/WebMercatorQuad/8/133/90.png"),
        ("/other/path/with/parts.png", {"style": "one"}, "/other/path/with/parts.png"),
    ],
)
def test_tiles_with_parameters_go_past_the_bucket(uri: str, query: dict[str, str], wanted: str) -> None:
    """A bucket would answer with the tile that says nothing."""
    normalise = (CDK / "at_the_edge.js").read_text().replace("function handler(", "function normalise(")
    event = {"request": {"uri": uri, "querystring": {name: {"value": value} for name, value in query.items()}}}
    script = f"{normalise}{(CDK / 'stored_tiles.js').read_text()}\nconsole.log(handler({json.dumps(event)}).uri)"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == wanted
    code = synthesised("store-first").all("CloudFront::Function")
    assert any("normalise(event)" in function["FunctionCode"] for function in code)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (
            {"ACCESS_TOKEN_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"},
            "a bucket asks nobody",
        ),
        (
            {"DOMAIN": "tiles.example.com", "CERTIFICATE_ARN": "arn:aws:acm:us-east-1:123456789012:certificate/1"},
            "no TLS",
        ),
    ],
)
def test_what_a_website_cannot_be_is_said(settings: dict[str, str], word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (settings | {"TILE_WEBSITE": "1"}).items():
        monkeypatch.setenv(f"TILERY_STACK_{name}", value)
    with pytest.raises(ConfigurationError, match=word):
        load()
