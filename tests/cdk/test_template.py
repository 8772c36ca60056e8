"""The template for those without CDK: whole by itself, and the stack's own but for its parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from cdk import template
from tests.cdk.support import alone

IMAGE = "ghcr.io/example/tilery@sha256:" + 64 * "0"


@cache
def made() -> dict[str, Any]:
    return template.make(IMAGE)


def values(of: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, however deep."""
    if isinstance(of, dict):
        for key, value in of.items():
            yield key, value
            yield from values(value)
    elif isinstance(of, list):
        for value in of:
            yield from values(value)


def test_nothing_of_it_lies_elsewhere() -> None:
    """No file of a bootstrapped account, no parameter that bootstrapping wrote, no version of it that is asked for."""
    text = json.dumps(made())
    for word in ("cdk-hnb659fds", "BootstrapVersion", "AssetParameters", "cdk-bootstrap", "template.invalid"):
        assert word not in text
    assert "Rules" not in made()
    assert not [value for key, value in values(made()) if key in ("S3Bucket", "ZipFile", "TemplateURL")]
    assert len(text) < 1 << 20, "CloudFormation takes no more, even from S3"
    kinds = {resource["Type"] for resource in made()["Resources"].values()}
    assert not {kind for kind in kinds if kind.startswith(("Custom::", "AWS::Lambda::", "AWS::CloudFormation::"))}


def test_all_that_it_refers_to_is_in_it() -> None:
    known = {*made()["Resources"], *made()["Parameters"]}
    named = set()
    for key, value in values(made()):
        if key == "Ref":
            named.add(value)
        elif key == "Fn::GetAtt":
            named.add(value[0])
        elif key == "Fn::Sub":
            named |= {name.partition(".")[0] for name in re.findall(r"\$\{(?!!)([^}]+)\}", value)}
    assert {name for name in named if not name.startswith("AWS::")} <= known
    assert set(made()["Parameters"]) <= named, "each of them is used"
    conditions = {value for key, value in values(made()["Resources"]) if key == "Condition" and isinstance(value, str)}
    assert conditions <= set(made().get("Conditions", {}))


def test_it_is_the_stack_with_these_values() -> None:
    """With values in place of its parameters it is what CDK makes of the same settings."""
    settings = {
        "SOURCES": "s3://imagery/", "CATALOG": "s3://imagery/layers/", "IMAGE": IMAGE, "ALARM_EMAIL": "a@example.com",
        "CLOUDFRONT": "1",
    }  # fmt: skip
    stack = alone("ecs", **settings).whole
    given = {"Bucket": "imagery", "AlarmEmail": "a@example.com", "Image": IMAGE, "AWS::StackName": "tilery-ecs-dev"}

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(one) for one in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"} and value["Ref"] in given:
            return given[value["Ref"]]
        if set(value) == {"Fn::Sub"}:
            text = value["Fn::Sub"]
            for name, one in given.items():
                text = text.replace(f"${{{name}}}", one)
            return text.replace("${!", "${")
        return {key: put(one) for key, one in value.items()}

    whole = put({"Resources": made()["Resources"], "Outputs": made()["Outputs"]})
    assert whole["Outputs"] == stack["Outputs"]
    assert described(whole) == described(stack)


def described(whole: dict[str, Any]) -> list[tuple[str, str]]:
    """Types and properties of all resources, without their ids, of which some are made of the name of the stack as some
    names are, and without tags, one of which is the stage.
    """
    found = []
    for resource in whole["Resources"].values():
        properties = {key: one for key, one in resource["Properties"].items() if key not in ("Tags", "FileSystemTags")}
        text = json.dumps(properties, sort_keys=True)
        found.append((resource["Type"], re.sub(r"tileryecs(?:template|dev)(\w*?)[0-9A-F]{8}\b", r"\1", text)))
    return sorted(found)
