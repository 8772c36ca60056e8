"""Any setting can be changed on a stack that runs: nothing that comes wants what what leaves still has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.changes import Change, Resources
from tests.cdk.support import alone

ZONE = {"DOMAIN": "tiles.example.com", "HOSTED_ZONE_ID": "Z0123456789", "HOSTED_ZONE_NAME": "example.com"}
OTHER = {"DOMAIN": "maps.example.com", "HOSTED_ZONE_ID": "Z0123456789", "HOSTED_ZONE_NAME": "example.com"}
CERTIFICATE = {"CERTIFICATE_ARN": "arn:aws:acm:us-east-1:123456789012:certificate/1"}
CLOUDFRONT = {"CLOUDFRONT": "1"}
OWN = {
    "VPC_ID": "vpc-0a1b2c3d",
    "VPC_CIDR": "172.31.0.0/16",
    "PUBLIC_SUBNETS": "subnet-0000000a,subnet-0000000b",
    "PRIVATE_SUBNETS": "subnet-0000000c,subnet-0000000d",
}
TASKS: dict[str, dict[str, str]] = {
    "plain": {},
    "domain": ZONE | {"PROTECT": "1"},
    "other domain": OTHER,
    "domain with a certificate": ZONE | CERTIFICATE,
    "cloudfront": CLOUDFRONT,
    "cloudfront, domain": CLOUDFRONT | ZONE | CERTIFICATE,
    "cloudfront, firewall, token": CLOUDFRONT
    | {"WAF": "1", "ACCESS_TOKEN_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"},
    "firewall, no access logs": {"WAF": "1", "ACCESS_LOGS": "0"},
    "private": {"NETWORK": "private"},
    "private, cloudfront": {"NETWORK": "private"} | CLOUDFRONT,
    "nat": {"NETWORK": "nat"},
    "nat, domain": {"NETWORK": "nat"} | ZONE,
    "other addresses": {"VPC_CIDR": "10.1.0.0/16", "NETWORK": "private"},
    "own network": OWN,
    "own network, nat, cloudfront": OWN | CLOUDFRONT | {"NETWORK": "nat"},
    "store": {"TILE_STORE": "1", "SPOT_PERCENT": "50", "ARCHITECTURE": "ARM64"},
    "website": {"TILE_WEBSITE": "1", "ALARM_EMAIL": "maps@example.com", "BUDGET": "200"},
    "store first": {"TILE_WEBSITE": "1"} | CLOUDFRONT,
}
BLUE_GREEN: dict[str, dict[str, str]] = {
    "all at once": {"SHIFT": "all-at-once"},
    "canary": {"SHIFT": "canary"},
    "slower": {"SHIFT": "canary", "SHIFT_PERCENT": "20"},
    "tried out": {"TEST_FROM": "203.0.113.7/32"},
}
"""Its network and load balancer stay as they are, says the documentation."""
FUNCTION: dict[str, dict[str, str]] = {
    "url": {},
    "http api": {"LAMBDA_FRONT": "http-api"},
    "http api, domain": {"LAMBDA_FRONT": "http-api"} | ZONE,
    "http api, other domain": {"LAMBDA_FRONT": "http-api"} | OTHER,
    "cloudfront": CLOUDFRONT,
    "cloudfront, domain": CLOUDFRONT | ZONE | CERTIFICATE,
    "image": {"LAMBDA_PACKAGE": "image", "ARCHITECTURE": "ARM64"},
    "store, no snapshot": {"TILE_STORE": "1", "SNAP_START": "0", "SHIFT": "linear"},
    "website": {"TILE_WEBSITE": "1"},
    "store first": {"TILE_WEBSITE": "1"} | CLOUDFRONT,
}
KEY = {"KMS_KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"}
LAYERS = {"CATALOG": "s3://maps/layers/", "JOBS": "1"}
JOBS: dict[str, dict[str, str]] = {
    "plain": LAYERS,
    "incoming, key": LAYERS | {"INCOMING": "1", "ALARM_EMAIL": "maps@example.com"} | KEY,
    "private, larger, tagged": LAYERS
    | {"NETWORK": "private", "JOB_CPU": "4096", "JOB_MEMORY": "8192", "OWNER": "maps"},
    "own network": LAYERS | OWN,
}
PIPELINE = {
    "CONNECTION_ARN": "arn:aws:codeconnections:us-east-1:123456789012:connection/0a1b2c3d-0000-4000-8000-00000000",
    "REPOSITORY": "example/maps",
}
RELEASE: dict[str, dict[str, str]] = {
    "plain": PIPELINE,
    "function, key": PIPELINE | {"RELEASE_TO": "lambda", "LAMBDA_PACKAGE": "image", "APPROVAL": "1"} | KEY,
    "blue-green, ARM": PIPELINE | {"RELEASE": "blue-green", "ARCHITECTURE": "ARM64", "LOG_RETENTION_DAYS": "90"},
}


def faults(stack: str, before: dict[str, str], variants: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Return what goes wrong on the way to each of the variants."""

    def resources(settings: dict[str, str]) -> Resources:
        found: Resources = alone(stack, **({"SOURCES": "s3://imagery/cogs/"} | settings)).whole["Resources"]
        return found

    changes = {name: Change(resources(before), resources(settings)) for name, settings in variants.items()}
    return {name: found for name, change in changes.items() if (found := change.faults())}


