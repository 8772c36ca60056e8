"""Alarms, whom they tell, and a dashboard: what an operator looks at before the users call."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.balancer import Balancer
from cdk.config import StackConfig
from cdk.service import Service

MINUTE = Duration.minutes(1)
SLOW_SECONDS = 5.0
"""A p99 beyond which tiles are no longer a map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Those that take a deployment back, and all of them."""

    rollback: tuple[cloudwatch.Alarm, ...]
    every: tuple[cloudwatch.Alarm, ...]


def make_rollback_alarms(scope: Construct, balancer: Balancer) -> tuple[cloudwatch.Alarm, ...]:
    """What shows that a deployment is bad. They know the load balancer only, so the service may name them."""
    codes, targets = elb.HttpCodeTarget, balancer.targets.metrics
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
        _alarm(scope, "TargetErrors", share, 5, "More than 5 % of the service's answers are errors (5xx)"),
        _alarm(
            scope,
            "Slow",
            targets.target_response_time(period=MINUTE, statistic="p99"),
            SLOW_SECONDS,
            f"One request in a hundred takes longer than {SLOW_SECONDS:.0f} s",
        ),
        _alarm(
            scope,
            "Unhealthy",
            targets.unhealthy_host_count(period=MINUTE, statistic="Maximum"),
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
        _alarm(
            scope,
            "BalancerErrors",
            balancer.alb.metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, period=MINUTE),
            10,
            "The load balancer itself answers with errors: no healthy task, or a connection was cut",
        ),
        _alarm(
            scope,
            "Cpu",
            fargate.metric_cpu_utilization(period=MINUTE),
            85,
            "CPU stays above 85 %: the service is at its largest, or scaling is too slow",
            minutes=10,
        ),
        _alarm(
            scope,
            "Memory",
            fargate.metric_memory_utilization(period=MINUTE, statistic="Maximum"),
            95,
            "A task is close to its memory limit",
            minutes=10,
        ),
        _alarm(scope, "Missing", missing, 0, "Tasks that should run do not", minutes=15),
    )
    if config.alarm_email:
        _tell(scope, config.alarm_email, (*rollback, *own), config)
    return Alarms(rollback=rollback, every=(*rollback, *own))


def make_dashboard(
    scope: Construct, config: StackConfig, balancer: Balancer, service: Service, alarms: Alarms
) -> cloudwatch.Dashboard:
    """One page: is it well, how much is asked, how long does it take, how many tasks are there."""
    codes, targets, fargate = elb.HttpCodeTarget, balancer.targets.metrics, service.fargate

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
                    targets.healthy_host_count(period=MINUTE),
                    targets.unhealthy_host_count(period=MINUTE),
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


def _alarm(
    scope: Construct, name: str, metric: cloudwatch.IMetric, threshold: float, description: str, *, minutes: int = 3
) -> cloudwatch.Alarm:
    """An alarm that rings when the metric has been above the threshold for so many minutes. No data is no reason."""
    stack = Stack.of(scope)
    return cloudwatch.Alarm(
        scope,
        f"{name}Alarm",
        alarm_name=f"{stack.stack_name}-{name}",  # known at synthesis: the service names those that take it back
        alarm_description=description,
        metric=metric,
        threshold=threshold,
        evaluation_periods=minutes,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def _tell(scope: Construct, email: str, alarms: tuple[cloudwatch.Alarm, ...], config: StackConfig) -> None:
    """Send a mail with every alarm, and when the month's cost is forecast to pass its budget."""
    topic = sns.Topic(scope, "AlarmTopic", enforce_ssl=True)
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
        )
    )
    topic.add_subscription(subscriptions.EmailSubscription(email))
    for alarm in alarms:
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))
    if config.budget:
        budgets.CfnBudget(
            scope,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=config.budget, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:Project${config.name}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type="FORECASTED",
                        threshold=100,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[budgets.CfnBudget.SubscriberProperty(address=email, subscription_type="EMAIL")],
                )
            ],
        )
