"""The function: what it runs, what it may do, and the alias that users reach it by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, RemovalPolicy, SecretValue, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as awslambda
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from app.config import shared
from cdk.buckets import store_statements
from cdk.config import StackConfig
from cdk.encryption import key_statements, make_log_group
from cdk.lambda_package import HANDLER, image_code, zip_code

LOGS = {"TILERY_LOG_FORMAT": "json", "TILERY_LOG_REQUESTS": "failed"}
"""Lines that programs read, of what failed: each GB of a log costs."""
RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_(LAMBDA_\w+|(DEFAULT_)?REGION|EXECUTION_ENV|ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY"
    r"|SESSION_TOKEN)|LAMBDA_(TASK_ROOT|RUNTIME_DIR)"
)
"""Variables that Lambda sets itself and takes from nobody. Source: AWS Lambda developer guide, "Defined runtime
environment variables"."""
ALIAS = "live"
"""What users reach. CodeDeploy decides which version that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiler:
    """The function, its newest version, and the alias before its versions."""

    function: awslambda.Function
    version: awslambda.Version
    alias: awslambda.Alias
    role: iam.Role
    log_group: logs.LogGroup


def make_function(
    scope: Construct, config: StackConfig, *, environment: dict[str, str], tile_store: s3.IBucket | None
) -> Tiler:
    """Return the function with its alias; each deployment that changes it publishes a version.

    An old version goes when its successor has all the traffic: a kept one would cost as much for its snapshot.
    """
    log_group = make_log_group(scope, config, "Logs")
    role = make_role(scope, "Role", log_group)
    for statement in config.read_statements(Stack.of(scope).partition):
        role.add_to_policy(iam.PolicyStatement.from_json(statement))
    for allowed in (*(store_statements(tile_store) if tile_store else ()), *key_statements(scope, config)):
        role.add_to_policy(allowed)
    snapshot = config.lambda_package == "zip" and config.snap_start
    same: dict[str, Any] = {
        "description": "Tilery: map tiles from rasters",
        "architecture": awslambda.Architecture.ARM_64
        if config.architecture == "ARM64"
        else awslambda.Architecture.X86_64,
        "memory_size": config.memory,
        "timeout": Duration.seconds(config.timeout),
        "reserved_concurrent_executions": config.max_concurrent,
        "environment": LOGS | environment | service_environment(config) | secrets(config),
        "role": role,
        "log_group": log_group,
        "snap_start": awslambda.SnapStartConf.ON_PUBLISHED_VERSIONS if snapshot else None,
        "current_version_options": awslambda.VersionOptions(removal_policy=RemovalPolicy.DESTROY),
    }
    function: awslambda.Function
    if config.lambda_package == "zip":
        function = awslambda.Function(
            scope,
            "Function",
            code=zip_code(scope, config),
            handler=HANDLER,
            runtime=awslambda.Runtime.PYTHON_3_13,
            **same,
        )
    else:
        function = awslambda.DockerImageFunction(scope, "Function", code=image_code(scope, config), **same)
    version = function.current_version
    alias = awslambda.Alias(scope, "Live", alias_name=ALIAS, version=version)
    return Tiler(function=function, version=version, alias=alias, role=role, log_group=log_group)


def service_environment(config: StackConfig) -> dict[str, str]:
    """Return the service's environment without what Lambda reserves, of which the stack warns."""
    return {name: value for name, value in config.service_environment().items() if not RESERVED.fullmatch(name)}


def reserved(config: StackConfig) -> list[str]:
    """Return the names of variables in the settings that a function cannot have."""
    return sorted(filter(RESERVED.fullmatch, config.env))


def make_role(scope: Construct, name: str, log_group: logs.LogGroup) -> iam.Role:
    """Return a role that may write into one log: what AWS's own policy for functions allows for every log of the
    account.
    """
    role = iam.Role(scope, name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    role.add_to_policy(
        iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn])
    )
    return role


def secrets(config: StackConfig) -> dict[str, str]:
    """Return who may ask, and the file of sources: the template has the names of the secrets, CloudFormation puts their
    texts into the function.
    """
    return {name: SecretValue.secrets_manager(arn).unsafe_unwrap() for name, arn in config.secrets.items()}


def what_checks_know(config: StackConfig) -> dict[str, str]:
    """Return what those have to know who ask a new version for its work: a token, or that none is known without which
    there is nothing to ask for; and a raster. A layer they cannot ask for by an address.
    """
    found = {}
    written = next((config.env[name] for name in shared.ACCESS_TOKEN.names if config.env.get(name)), None)
    if token := secrets(config).get("TILERY_ACCESS_TOKEN", written):
        found["TOKEN"] = token
    elif config.has_token:
        found["CLOSED"] = "1"
    if config.test_source and ":" in config.test_source:
        found["SOURCE"] = config.test_source
    return found
