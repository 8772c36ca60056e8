"""The dashboard of the tasks: what an operator looks at before the users call."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from cdk import metric_names, service_metrics
from cdk.alarms import MINUTE
from cdk.balancer import Balancer
from cdk.config import StackConfig
from cdk.edge_alarms import edge_errors
from cdk.observability import Alarms, hosts
from cdk.service import Service


def make_dashboard(
    scope: Construct, config: StackConfig, balancer: Balancer, service: Service, alarms: Alarms
) -> cloudwatch.Dashboard:
    """Return one page: is it well, how much is asked, how long does it take, how many tasks are there."""
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
                    *hosts(balancer, "HealthyHostCount", "Average"),
                    *hosts(balancer, "UnHealthyHostCount", "Average"),
                ),
            ],
            *_service_graphs(scope, config),
            *([[graph("Errors of CloudFront, percent", *found)]] if (found := edge_errors(scope)) else []),
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


def _service_graphs(scope: Construct, config: StackConfig) -> list[list[cloudwatch.IWidget]]:
    """Return what the service itself counts."""
    if not config.service_metrics:
        return []
    of, names = service_metrics.metric, metric_names
    made = [of(scope, config, name) for name in (names.RENDERS, names.HITS)]
    refused = [of(scope, config, name) for name in (names.DENIED, names.BUSY, names.RECYCLES)]
    waiting = of(scope, config, names.QUEUE, statistic="Maximum")
    return [
        [
            cloudwatch.GraphWidget(title="Tiles made, and known already", left=list(made), width=12),
            cloudwatch.GraphWidget(title="Requests that wait", left=[waiting], width=12),
        ],
        [cloudwatch.GraphWidget(title="Refused, and workers replaced", left=list(refused), width=12)],
    ]
