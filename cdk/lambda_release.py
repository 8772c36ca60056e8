"""A new version of the function: checked before anybody gets it, shifted to by CodeDeploy, taken back on alarms."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as awslambda
from constructs import Construct

from cdk.codedeploy import ROLLBACK, make_role, routing
from cdk.config import StackConfig
from cdk.encryption import make_log_group
from cdk.lambda_function import ALIAS, Tiler, what_checks_know
from cdk.lambda_function import make_role as make_function_role

CHECK = Path(__file__).parent / "check_version.py"


def make_release(
    scope: Construct, config: StackConfig, tiler: Tiler, alarms: tuple[cloudwatch.Alarm, ...]
) -> codedeploy.LambdaDeploymentGroup:
    """CodeDeploy's application and deployment group. CloudFormation hands each new version to it and waits."""
    application = codedeploy.LambdaApplication(scope, "Application")
    check = _make_check(scope, config, tiler)
    arn = tiler.function.function_arn
    role = make_role(
        scope,
        "ReleaseRole",
        [
            iam.PolicyStatement(
                actions=["lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"],
                resources=[arn, f"{arn}:{ALIAS}"],
            ),
        ],
    )
    # apart, because the check in turn has to know the deployment group
    may_check = iam.Policy(
        scope,
        "ReleaseMayCheck",
        roles=[role],
        statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[check.function_arn])],
    )
    tiler.alias.node.add_dependency(may_check)
    group = codedeploy.LambdaDeploymentGroup(
        scope,
        "Release",
        application=application,
        alias=tiler.alias,
        deployment_config=codedeploy.LambdaDeploymentConfig.ALL_AT_ONCE
        if config.shifting == "all-at-once"
        else codedeploy.LambdaDeploymentConfig(scope, "Shift", traffic_routing=routing(config)),
        alarms=list(alarms),
        auto_rollback=ROLLBACK,
        pre_hook=check,
        role=role.without_policy_updates(),
    )
    group.node.add_dependency(role)
    return group


def _make_check(scope: Construct, config: StackConfig, tiler: Tiler) -> awslambda.Function:
    """Return a small function that asks the new version for its health."""
    log_group = make_log_group(scope, config, "CheckLogs")
    role = make_function_role(scope, "CheckRole", log_group)
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["lambda:InvokeFunction"], resources=[f"{tiler.function.function_arn}:*"]
        )  # any version: a statement about the newest alone might not be known yet when it is asked
    )
    return awslambda.Function(
        scope,
        "Check",
        description="Asks a new version of the tiles for its health before traffic is shifted to it",
        code=awslambda.Code.from_inline(CHECK.read_text()),
        handler="index.handler",
        runtime=awslambda.Runtime.PYTHON_3_13,
        timeout=Duration.seconds(min(5 * config.timeout + 30, 900)),
        memory_size=256,
        environment={"VERSION": tiler.version.function_arn} | what_checks_know(config),
        role=role,
        log_group=log_group,
    )