@pytest.mark.parametrize("before", TASKS)
def test_the_settings_of_running_tasks_can_be_changed(before: str) -> None:
    assert faults("ecs", TASKS[before], TASKS) == {}


@pytest.mark.parametrize("before", BLUE_GREEN)
def test_the_way_of_a_release_can_be_changed(before: str) -> None:
    variants = {name: settings | {"RELEASE": "blue-green"} for name, settings in BLUE_GREEN.items()}
    assert faults("ecs", variants[before], variants) == {}


@pytest.mark.parametrize("before", FUNCTION)
def test_the_settings_of_a_running_function_can_be_changed(before: str) -> None:
    assert faults("lambda", FUNCTION[before], FUNCTION) == {}


@pytest.mark.parametrize("before", JOBS)
def test_the_settings_of_the_jobs_can_be_changed(before: str) -> None:
    assert faults("jobs", JOBS[before], JOBS) == {}


@pytest.mark.parametrize("before", RELEASE)
def test_the_settings_of_a_pipeline_can_be_changed(before: str) -> None:
    assert faults("release", RELEASE[before], RELEASE) == {}


def test_a_domain_comes_before_http_leads_there() -> None:
    """And the redirect is the listener that served before, which nothing has to make room for."""
    resources = alone("ecs", SOURCES="s3://imagery/cogs/", **ZONE).whole["Resources"]
    ports = {r["Properties"]["Port"]: n for n, r in resources.items() if r["Type"].endswith("::Listener")}
    assert ports[443] in resources[ports[80]]["DependsOn"]
    before = alone("ecs", SOURCES="s3://imagery/cogs/").whole["Resources"]
    assert ports[80] in before
    assert ports[80] not in Change(before, resources).replaced
    (action,) = resources[ports[80]]["Properties"]["DefaultActions"]
    assert action["RedirectConfig"]["Host"] == "tiles.example.com", "the certificate has no other name"


def listener(port: int, balancer: str = "Balancer", group: str = "Group") -> dict[str, Any]:
    actions = [{"Type": "forward", "TargetGroupArn": {"Ref": group}}]
    own = {"LoadBalancerArn": {"Ref": balancer}, "Port": port, "DefaultActions": actions}
    return {"Type": "AWS::ElasticLoadBalancingV2::Listener", "Properties": own}


def balancer(scheme: str, group: str = "Guard", protected: str = "false") -> dict[str, Any]:
    own = {
        "Scheme": scheme,
        "SecurityGroups": [{"Fn::GetAtt": [group, "GroupId"]}],
        "LoadBalancerAttributes": [{"Key": "deletion_protection.enabled", "Value": protected}],
    }
    return {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer", "Properties": own}


def guard(network: str) -> dict[str, Any]:
    return {"Type": "AWS::EC2::SecurityGroup", "Properties": {"VpcId": network}}


def subnet(block: str) -> dict[str, Any]:
    return {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": block}}


def alarm(name: str) -> dict[str, Any]:
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": name}}


BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {}}


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ({"One": listener(80)}, {"Two": listener(80)}, "wants what One still has"),
        ({"One": listener(80)}, {"One": listener(443), "Two": listener(80)}, "wants what One still has"),
        (
            {"One": listener(80), "Balancer": balancer("internal"), "Guard": guard("a")},
            {"One": listener(80), "Balancer": balancer("internet-facing"), "Guard": guard("a")},
            "Group would have two load balancers",
        ),
        (
            {"Balancer": balancer("internal"), "Guard": guard("a")},
            {"Balancer": balancer("internal"), "Guard": guard("b")},
            "Balancer cannot move",
        ),
        (
            {"Balancer": balancer("internal", protected="true"), "Guard": guard("a")},
            {"Guard": guard("a")},
            "protected from its own removal",
        ),
        ({"One": subnet("10.0.2.0/24")}, {"Two": subnet("10.0.2.128/25")}, "which One still has"),
        ({"One": alarm("slow")}, {"Two": alarm("slow")}, "wants what One still has"),
        ({"One": BUCKET}, {"One": BUCKET | {"Properties": {"BucketName": "a"}}}, "would be replaced"),
        ({"One": BUCKET}, {}, "would be deleted"),
        ({"One": BUCKET}, {"One": alarm("slow")}, "another type"),
    ],
)
def test_what_would_go_wrong_is_seen(before: Resources, after: Resources, word: str) -> None:
    assert any(word in fault for fault in Change(before, after).faults())
    assert Change(before, before).faults() == []
    assert Change(after, after).faults() == []
