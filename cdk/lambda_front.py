"""How the function is reached: by its own URL, by CloudFront alone, or by an HTTP API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as awslambda
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as route53_targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.alarms import MINUTE
from cdk.balancer import make_certificate, make_zone
from cdk.config import StackConfig
from cdk.edge import make_distribution
from cdk.encryption import make_log_group
from cdk.lambda_function import ALIAS, Tiler
from cdk.website import put_store_first


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What is known of the front before there is a function: it is part of the function's environment."""

    api: apigateway.HttpApi | None = None
    domain: apigateway.DomainName | None = None
    environment: dict[str, str] = field(default_factory=dict)


def make_front(scope: Construct, config: StackConfig) -> Front:
    """Return the HTTP API, if it is to be one, and how the service learns the address that links begin with.

    A function URL gets its name after the function, so the service takes it from each event, where AWS writes it, or
    behind CloudFront from the header that the function at the edge writes.
    """
    stack = Stack.of(scope)
    waits = config.patience
    # the service says no before the front does, or the function is ended
    environment = {"TILERY_DEADLINE": f"{max(waits - 2, waits / 2):g}"}
    if config.cloudfront:
        if config.domain:
            return Front(environment=environment | {"TILERY_PUBLIC_URL": f"https://{config.domain}"})
        # nobody but CloudFront may call the function
        return Front(
            environment=environment | {"TILERY_TRUSTED_PROXIES": "*", "TILERY_ALLOWED_HOSTS": "*.cloudfront.net"}
        )
    if config.front == "function-url":
        return Front(environment=environment)
    domain = _domain(scope, config) if config.domain else None
    api = apigateway.HttpApi(
        scope,
        "Api",
        api_name=stack.stack_name,
        description="Tilery: map tiles from rasters",
        disable_execute_api_endpoint=domain is not None,
        default_domain_mapping=apigateway.DomainMappingOptions(domain_name=domain) if domain else None,
    )
    url = f"https://{config.domain}" if domain else api.api_endpoint
    return Front(api=api, domain=domain, environment=environment | {"TILERY_PUBLIC_URL": url})


def connect(scope: Construct, config: StackConfig, front: Front, tiler: Tiler, store: s3.Bucket | None) -> str:
    """Let the front reach the alias, and have the store answer before it; returns the address that users see."""
    if front.api:
        integration = integrations.HttpLambdaIntegration(
            "Tiles", tiler.alias, payload_format_version=apigateway.PayloadFormatVersion.VERSION_2_0
        )
        front.api.add_routes(path="/{proxy+}", integration=integration)
        front.api.add_routes(path="/", integration=integration)
        if config.access_logs:
            _log_access(scope, config, front.api)
        return front.environment["TILERY_PUBLIC_URL"]
    if not config.cloudfront:
        # CDK also allows what such a URL needs since October 2025: lambda:InvokeFunction, by way of the URL
        return tiler.alias.add_function_url(auth_type=awslambda.FunctionUrlAuthType.NONE).url
    url = tiler.alias.add_function_url(auth_type=awslambda.FunctionUrlAuthType.AWS_IAM)
    control = cloudfront.FunctionUrlOriginAccessControl(
        scope, "AccessControl", signing=cloudfront.Signing.SIGV4_ALWAYS, description=Stack.of(scope).stack_name
    )
    origin = origins.FunctionUrlOrigin.with_origin_access_control(
        url, origin_access_control=control, read_timeout=Duration.seconds(config.patience)
    )
    edge = make_distribution(scope, config, origin, signed=True)
    if config.tile_website and store:
        put_store_first(scope, edge, store, origin)
    return f"https://{config.domain or edge.distribution.distribution_domain_name}"


def failures(front: Front, tiler: Tiler) -> tuple[cloudwatch.Metric, cloudwatch.Metric]:
    """Return answers of 5xx and all requests a minute, as the front counts them."""
    if front.api:
        return (
            front.api.metric_server_error(period=MINUTE, statistic="Sum"),
            front.api.metric_count(period=MINUTE, statistic="Sum"),
        )
    name = tiler.function.function_name

    def counted(metric: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/Lambda",
            metric_name=metric,
            dimensions_map={"FunctionName": name, "Resource": f"{name}:{ALIAS}"},
            period=MINUTE,
            statistic="Sum",
        )

    return counted("Url5xxCount"), counted("UrlRequestCount")


def _domain(scope: Construct, config: StackConfig) -> apigateway.DomainName:
    """Return the HTTP API's own name, with a certificate of this region."""
    zone = make_zone(scope, config)
    certificate = make_certificate(scope, config, zone)
    domain = apigateway.DomainName(
        scope,
        "Domain",
        domain_name=config.domain or "",
        certificate=certificate,
        security_policy=apigateway.SecurityPolicy.TLS_1_2,
    )
    if zone:
        alias = route53.RecordTarget.from_alias(
            route53_targets.ApiGatewayv2DomainProperties(domain.regional_domain_name, domain.regional_hosted_zone_id)
        )
        route53.ARecord(scope, "Record", zone=zone, record_name=config.domain, target=alias)
    return domain


def _log_access(scope: Construct, config: StackConfig, api: apigateway.HttpApi) -> None:
    """One line of JSON for each request, without its query: an access token may stand in it."""
    log_group = make_log_group(scope, config, "AccessLogs")
    stage = api.default_stage
    if stage is None:
        return
    words = {
        "time": "$context.requestTime",
        "id": "$context.requestId",
        "ip": "$context.identity.sourceIp",
        "method": "$context.httpMethod",
        "path": "$context.path",
        "status": "$context.status",
        "bytes": "$context.responseLength",
        "milliseconds": "$context.responseLatency",
        "problem": "$context.integrationErrorMessage",
    }
    child = stage.node.default_child
    if isinstance(child, apigateway.CfnStage):
        child.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=json.dumps(words)
        )
