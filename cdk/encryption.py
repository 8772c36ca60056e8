"""What the stacks keep, encrypted: with AWS's own keys, or with a key of the settings."""

from __future__ import annotations

from typing import cast

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.config import StackConfig
from cdk.settings import RETENTION


def key_of(scope: Construct, config: StackConfig) -> kms.IKey | None:
    """Return the key of the settings, by its ARN; its policy is the owner's (``docs/deploy-ecs.md`` has it)."""
    if not config.kms_key_arn:
        return None
    found = cast("kms.IKey | None", scope.node.try_find_child("Key"))
    return found or kms.Key.from_key_arn(scope, "Key", config.kms_key_arn)


def key_statements(scope: Construct, config: StackConfig) -> list[iam.PolicyStatement]:
    """Return what a role needs beside its rights in buckets: to use the key, by way of S3 and nothing else."""
    if not config.kms_key_arn:
        return []
    region = config.kms_key_arn.split(":")[3]
    return [
        iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[config.kms_key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"s3.{region}.{Stack.of(scope).url_suffix}"}},
        )
    ]


def make_log_group(scope: Construct, config: StackConfig, name: str) -> logs.LogGroup:
    """Make a log that is kept as long as the settings say, and goes with its stack."""
    return logs.LogGroup(
        scope,
        name,
        retention=logs.RetentionDays[RETENTION[config.log_retention_days]],
        encryption_key=key_of(scope, config),
        removal_policy=RemovalPolicy.DESTROY,
    )
