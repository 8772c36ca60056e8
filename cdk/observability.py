"""Alarms on the tasks: what takes a deployment back, and what else an operator is told of."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from cdk import metric_names, service_metrics
from cdk.alarms import MINUTE, make_alarm, of_many, share_of, tell
from cdk.balancer import Balancer
from cdk.config import StackConfig
from cdk.edge_alarms import make_certificate_alarm, make_edge_alarms
from cdk.service import Service

SLOW_SECONDS = 5.0
"""Seconds of one request in ten beyond which tiles are no longer a map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Those that take a deployment back, and all that there are in any region."""

    rollback: tuple[cloudwatch.Alarm, ...]
    every: tuple[cloudwatch.Alarm, ...]


def make_rollback_alarms(scope: Construct, config: StackConfig, balancer: Balancer) -> tuple[cloudwatch.Alarm, ...]:
    """Return what shows that a deployment is bad. They know the load balancer only, so the service may name them.

    Among it answers of 403 for S3's sake: a version that lost its right to read is healthy and answers quickly.
    """
    # as the load balancer counts them, over whichever group of targets has the traffic
    codes, targets = elb.HttpCodeTarget, balancer.alb.metrics
    requests = targets.request_count(period=MINUTE)
    errors = targets.http_code_target(codes.TARGET_5XX_COUNT, period=MINUTE)
    share = share_of(requests, errors, "5xx of the service, percent")
    slow = of_many(
        requests, targets.target_response_time(period=MINUTE, statistic="p90"), "seconds of the slowest tenth"
    )
    found = (
        make_alarm(scope, "TargetErrors", share, 5, "More than 5 % of the service's answers are errors (5xx)"),
        make_alarm(
            scope,
            "Slow",
            slow,
            SLOW_SECONDS,
            f"One request in ten takes longer than {SLOW_SECONDS:.0f} s",
        ),
        make_alarm(
            scope,
            "Unhealthy",
            _unhealthy(balancer),
            0,
            "A task fails its health check",
            minutes=5,
        ),
    )
    if not config.service_metrics:
        return found
    denied = service_metrics.metric(scope, config, metric_names.DENIED)
    return (
        *found,
        make_alarm(
            scope,
            "SourceDenied",
            share_of(requests, denied, "403 for S3's sake, percent"),
            20,
            "More than 20 % of the answers are source_denied: the tasks' role lost its right to read, or its KMS key's",
            minutes=5,
        ),
    )


def make_alarms(
    scope: Construct,
    config: StackConfig,
    balancer: Balancer,
    service: Service,
    rollback: tuple[cloudwatch.Alarm, ...],
) -> Alarms:
    """Return all alarms, and a mail to whoever is named for them."""
    fargate = service.fargate
    dimensions = {"ClusterName": service.cluster.cluster_name, "ServiceName": fargate.service_name}
    insights = {
        name: cloudwatch.Metric(
            namespace="ECS/ContainerInsights",
            metric_name=name,
            dimensions_map=dimensions,
            period=MINUTE,
            statistic="Average",
        )
        for name in ("DesiredTaskCount", "RunningTaskCount")
    }
    missing = cloudwatch.MathExpression(
        expression="desired - running",
        using_metrics={"desired": insights["DesiredTaskCount"], "running": insights["RunningTaskCount"]},
        period=MINUTE,
        label="tasks missing",
    )
    own = (
        make_alarm(
            scope,
            "BalancerErrors",
            balancer.alb.metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, period=MINUTE),
            10,
            "The load balancer itself answers with errors: no healthy task, or a connection was cut",
        ),
        make_alarm(
            scope,
            "Cpu",
            fargate.metric_cpu_utilization(period=MINUTE),
            85,
            "CPU stays above 85 %: the service is at its largest, or scaling is too slow",
            minutes=10,
        ),
        make_alarm(
            scope,
            "Memory",
            fargate.metric_memory_utilization(period=MINUTE, statistic="Maximum"),
            95,
            "A task is close to its memory limit",
            minutes=10,
        ),
        make_alarm(scope, "Missing", missing, 0, "Tasks that should run do not", minutes=15),
        _nobody(scope, balancer, service),
        *_at_the_bound(scope, config, insights["DesiredTaskCount"]),
        *_of_the_service(scope, config, balancer),
        *make_certificate_alarm(scope),
    )
    tell(scope, (*rollback, *own, *make_edge_alarms(scope)), config)
    return Alarms(rollback=rollback, every=(*rollback, *own))


def _nobody(scope: Construct, balancer: Balancer, service: Service) -> cloudwatch.Alarm:
    """Nobody answers. The one alarm for which silence is a reason: a load balancer without tasks counts none."""
    alarm = make_alarm(
        scope,
        "NoHost",
        _together(hosts(balancer, "HealthyHostCount", "Maximum"), "tasks that are well"),
        1,
        "No task is well: every request fails",
        below=True,
        when_silent=True,
    )
    alarm.node.add_dependency(service.fargate)  # or it would ring while the stack is made
    return alarm


def _at_the_bound(scope: Construct, config: StackConfig, desired: cloudwatch.IMetric) -> tuple[cloudwatch.Alarm, ...]:
    """Scaling can go no further. Where it may not move at all, that is no news."""
    if config.min_ecs_instances == config.max_ecs_instances:
        return ()
    return (
        make_alarm(
            scope,
            "UpperBound",
            desired,
            config.max_ecs_instances - 0.5,
            f"Scaling has been at its upper bound of {config.max_ecs_instances} tasks: "
            "TILERY_STACK_MAX_ECS_INSTANCES, or somebody asks for more than is wanted",
            minutes=15,
        ),
    )


def _of_the_service(scope: Construct, config: StackConfig, balancer: Balancer) -> tuple[cloudwatch.Alarm, ...]:
    """Return what only the service can tell: it refuses for want of room, it has to replace its workers."""
    if not config.service_metrics:
        return ()
    requests = balancer.alb.metrics.request_count(period=MINUTE)
    busy = service_metrics.metric(scope, config, metric_names.BUSY)
    recycled = service_metrics.metric(scope, config, metric_names.RECYCLES, minutes=15)
    return (
        make_alarm(
            scope,
            "Busy",
            share_of(requests, busy, "refused for want of a slot, percent"),
            5,
            "More than 5 % of the requests are refused because the queue is full",
            minutes=5,
        ),
        make_alarm(
            scope,
            "Recycles",
            recycled,
            3,
            "More than three workers were replaced in a quarter of an hour: they grow, or hang",
            minutes=1,
        ),
    )


def hosts(balancer: Balancer, metric: str, statistic: str) -> list[cloudwatch.Metric]:
    """Return a count of tasks for each group of targets; also for one that has no traffic yet."""
    return [
        cloudwatch.Metric(
            namespace="AWS/ApplicationELB",
            metric_name=metric,
            dimensions_map={
                "TargetGroup": group.target_group_full_name,
                "LoadBalancer": balancer.alb.load_balancer_full_name,
            },
            period=MINUTE,
            statistic=statistic,
        )
        for group in (balancer.targets, balancer.green)
        if group
    ]


def _unhealthy(balancer: Balancer) -> cloudwatch.IMetric:
    """Return tasks that fail their health check, in both groups of targets where there are two."""
    return _together(hosts(balancer, "UnHealthyHostCount", "Maximum"), "tasks that fail their health check")


def _together(counts: list[cloudwatch.Metric], label: str) -> cloudwatch.IMetric:
    """Return the sum over the groups of targets, where there are two."""
    blue, *green = counts
    if not green:
        return blue
    return cloudwatch.MathExpression(
        expression="FILL(blue, 0) + FILL(green, 0)",
        using_metrics={"blue": blue, "green": green[0]},
        period=MINUTE,
        label=label,
    )
