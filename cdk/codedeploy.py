"""What CodeDeploy does with a new version, for functions and for tasks: how it shifts traffic, when it takes it back.

AWS's own policies for CodeDeploy's role name every function, service and bucket of the account. The roles here name
those of one stack.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.config import StackConfig

ROLLBACK = codedeploy.AutoRollbackConfig(failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True)
"""Back to the old version when a deployment fails, when somebody stops it, and when an alarm rings meanwhile."""


def routing(config: StackConfig) -> codedeploy.TrafficRouting:
    """Return how the settings shift traffic."""
    if config.shifting == "all-at-once":
        return codedeploy.TrafficRouting.all_at_once()
    interval, percentage = Duration.minutes(config.shift_minutes), config.shift_percent
    if config.shifting == "canary":
        return codedeploy.TrafficRouting.time_based_canary(interval=interval, percentage=percentage)
    return codedeploy.TrafficRouting.time_based_linear(interval=interval, percentage=percentage)


def make_role(scope: Construct, name: str, statements: list[iam.PolicyStatement]) -> iam.Role:
    """CodeDeploy's role with these statements.

    Handed on ``without_policy_updates()``, so that CDK adds nothing; what is released has to depend on it by hand then.
    """
    stack = Stack.of(scope)
    role = iam.Role(scope, name, assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"))
    alarms = stack.format_arn(
        service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    for statement in [*statements, iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[alarms])]:
        role.add_to_policy(statement)
    return role
