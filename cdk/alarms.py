"""One alarm, and whom it tells: the same in every stack."""

from __future__ import annotations

from typing import cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.config import StackConfig

MINUTE = Duration.minutes(1)


def make_alarm(
    scope: Construct,
    name: str,
    metric: cloudwatch.IMetric,
    threshold: float,
    description: str,
    *,
    minutes: int = 3,
    below: bool = False,
    when_silent: bool = False,
) -> cloudwatch.Alarm:
    """Return an alarm that rings when the metric has been above the threshold for so many of its periods, as a rule
    minutes.

    With ``below`` it rings below the threshold. No data is no reason, unless ``when_silent``.
    """
    stack = Stack.of(scope)
    return cloudwatch.Alarm(
        scope,
        f"{name}Alarm",
        alarm_name=f"{stack.stack_name}-{name}",  # known at synthesis: the service names those that take it back
        alarm_description=description,
        metric=metric,
        threshold=threshold,
        evaluation_periods=minutes,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
        if below
        else cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING
        if when_silent
        else cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def written_name(alarm: cloudwatch.Alarm) -> str:
    """Return the name as it is written: by a reference CDK would warn of a circle that there is not."""
    return cast("cloudwatch.CfnAlarm", alarm.node.default_child).alarm_name or ""


def of_many(requests: cloudwatch.IMetric, value: cloudwatch.IMetric, label: str) -> cloudwatch.MathExpression:
    """Return a value that counts in minutes with more than a hundred requests only: a few of one slow raster ring
    nothing.
    """
    return cloudwatch.MathExpression(
        expression="IF(requests > 100, value, 0)",
        using_metrics={"requests": requests, "value": value},
        period=MINUTE,
        label=label,
    )


def share_of(requests: cloudwatch.IMetric, some: cloudwatch.IMetric, label: str) -> cloudwatch.MathExpression:
    """Return how many percent of the requests those are, in minutes with more than twenty."""
    return cloudwatch.MathExpression(
        expression="IF(requests > 20, 100 * FILL(some, 0) / requests, 0)",
        using_metrics={"requests": requests, "some": some},
        period=MINUTE,
        label=label,
    )


def tell(scope: Construct, alarms: tuple[cloudwatch.Alarm, ...], config: StackConfig) -> None:
    """Tell whoever the settings name of every alarm, and when the month's cost is forecast to pass its budget."""
    told = [actions.SnsAction(topic) for topic in topics(scope, config, "AlarmTopic")]
    for alarm in alarms:
        alarm.add_alarm_action(*told)
        alarm.add_ok_action(*told)
    if config.budget:
        who = config.alarm_email or config.alarm_topic_arn or ""
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
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(
                            address=who, subscription_type="EMAIL" if config.alarm_email else "SNS"
                        )
                    ],
                )
            ],
        )


def topics(scope: Construct, config: StackConfig, name: str) -> list[sns.ITopic]:
    """Return the topics that alarms are sent to: one made for the e-mail, and that of the settings."""
    found: list[sns.ITopic] = []
    if config.alarm_email:
        topic = sns.Topic(scope, name, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
            )
        )
        topic.add_subscription(subscriptions.EmailSubscription(config.alarm_email))
        found.append(topic)
    if config.alarm_topic_arn:
        found.append(sns.Topic.from_topic_arn(scope, f"Named{name}", config.alarm_topic_arn))
    return found
