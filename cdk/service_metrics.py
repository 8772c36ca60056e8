"""Metrics that the service itself writes into its log, as CloudWatch's Embedded Metric Format.

Of the fields of those lines that are no metrics two are made so by filters of the log: problems of one kind, which no
other metric tells apart.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.config import StackConfig
from cdk.metric_names import FIELDS, NAMESPACE, VARIABLE


def environment(scope: Construct, config: StackConfig) -> dict[str, str]:
    """Return what the service has to be told; what ``env`` says wins."""
    return {VARIABLE: _namespace(scope, config)} if config.service_metrics else {}


def make_filters(scope: Construct, config: StackConfig, log_group: logs.ILogGroup) -> None:
    """Make metrics of those fields that are none."""
    if not config.service_metrics:
        return
    for name, field in FIELDS.items():
        logs.MetricFilter(
            scope,
            f"{name}Filter",
            log_group=log_group,
            filter_pattern=logs.FilterPattern.number_value(f"$.{field}", ">", 0),
            metric_namespace=_namespace(scope, config),
            metric_name=name,
            metric_value=f"$.{field}",
        )


def metric(
    scope: Construct, config: StackConfig, name: str, *, statistic: str = "Sum", minutes: int = 1
) -> cloudwatch.Metric:
    """Return a metric of the service by its name."""
    known = config.env.get("TILERY_NAME") or config.env.get("TITILER_API_NAME") or "Tilery"
    return cloudwatch.Metric(
        namespace=_namespace(scope, config),
        metric_name=name,
        dimensions_map={} if name in FIELDS else {"Service": known},
        period=Duration.minutes(minutes),
        statistic=statistic,
    )


def _namespace(scope: Construct, config: StackConfig) -> str:
    """Return one for each stack: services of two stages have the same name."""
    return config.env.get(VARIABLE) or f"{NAMESPACE}/{Stack.of(scope).stack_name}"
