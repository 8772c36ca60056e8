"""Jobs: roles that may do just that, uploads that become jobs, and somebody who hears of failures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cdk.config import ConfigurationError, load
from tests.cdk.support import SETTINGS, Template, synthesised

jobs_of = pytest.mark.parametrize("name", ["website", "private"])


def template(name: str = "website") -> Template:
    return synthesised(name, "jobs")


def definition(part: str, name: str = "website") -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (
        r["Properties"]
        for n, r in template(name).whole["Resources"].items()
        if r["Type"] == "AWS::Batch::JobDefinition" and n.startswith(part)
    )
    return found


def actions_on(role: str, resource: str) -> set[str]:
    found: set[str] = set()
    for statement in template().role_statements(role):
        if resource in json.dumps(statement["Resource"]):
            verbs = statement["Action"]
            found |= {verbs} if isinstance(verbs, str) else set(verbs)
    return found


def test_roles_may_do_what_their_jobs_need_and_nothing_else() -> None:
    write = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}
    assert actions_on("SeedRole", ":s3:::imagery/cogs/*") == {"s3:GetObject"}
    assert actions_on("SeedRole", ":s3:::maps/layers/*") == {"s3:GetObject"}
    assert actions_on("SeedRole", ":s3:::store/tiles/*") == write
    assert actions_on("SeedRole", "Uploads") == set()
    assert actions_on("PublishRole", "/incoming/*") == {"s3:GetObject"}, "uploads are never changed"
    assert actions_on("PublishRole", "/reports/*") == {"s3:PutObject"}
    assert actions_on("PublishRole", ":s3:::maps/layers/*") == write
    assert actions_on("PublishRole", ":s3:::imagery") == set()
    for role in ("SeedRole", "PublishRole", "EventsRole"):
        assert '"*"' not in json.dumps(template().role_statements(role))
    assert {s["Action"] for s in template().role_statements("EventsRole")} == {"batch:SubmitJob"}
    assert not [r for r in template().all("IAM::Role") if "ManagedPolicyArns" in r]


@jobs_of
def test_a_job_is_locked_down(name: str) -> None:
    for job in template(name).all("Batch::JobDefinition"):
        container = job["ContainerProperties"]
        assert container["ReadonlyRootFilesystem"] is True
        assert [point["ContainerPath"] for point in container["MountPoints"]] == ["/tmp"]
        assert "User" not in container, "the image's own user, which is not root"
        assert not container.get("Privileged")
        assert container["LogConfiguration"]["LogDriver"] == "awslogs"
        public = container["NetworkConfiguration"]["AssignPublicIp"] if "NetworkConfiguration" in container else None
        assert (public == "ENABLED") == (name == "website")
    groups = {n: r for n, r in template(name).whole["Resources"].items() if r["Type"] == "AWS::EC2::SecurityGroup"}
    (group,) = (r["Properties"] for n, r in groups.items() if n.startswith("JobGroup"))
    assert "SecurityGroupIngress" not in group
    assert [(r["FromPort"], r["ToPort"]) for r in group["SecurityGroupEgress"]] == [(443, 443)]


@jobs_of
def test_no_functions_and_no_questions_to_aws(name: str) -> None:
    kinds = template(name).kinds()
    assert not {kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::Custom", "AWS::Lambda"))}


def test_seeding_knows_the_store_and_its_layout() -> None:
    job = definition("Seed")
    assert job["ContainerProperties"]["Command"][:4] == ["python", "-m", "app", "seed"]
    environment = {entry["Name"]: entry["Value"] for entry in job["ContainerProperties"]["Environment"]}
    assert environment["TILERY_TILE_STORE"] == "s3://store/tiles/"
    assert environment["TILERY_TILE_STORE_LAYOUT"] == "plain", "that of the website"
    assert environment["TILERY_CATALOG"] == "s3://maps/layers/"
    assert set(job["Parameters"]) == {"layer", "zooms", "formats"}


def test_jobs_read_sources_with_keys_as_the_service_does() -> None:
    secret = SETTINGS["private"]["SOURCES_FILE_SECRET"]
    found = definition("Seed", "private")["ContainerProperties"]
    assert {entry["Name"]: entry["ValueFrom"] for entry in found["Secrets"]} == {"TILERY_SOURCES_FILE": secret}
    assert secret in json.dumps(template("private").role_statements("ExecutionRole"))
    assert "Secrets" not in definition("Seed")["ContainerProperties"]


def test_what_is_wrong_with_a_source_is_not_tried_again() -> None:
    for job in template().all("Batch::JobDefinition"):
        strategy = job["RetryStrategy"]
        assert strategy["Attempts"] == 3
        assert {entry["OnExitCode"]: entry["Action"] for entry in strategy["EvaluateOnExit"]} == {
            "2": "EXIT",
            "3": "EXIT",
        }
        assert job["Timeout"]["AttemptDurationSeconds"] == 86400


def test_an_upload_starts_a_job() -> None:
    rules = {rule["Description"]: rule for rule in template().all("Events::Rule")}
    rule = rules["Objects under incoming/ become layers"]
    detail = rule["EventPattern"]["detail"]
    assert detail["object"] == {"key": [{"prefix": "incoming/"}], "size": [{"numeric": [">", 0]}]}
    (target,) = rule["Targets"]
    assert "DeadLetterConfig" in target
    assert "Publish" in json.dumps(target["BatchParameters"]["JobDefinition"])
    given = target["InputTransformer"]["InputTemplate"]["Fn::Join"][1]
    assert given[0] == '{"Parameters":{"source":"s3://'
    assert definition("Publish")["ContainerProperties"]["Command"][-2:] == ["publish-incoming", "Ref::source"]
    (bucket,) = (
        r["Properties"]
        for n, r in template().whole["Resources"].items()
        if r["Type"] == "AWS::S3::Bucket" and n.startswith("Uploads")
    )
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 30


def test_failures_are_told() -> None:
    rules = {rule["Description"]: rule for rule in template().all("Events::Rule")}
    failed = rules["Jobs that failed for good"]["EventPattern"]["detail"]
    assert failed["status"] == ["FAILED"]
    assert template().one("SNS::Subscription")["Endpoint"] == "maps@example.com"
    assert template().one("CloudWatch::Alarm")["MetricName"] == "ApproximateNumberOfMessagesVisible"


def test_no_more_machines_than_wanted() -> None:
    resources = template().one("Batch::ComputeEnvironment")["ComputeResources"]
    assert (resources["Type"], resources["MaxvCpus"]) == ("FARGATE", 16)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"JOBS": "1"}, "TILERY_STACK_CATALOG"),
        ({"INCOMING": "1", "CATALOG": "/data/layers"}, "TILERY_STACK_CATALOG"),
        ({"JOBS": "1", "CATALOG": "s3://a/b/", "JOB_CPU": "256"}, "JOB_MEMORY"),
        ({"JOBS": "1", "CATALOG": "s3://a/b/", "JOB_MAX_VCPUS": "1"}, "JOB_MAX_VCPUS"),
        ({"JOBS": "1", "CATALOG": "s3://a/b/", "JOB_TILE_STORE": "s3://bucket"}, "JOB_TILE_STORE"),
    ],
)
def test_settings_that_cannot_be_are_named(
    settings: dict[str, str], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"TILERY_STACK_{name}", value)
    with pytest.raises(ConfigurationError, match=word):
        load()
