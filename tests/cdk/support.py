"""Settings of several deployments, and what is synthesised from them: once each, with AWS's checks on."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = "CDK_TESTS_SHARED"
"""The variable that names the folder of what is synthesised."""
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "1"

SETTINGS: dict[str, dict[str, str]] = {
    "plain": {"STAGE": "dev", "SOURCES": "s3://imagery/cogs/"},
    "production": {
        "OWNER": "maps",
        "CLIENT": "city",
        "SOURCES": "s3://imagery/cogs/,https://*",
        "DOMAIN": "tiles.example.com",
        "HOSTED_ZONE_ID": "Z0123456789",
        "HOSTED_ZONE_NAME": "example.com",
        "ALARM_EMAIL": "maps@example.com",
        "BUDGET": "200",
        "SPOT_PERCENT": "50",
        "ARCHITECTURE": "ARM64",
        "TASK_CPU": "1024",
        "TASK_MEMORY": "2048",
    },
    "private": {
        "STAGE": "dev",
        "NETWORK": "private",
        "BUCKETS": "imagery",
        "KEY": "cogs/*.tif",
        "TILE_STORE": "1",
        "CATALOG": "s3://maps/layers/",
        "JOBS": "1",
        "ACCESS_TOKEN_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf",
        "ACCESS_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:access-AbCdEf",
        "SOURCES_FILE_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:sources-AbCdEf",
        "ACCESS_LOGS": "0",
        "WORKERS_PER_CORE": "1",
    },
    "edge": {
        "STAGE": "dev",
        "CLOUDFRONT": "1",
        "WAF": "1",
        "CATALOG": "s3://maps/layers/",
        "DOMAIN": "tiles.example.com",
        "CERTIFICATE_ARN": "arn:aws:acm:us-east-1:123456789012:certificate/1",
        "HOSTED_ZONE_ID": "Z0123456789",
        "HOSTED_ZONE_NAME": "example.com",
        "DISTRIBUTION_ID": "E0ABCDEFGHIJKL",
        "ALARM_EMAIL": "maps@example.com",
        "ALARM_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:pager",
    },
    "website": {
        "STAGE": "dev",
        "CATALOG": "s3://maps/layers",
        "SOURCES": "s3://imagery/cogs/",
        "TILE_WEBSITE": "1",
        "INCOMING": "1",
        "JOB_TILE_STORE": "s3://store/tiles/",
        "ALARM_EMAIL": "maps@example.com",
    },
    "store-first": {
        "STAGE": "dev",
        "SOURCES": "s3://imagery/cogs/",
        "CATALOG": "s3://maps/layers/",
        "TILE_WEBSITE": "1",
        "CLOUDFRONT": "1",
    },
    "imported": {
        "STAGE": "dev",
        "NETWORK": "nat",
        "VPC_ID": "vpc-0a1b2c3d",
        "VPC_CIDR": "172.31.0.0/16",
        "PUBLIC_SUBNETS": "subnet-0000000a,subnet-0000000b",
        "PRIVATE_SUBNETS": "subnet-0000000c,subnet-0000000d",
        "IMAGE": "registry.example.com/tilery@sha256:0000",
        "SOURCES": "s3://imagery/",
    },
    "api": {
        "STAGE": "dev",
        "SOURCES": "s3://imagery/cogs/",
        "LAMBDA_FRONT": "http-api",
        "DOMAIN": "tiles.example.com",
        "HOSTED_ZONE_ID": "Z0123456789",
        "HOSTED_ZONE_NAME": "example.com",
        "MEMORY": "3008",
        "TIMEOUT": "20",
        "MAX_CONCURRENT": "50",
        "SHIFT": "linear",
        "SHIFT_PERCENT": "20",
        "SHIFT_MINUTES": "2",
        "SNAP_START": "0",
    },
    "pipeline": {
        "SOURCES": "s3://imagery/cogs/",
        "CONNECTION_ARN": "arn:aws:codeconnections:us-east-1:123456789012:connection/0a1b2c3d-0000-4000-8000-00000000",
        "REPOSITORY": "example/maps",
        "RELEASE_TO": "ecs,lambda",
        "RELEASE": "blue-green",
        "TEST_FROM": "203.0.113.7/32",
        "IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tilery@sha256:" + 64 * "0",
        "ENV": '{"TILERY_CACHE_CONTROL": "public, max-age=86400"}',
    },
}
ROLLING = [name for name, settings in SETTINGS.items() if settings.get("RELEASE") != "blue-green"]
"""Those whose tasks ECS replaces by itself."""


class Template:
    """Resources by type."""

    def __init__(self, path: Path) -> None:
        self.whole = json.loads(path.read_text())
        self.folder = path.parent

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [r.get("Properties", {}) for r in self.whole["Resources"].values() if r["Type"] == f"AWS::{kind}"]

    def one(self, kind: str) -> dict[str, Any]:
        found = self.all(kind)
        assert len(found) == 1, (kind, len(found))
        return found[0]

    def kinds(self) -> set[str]:
        return {r["Type"] for r in self.whole["Resources"].values()}

    def container(self) -> dict[str, Any]:
        found: dict[str, Any]
        (found,) = self.one("ECS::TaskDefinition")["ContainerDefinitions"]
        return found

    def environment(self) -> dict[str, Any]:
        return {entry["Name"]: entry["Value"] for entry in self.container()["Environment"]}

    def named(self, part: str, kind: str) -> dict[str, Any]:
        """Return the one resource of this kind whose name begins so."""
        found: list[dict[str, Any]] = [
            r["Properties"]
            for name, r in self.whole["Resources"].items()
            if name.startswith(part) and r["Type"] == f"AWS::{kind}"
        ]
        assert len(found) == 1, (part, kind, len(found))
        return found[0]

    def alarms(self) -> dict[str, dict[str, Any]]:
        """Return the alarms by the last part of their names."""
        return {alarm["AlarmName"].rpartition("-")[2]: alarm for alarm in self.all("CloudWatch::Alarm")}

    def said(self) -> str:
        """Return warnings and errors that the command prints."""
        return "".join(p.read_text() for p in (self.folder / "manifest.json", *self.folder.glob("*metadata*")))

    def every_statement(self) -> list[dict[str, Any]]:
        """Return what all roles together may do."""
        inline = [
            statement
            for role in self.all("IAM::Role")
            for policy in role.get("Policies", [])
            for statement in policy["PolicyDocument"]["Statement"]
        ]
        return inline + [s for policy in self.all("IAM::Policy") for s in policy["PolicyDocument"]["Statement"]]

    def role_statements(self, part: str) -> list[dict[str, Any]]:
        return [
            statement
            for name, r in self.whole["Resources"].items()
            if r["Type"] == "AWS::IAM::Policy" and part in name
            for statement in r["Properties"]["PolicyDocument"]["Statement"]
        ]


def scratch() -> str:
    """Return a folder that goes when the tests do."""
    folder = tempfile.mkdtemp(prefix="tilery-cdk-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def assembly(name: str) -> Path:
    """Return the folder that `cdk synth` makes from these settings; it fails on a finding that nobody has answered.

    One for all processes of the tests: whoever comes second waits.
    """
    from cdk.app import make_app
    from cdk.config import load

    shared = Path(os.environ[SHARED])
    folder, whole = shared / name, shared / f"{name}.whole"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            before = dict(os.environ)
            os.environ.update({f"TILERY_STACK_{key}": value for key, value in SETTINGS[name].items()})
            try:
                make_app(load(), outdir=str(folder)).synth()
            finally:
                os.environ.clear()
                os.environ.update(before)
            whole.touch()
    return folder


@cache
def synthesised(name: str, stack: str = "ecs") -> Template:
    """Return the template of one of the stacks: ``ecs``, ``lambda``, ``release``, ``jobs`` or ``edge``."""
    (found,) = assembly(name).glob(f"*-{stack}-*.template.json")
    return Template(found)


@cache
def alone(stack: str, **settings: str) -> Template:
    """Return one stack by itself and without AWS's checks, for what the settings of whole deployments leave out."""
    from aws_cdk import App

    from cdk.app import FLAGS
    from cdk.config import StackConfig
    from cdk.ecs_stack import EcsStack
    from cdk.jobs_stack import JobsStack
    from cdk.lambda_stack import LambdaStack
    from cdk.release_stack import ReleaseStack

    app = App(analytics_reporting=False, context=FLAGS, outdir=scratch())
    values: dict[str, Any] = {f"TILERY_STACK_{key}": value for key, value in ({"STAGE": "dev"} | settings).items()}
    config = StackConfig(**values)
    {"ecs": EcsStack, "lambda": LambdaStack, "jobs": JobsStack, "release": ReleaseStack}[stack](app, config)
    return Template(Path(app.synth().directory) / f"tilery-{stack}-dev.template.json")


def actions(statement: dict[str, Any]) -> list[str]:
    """Return the actions of a statement; CDK writes one as a text and several as a list."""
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)
