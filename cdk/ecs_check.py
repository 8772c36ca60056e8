"""Before new tasks get traffic they are asked to do their work: CodeDeploy's hook after they were started.

By their own addresses and not by a port of the load balancer, which would have to be open to everybody: the function
that asks is in the tasks' network and reaches nothing but them; the one that CodeDeploy calls is outside of it.
"""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as awslambda
from constructs import Construct

from cdk.balancer import PORT, Balancer
from cdk.config import StackConfig
from cdk.encryption import make_log_group
from cdk.lambda_function import make_role, what_checks_know
from cdk.network import Network
from cdk.service import Service

HERE = Path(__file__).parent
HOOK = "AfterInstall"
"""CodeDeploy's word for the moment: the new tasks run, and have no traffic."""
MINUTES = 10


def make_check(
    scope: Construct, config: StackConfig, network: Network, balancer: Balancer, service: Service
) -> awslambda.Function:
    """Make both functions; returns the one that CodeDeploy calls."""
    assert balancer.green is not None  # noqa: S101 - what the caller has asked
    asking = _make_asking(scope, config, network, service)
    log_group = make_log_group(scope, config, "CheckLogs")
    role = make_role(scope, "CheckRole", log_group)
    role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[asking.function_arn]))
    role.add_to_policy(  # AWS defines no resources for what only describes
        iam.PolicyStatement(
            actions=["elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeTargetHealth"],
            resources=["*"],
        )
    )
    return awslambda.Function(
        scope,
        "Check",
        description="Has new tasks asked for their work before traffic is shifted to them",
        code=awslambda.Code.from_inline((HERE / "check_tasks.py").read_text(encoding="utf-8")),
        handler="index.handler",
        runtime=awslambda.Runtime.PYTHON_3_13,
        timeout=Duration.minutes(MINUTES + 5),
        memory_size=256,
        environment={
            "LISTENER": balancer.listener.listener_arn,
            "GROUPS": f"{balancer.targets.target_group_arn},{balancer.green.target_group_arn}",
            "ASK": asking.function_name,
        },
        role=role,
        log_group=log_group,
    )


def may_report(scope: Construct, check: awslambda.Function, group: codedeploy.EcsDeploymentGroup) -> None:
    """Let the check tell CodeDeploy. Apart from its role, because a deployment in turn has to know the check."""
    iam.Policy(
        scope,
        "CheckMayReport",
        roles=[check.role] if check.role else [],
        statements=[
            iam.PolicyStatement(
                actions=["codedeploy:PutLifecycleEventHookExecutionStatus"], resources=[group.deployment_group_arn]
            )
        ],
    )


def _make_asking(scope: Construct, config: StackConfig, network: Network, service: Service) -> awslambda.Function:
    log_group = make_log_group(scope, config, "AskLogs")
    role = make_role(scope, "AskRole", log_group)
    role.add_to_policy(  # to stand in a network; AWS lets these be bound to nothing smaller
        iam.PolicyStatement(
            actions=[
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
            ],
            resources=["*"],
        )
    )
    group = ec2.SecurityGroup(
        scope, "AskGroup", vpc=network.vpc, description="Asks new tasks for their work", allow_all_outbound=False
    )
    for tasks in service.fargate.connections.security_groups:
        group.add_egress_rule(tasks, ec2.Port.tcp(PORT), "Tasks")
        tasks.add_ingress_rule(group, ec2.Port.tcp(PORT), "Check before a release")
    return awslambda.Function(
        scope,
        "Ask",
        description="Asks new tasks for their health, for what they must refuse, for a picture and for a tile",
        code=awslambda.Code.from_inline((HERE / "ask_tasks.py").read_text(encoding="utf-8")),
        handler="index.handler",
        runtime=awslambda.Runtime.PYTHON_3_13,
        timeout=Duration.minutes(MINUTES),
        memory_size=256,
        environment={"PORT": str(PORT)} | what_checks_know(config),
        role=role,
        log_group=log_group,
        vpc=network.vpc,
        vpc_subnets=network.tasks,
        allow_public_subnet=True,  # it asks nobody on the internet
        security_groups=[group],
    )


def may_check(scope: Construct, role: iam.Role, check: awslambda.Function) -> None:
    """Let CodeDeploy's role call the check."""
    iam.Policy(
        scope,
        "ReleaseMayCheck",
        roles=[role],
        statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[check.function_arn])],
    )
