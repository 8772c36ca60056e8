"""Blue and green: CodeDeploy starts a whole new set of tasks beside the old one and shifts traffic to it.

ECS can do this by itself as well. This project leaves it to CodeDeploy so that functions and tasks are released,
watched and taken back in one place and with the same commands. What differs from a rolling release: ``cdk deploy``
registers the new task definition and leaves the tasks alone, and ``make release`` (``cdk/release.py``) starts the
shift.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, CfnDeletionPolicy, CfnOutput, CfnResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.balancer import CONTAINER, PORT, Balancer
from cdk.codedeploy import ROLLBACK, make_role, routing
from cdk.config import StackConfig
from cdk.ecs_check import HOOK, make_check, may_check, may_report
from cdk.network import Network
from cdk.service import Service

ROLLBACK_TIME = Duration.minutes(10)
"""How long the old tasks stay after the last shift: the way back takes seconds as long as they do."""
WAIT = Duration.minutes(60)
"""How long CodeDeploy waits for somebody who tests the new tasks."""


def make_release(
    scope: Construct,
    config: StackConfig,
    balancer: Balancer,
    service: Service,
    network: Network,
    alarms: tuple[cloudwatch.Alarm, ...],
) -> codedeploy.EcsDeploymentGroup:
    """CodeDeploy's application and deployment group, and as outputs what ``make release`` has to know."""
    definition = service.task.node.default_child
    if isinstance(definition, CfnResource):  # those of earlier releases stay, to go back to
        definition.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
        definition.cfn_options.deletion_policy = CfnDeletionPolicy.DELETE
    assert balancer.green is not None  # noqa: S101 - what the caller has asked
    application = codedeploy.EcsApplication(scope, "Application")
    role = make_role(scope, "ReleaseRole", _statements(scope, balancer, service))
    group = codedeploy.EcsDeploymentGroup(
        scope,
        "Release",
        application=application,
        service=service.fargate,
        blue_green_deployment_config=codedeploy.EcsBlueGreenDeploymentConfig(
            blue_target_group=balancer.targets,
            green_target_group=balancer.green,
            listener=balancer.listener,
            test_listener=balancer.tests,
            deployment_approval_wait_time=WAIT if balancer.tests else None,
            termination_wait_time=ROLLBACK_TIME,
        ),
        deployment_config=codedeploy.EcsDeploymentConfig.ALL_AT_ONCE
        if config.shifting == "all-at-once"
        else codedeploy.EcsDeploymentConfig(scope, "Shift", traffic_routing=routing(config)),
        alarms=list(alarms),
        auto_rollback=ROLLBACK,
        role=role.without_policy_updates(),
    )
    group.node.add_dependency(role)
    check = make_check(scope, config, network, balancer, service)
    may_report(scope, check, group)
    may_check(scope, role, check)
    for name, value in {
        "ReleaseApplication": application.application_name,
        "ReleaseGroup": group.deployment_group_name,
        "TaskDefinition": service.task.task_definition_arn,
        "Container": f"{CONTAINER}:{PORT}",
        "ReleaseCheck": f"{HOOK}:{check.function_name}",
    }.items():
        CfnOutput(scope, name, value=value)
    return group


def _statements(scope: Construct, balancer: Balancer, service: Service) -> list[iam.PolicyStatement]:
    """Return what the deployment of one service takes."""
    stack, fargate = Stack.of(scope), service.fargate
    sets = stack.format_arn(
        service="ecs",
        resource="task-set",
        resource_name=f"{service.cluster.cluster_name}/{fargate.service_name}/*",
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
    listeners = [listener.listener_arn for listener in (balancer.listener, balancer.tests) if listener]
    roles = [role.role_arn for role in (service.task.task_role, service.task.execution_role) if role]
    return [
        iam.PolicyStatement(
            actions=["ecs:DescribeServices", "ecs:UpdateServicePrimaryTaskSet"], resources=[fargate.service_arn]
        ),
        iam.PolicyStatement(actions=["ecs:DeleteTaskSet"], resources=[sets]),
        iam.PolicyStatement(  # has no resource, but a condition
            actions=["ecs:CreateTaskSet"],
            resources=["*"],
            conditions={"ArnEquals": {"ecs:cluster": service.cluster.cluster_arn}},
        ),
        iam.PolicyStatement(actions=["elasticloadbalancing:ModifyListener"], resources=listeners),
        iam.PolicyStatement(  # AWS defines no resources for what only describes
            actions=[
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeRules",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=roles,
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
    ]
