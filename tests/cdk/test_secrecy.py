"""The access token is never sent in the clear, and what is kept is encrypted with the key of the settings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cdk.support import alone

KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
TOKEN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"
REFUSAL = "plain HTTP only, and everybody on the way could read the token"


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"ACCESS_TOKEN_SECRET": TOKEN}, True),
        ({"ACCESS_SECRET": TOKEN}, True),
        ({"ENV": '{"TILERY_ACCESS_TOKEN": "abc"}'}, True),
        ({"ENV": '{"TITILER_API_GLOBAL_ACCESS_TOKEN": "abc"}'}, True),
        ({}, False),
        ({"ACCESS_TOKEN_SECRET": TOKEN, "CLOUDFRONT": "1"}, False),
        ({"ACCESS_TOKEN_SECRET": TOKEN, "DOMAIN": "a.example.com", "CERTIFICATE_ARN": CERTIFICATE}, False),
    ],
)
def test_tasks_ask_for_no_token_over_plain_http(settings: dict[str, str], refused: bool) -> None:
    template = alone("ecs", SOURCES="s3://imagery/", **settings)
    errors = [line for line in _entries(template.said()) if line.get("type") == "aws:cdk:error"]
    assert [REFUSAL in json.dumps(error) for error in errors] == ([True] if refused else [])


def test_a_function_has_tls_without_a_domain() -> None:
    assert REFUSAL not in alone("lambda", SOURCES="s3://imagery/", ACCESS_TOKEN_SECRET=TOKEN).said()


def test_that_access_logs_hold_addresses_is_said() -> None:
    said = "The access logs of the load balancer hold whole addresses"
    same = {"SOURCES": "s3://imagery/", "CLOUDFRONT": "1"}
    assert said in alone("ecs", **same, ACCESS_TOKEN_SECRET=TOKEN).said()
    assert said not in alone("ecs", **same, ACCESS_TOKEN_SECRET=TOKEN, ACCESS_LOGS="0").said()
    assert said not in alone("ecs", **same).said()


def _entries(text: str) -> list[dict[str, Any]]:
    """Return every object with a type, wherever it stands in these documents."""
    found: list[dict[str, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "type" in value:
                found.append(value)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, end = decoder.raw_decode(text, at)
        walk(value)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found


@pytest.mark.parametrize("stack", ["ecs", "lambda"])
def test_buckets_and_logs_have_the_key_of_the_settings(stack: str) -> None:
    template = alone(stack, SOURCES="s3://imagery/", TILE_STORE="1", KMS_KEY_ARN=KEY)
    assert {group["KmsKeyId"] for group in template.all("Logs::LogGroup")} == {KEY}
    keys = {
        name.rstrip("0123456789ABCDEF"): _key(r["Properties"])
        for name, r in template.whole["Resources"].items()
        if r["Type"] == "AWS::S3::Bucket"
    }
    assert keys == {"TileStore": KEY} | ({"AccessLogs": None} if stack == "ecs" else {}), "ELB writes with no other key"
    allowed = [s for s in template.every_statement() if "kms:Decrypt" in s["Action"]]
    assert allowed
    for statement in allowed:
        assert statement["Resource"] == KEY
        assert "s3.us-east-1." in json.dumps(statement["Condition"]["StringEquals"]["kms:ViaService"])


def _key(bucket: dict[str, Any]) -> str | None:
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    key: str | None = rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    return key


def test_without_a_key_nothing_may_use_one() -> None:
    template = alone("ecs", SOURCES="s3://imagery/", TILE_STORE="1")
    assert not [s for s in template.every_statement() if "kms:" in json.dumps(s)]
    assert "KmsKeyId" not in template.one("Logs::LogGroup")
