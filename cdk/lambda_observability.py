"""Alarms and dashboard of the Lambda stack."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.alarms import MINUTE, make_alarm, of_many, share_of, tell
from cdk.config import StackConfig
from cdk.edge_alarms import edge_errors, make_certificate_alarm, make_edge_alarms
from cdk.lambda_front import Front, failures
from cdk.lambda_function import Tiler

NEAR = 0.8
"""Share of the timeout beyond which a request is about to be cut off."""


def make_rollback_alarms(
    scope: Construct, config: StackConfig, front: Front, tiler: Tiler
) -> tuple[cloudwatch.Alarm, ...]:
    """Return what shows that a version is bad: it fails, it answers with errors, it is slow. Each rings
    after a minute.
    """
    alias = tiler.alias
    failed, requests = failures(front, tiler)
    share = share_of(requests, failed, "5xx, percent")
    slow = of_many(requests, alias.metric_duration(period=MINUTE, statistic="p90"), "milliseconds of the slowest tenth")
    milliseconds = 1000 * config.timeout * NEAR
    return (
        make_alarm(
            scope,
            "Errors",
            alias.metric_errors(period=MINUTE, statistic="Sum"),
            0,
            "The function ends with an error: it could not start, ran out of memory or out of time",
            minutes=1,
        ),
        make_alarm(scope, "Failures", share, 5, "More than 5 % of the answers are errors (5xx)", minutes=1),
        make_alarm(
            scope,
            "Slow",
            slow,
            milliseconds,
            f"One request in ten takes longer than {milliseconds / 1000:g} of the {config.timeout} s that it may",
            minutes=1,
        ),
    )


def make_alarms(
    scope: Construct, config: StackConfig, tiler: Tiler, rollback: tuple[cloudwatch.Alarm, ...]
) -> tuple[cloudwatch.Alarm, ...]:
    """Return all alarms, and a mail to whoever is named for them."""
    throttles = make_alarm(
        scope,
        "Throttles",
        tiler.function.metric_throttles(period=MINUTE, statistic="Sum"),
        0,
        "Requests are refused: TILERY_STACK_MAX_CONCURRENT, or the account's quota, is reached",
    )
    every = (*rollback, throttles, *make_certificate_alarm(scope))
    tell(scope, (*every, *make_edge_alarms(scope)), config)
    return every


def make_dashboard(
    scope: Construct, config: StackConfig, front: Front, tiler: Tiler, alarms: tuple[cloudwatch.Alarm, ...]
) -> cloudwatch.Dashboard:
    """Return one page: is it well, how much is asked, how long does it take, which version answers."""
    alias, function = tiler.alias, tiler.function
    failed, requests = failures(front, tiler)

    def graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(title=title, left=list(metrics), width=12)

    return cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=config.lambda_stack_name,
        widgets=[
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24)],
            [
                graph("Requests a minute", requests, failed),
                graph(
                    "Milliseconds a request",
                    *(alias.metric_duration(period=MINUTE, statistic=word) for word in ("p50", "p95", "p99")),
                ),
            ],
            [
                graph(
                    "Errors and refusals",
                    alias.metric_errors(period=MINUTE, statistic="Sum"),
                    function.metric_throttles(period=MINUTE, statistic="Sum"),
                ),
                graph(
                    "Requests at a time",
                    function.metric("ConcurrentExecutions", period=MINUTE, statistic="Maximum"),
                ),
            ],
            *([[graph("Errors of CloudFront, percent", *found)]] if (found := edge_errors(scope)) else []),
            [
                cloudwatch.LogQueryWidget(
                    title="Latest warnings and errors",
                    log_group_names=[tiler.log_group.log_group_name],
                    query_lines=[
                        "fields @timestamp, @message",
                        "filter @message like /(?i)(error|warning|critical|timed out)/",
                        "sort @timestamp desc",
                        "limit 50",
                    ],
                    width=24,
                )
            ],
        ],
    )
