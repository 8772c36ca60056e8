"""One alarm, and whom it tells: the same in every stack."""

from __future__ import annotations

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


def tell(scope: Construct, email: str, alarms: tuple[cloudwatch.Alarm, ...], config: StackConfig) -> None:
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
