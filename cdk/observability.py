"""Alarms, whom they tell, and a dashboard: what an operator looks at before the users call."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from cdk.alarms import MINUTE, make_alarm, tell
from cdk.balancer import Balancer
from cdk.config import StackConfig
from cdk.service import Service

SLOW_SECONDS = 5.0
"""A p99 beyond which tiles are no longer a map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Those that take a deployment back, and all of them."""

    rollback: tuple[cloudwatch.Alarm, ...]
    every: tuple[cloudwatch.Alarm, ...]


def make_rollback_alarms(scope: Construct, balancer: Balancer) -> tuple[cloudwatch.Alarm, ...]:
    """What shows that a deployment is bad. They know the load balancer only, so the service may name them."""
    # as the load balancer counts them, over whichever group of targets has the traffic
    codes, targets = elb.HttpCodeTarget, balancer.alb.metrics
    requests = targets.request_count(period=MINUTE)
    share = cloudwatch.MathExpression(
        expression="IF(requests > 20, 100 * errors / requests, 0)",
        using_metrics={
            "errors": targets.http_code_target(codes.TARGET_5XX_COUNT, period=MINUTE),
            "requests": requests,
        },
        period=MINUTE,
        label="5xx of the service, percent",
    )
    return (
        make_alarm(scope, "TargetErrors", share, 5, "More than 5 % of the service's answers are errors (5xx)"),
        make_alarm(
            scope,
            "Slow",
            targets.target_response_time(period=MINUTE, statistic="p99"),
            SLOW_SECONDS,
            f"One request in a hundred takes longer than {SLOW_SECONDS:.0f} s",
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


def make_alarms(
    scope: Construct,
    config: StackConfig,
    balancer: Balancer,
    service: Service,
    rollback: tuple[cloudwatch.Alarm, ...],
) -> Alarms:
    """All alarms, and a mail to whoever is named for them."""
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
    )
    if config.alarm_email:
        tell(scope, config.alarm_email, (*rollback, *own), config)
    return Alarms(rollback=rollback, every=(*rollback, *own))


def make_dashboard(
    scope: Construct, config: StackConfig, balancer: Balancer, service: Service, alarms: Alarms
) -> cloudwatch.Dashboard:
    """One page: is it well, how much is asked, how long does it take, how many tasks are there."""
    codes, targets, fargate = elb.HttpCodeTarget, balancer.alb.metrics, service.fargate

    def graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(title=title, left=list(metrics), width=12)

    return cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=config.ecs_stack_name,
        widgets=[
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms.every), width=24)],
            [
                graph("Requests a minute", targets.request_count(period=MINUTE)),
                graph(
                    "Seconds a request",
                    *(targets.target_response_time(period=MINUTE, statistic=word) for word in ("p50", "p95", "p99")),
                ),
            ],
            [
                graph(
                    "Answers by kind",
                    targets.http_code_target(codes.TARGET_2XX_COUNT, period=MINUTE),
                    targets.http_code_target(codes.TARGET_3XX_COUNT, period=MINUTE),
                    targets.http_code_target(codes.TARGET_4XX_COUNT, period=MINUTE),
                    targets.http_code_target(codes.TARGET_5XX_COUNT, period=MINUTE),
                ),
                graph("Errors of the load balancer", balancer.alb.metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT)),
            ],
            [
                graph(
                    "Percent of CPU and memory",
                    fargate.metric_cpu_utilization(period=MINUTE),
                    fargate.metric_memory_utilization(period=MINUTE),
                ),
                graph(
                    "Tasks",
                    *_hosts(balancer, "HealthyHostCount", "Average"),
                    *_hosts(balancer, "UnHealthyHostCount", "Average"),
                ),
            ],
            [
                cloudwatch.LogQueryWidget(
                    title="Latest warnings and errors",
                    log_group_names=[service.log_group.log_group_name],
                    query_lines=[
                        "fields @timestamp, @message",
                        "filter @message like /(?i)(error|warning|critical)/",
                        "sort @timestamp desc",
                        "limit 50",
                    ],
                    width=24,
                )
            ],
        ],
    )


def _hosts(balancer: Balancer, metric: str, statistic: str) -> list[cloudwatch.Metric]:
    """A count of tasks for each group of targets; also for one that has no traffic yet."""
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
    """Tasks that fail their health check, in both groups of targets where there are two."""
    blue, *green = _hosts(balancer, "UnHealthyHostCount", "Maximum")
    if not green:
        return blue
    return cloudwatch.MathExpression(
        expression="FILL(blue, 0) + FILL(green, 0)",
        using_metrics={"blue": blue, "green": green[0]},
        period=MINUTE,
        label="tasks that fail their health check",
    )
