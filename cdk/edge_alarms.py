"""Alarms on what users meet first: the certificate's end, and errors that CloudFront sends."""

from __future__ import annotations

from typing import cast

from aws_cdk import Aws, CfnCondition, CfnOutput, CfnResource, Duration, Fn
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.alarms import MINUTE, make_alarm, of_many

DAYS_LEFT = 30
"""ACM renews its own certificates 60 days before their end: with half of them gone it has failed."""
AT_THE_EDGE = "us-east-1"
"""Where CloudFront's metrics are, and its certificates."""


def make_certificate_alarm(scope: Construct) -> tuple[cloudwatch.Alarm, ...]:
    """Return the alarm on the certificate of the stack's own region, where it has one."""
    certificate = cast("acm.ICertificate | None", scope.node.try_find_child("Certificate"))
    return (certificate_alarm(scope, certificate),) if certificate else ()


def make_edge_alarms(scope: Construct) -> tuple[cloudwatch.Alarm, ...]:
    """Return alarms on CloudFront and its certificate, where the stack has them.

    An alarm can watch metrics of its own region only. So these are made in us-east-1 and left out of a stack elsewhere,
    whose distribution `cdk.edge_stack.EdgeStack` watches: nothing may refer to them.
    """
    edge = []
    if certificate := cast("acm.ICertificate | None", scope.node.try_find_child("EdgeCertificate")):
        edge.append(certificate_alarm(scope, certificate))
    if distribution := _distribution(scope):
        edge.append(errors_alarm(scope, distribution.distribution_id))
        CfnOutput(
            scope,
            "DistributionId",
            value=distribution.distribution_id,
            description=f"For TILERY_STACK_DISTRIBUTION_ID, where this is not {AT_THE_EDGE}",
        )
    if edge:
        here = CfnCondition(scope, "AtTheEdge", expression=Fn.condition_equals(Aws.REGION, AT_THE_EDGE))
        for alarm in edge:
            cast("CfnResource", alarm.node.default_child).cfn_options.condition = here
    return tuple(edge)


def edge_errors(scope: Construct) -> list[cloudwatch.IMetric]:
    """Return the share of CloudFront's answers that are errors, for a dashboard, which shows any region's metrics."""
    distribution = _distribution(scope)
    return [_edge(distribution.distribution_id, "5xxErrorRate", "Average")] if distribution else []


def _distribution(scope: Construct) -> cloudfront.Distribution | None:
    return cast("cloudfront.Distribution | None", scope.node.try_find_child("Distribution"))


def certificate_alarm(scope: Construct, certificate: acm.ICertificate) -> cloudwatch.Alarm:
    """Return an alarm on the end of a certificate."""
    return make_alarm(
        scope,
        "Certificate",
        certificate.metric_days_to_expiry(period=Duration.days(1), statistic="Minimum"),
        DAYS_LEFT,
        f"The certificate ends in fewer than {DAYS_LEFT} days",
        minutes=1,
        below=True,
    )


def errors_alarm(scope: Construct, distribution: str) -> cloudwatch.Alarm:
    """Return an alarm on errors that the distribution of an id sends."""
    share = of_many(
        _edge(distribution, "Requests", "Sum", region=None),
        _edge(distribution, "5xxErrorRate", "Average", region=None),
        "5xx of CloudFront, percent",
    )
    return make_alarm(
        scope, "EdgeErrors", share, 5, "More than 5 % of CloudFront's answers are errors (5xx)", minutes=5
    )


def _edge(distribution: str, name: str, statistic: str, *, region: str | None = AT_THE_EDGE) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/CloudFront",
        metric_name=name,
        dimensions_map={"DistributionId": distribution, "Region": "Global"},
        period=MINUTE,
        statistic=statistic,
        region=region,
    )
