"""What stands before the load balancer when asked for: CloudFront with a cache, and a firewall with a rate rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Duration, Fn, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as route53_targets
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from cdk import timing
from cdk.balancer import make_zone
from cdk.config import StackConfig

SCRIPT = Path(__file__).parent / "at_the_edge.js"
VIEWER = "X-Viewer-Address"
"""Header in which the function at the edge writes whose request it is; what a visitor wrote there is replaced."""
TOKEN = "X-Viewer-Authorization"  # noqa: S105 - the name of a header
"""Header in which it hands on Authorization to an origin that CloudFront signs for."""
EXPOSED = (
    "Content-Bbox",
    "Content-Crs",
    "ETag",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Server-Timing",
    "X-Cache",
    "X-Ignored-Parameters",
    "X-Request-ID",
)
"""Headers of answers that pages of other origins may read, as the service names them."""
ALLOWED = ("Authorization", "Content-Type", "If-None-Match", "Range", "X-Amz-Content-Sha256", "X-Request-ID")
"""Headers that such pages may send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """CloudFront, and what all of its behaviours have in common."""

    distribution: cloudfront.Distribution
    cache: cloudfront.CachePolicy
    function: cloudfront.Function
    handed_on: cloudfront.OriginRequestPolicy
    told: cloudfront.ResponseHeadersPolicy


def balancer_origin(alb: elb.ApplicationLoadBalancer) -> cloudfront.IOrigin:
    """Return the load balancer as CloudFront reaches it: inside the VPC."""
    return origins.VpcOrigin.with_application_load_balancer(
        alb,
        protocol_policy=cloudfront.OriginProtocolPolicy.HTTP_ONLY,  # inside the VPC
        http_port=80,
        read_timeout=Duration.seconds(timing.IDLE_TIMEOUT),
        keepalive_timeout=Duration.seconds(timing.IDLE_TIMEOUT - 5),
    )


def make_distribution(
    scope: Construct, config: StackConfig, origin: cloudfront.IOrigin, *, signed: bool = False
) -> Edge:
    """CloudFront before an origin that only it can reach.

    A cache policy may list ten query parameters unless AWS raises that quota, and the service has more. So the list is
    kept by a function at the edge, which drops what is not in it and sorts the rest; the cache then takes what is left.

    Args:
        scope: the stack.
        config: the settings.
        origin: what makes the tiles.
        signed: CloudFront signs what it asks that origin, which then sees neither the name that the user asked for nor
            his Authorization, unless they are handed on under other names.
    """
    # the service chooses a picture's format by Accept where the path has none; a token opens what others may not see
    key = ["Accept", *([TOKEN if signed else "Authorization"] if config.has_token else [])]
    policy = cloudfront.CachePolicy(
        scope,
        "TileCache",
        comment="Tiles: the parameters that the service has, in one order, and nothing else",
        default_ttl=Duration.hours(1),
        min_ttl=Duration.seconds(0),
        max_ttl=Duration.days(365),
        query_string_behavior=cloudfront.CacheQueryStringBehavior.all(),
        header_behavior=cloudfront.CacheHeaderBehavior.allow_list(*key),
        cookie_behavior=cloudfront.CacheCookieBehavior.none(),
        enable_accept_encoding_gzip=True,
        enable_accept_encoding_brotli=True,
    )
    function = cloudfront.Function(
        scope,
        "NormaliseQuery",
        code=cloudfront.FunctionCode.from_file(file_path=str(SCRIPT)),
        runtime=cloudfront.FunctionRuntime.JS_2_0,
        comment="Keeps the query parameters that the service has, in one order",
    )
    names = ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers", VIEWER]
    if signed and not config.domain:
        names.append("X-Forwarded-Host")  # CloudFront writes the origin's own name into Host
    handed_on = cloudfront.OriginRequestPolicy(
        scope,
        "HandedOn",
        comment="What the service answers by and the cache does not keep apart: preflights, whose request it is",
        header_behavior=cloudfront.OriginRequestHeaderBehavior.allow_list(*names),
    )
    told = _tell_origins(scope, config)
    distribution = cloudfront.Distribution(
        scope,
        "Distribution",
        comment=Stack.of(scope).stack_name,
        default_behavior=cloudfront.BehaviorOptions(
            origin=origin,
            cache_policy=policy,
            origin_request_policy=handed_on,
            response_headers_policy=told,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,  # POST of GeoJSON; what is not known is a 405
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            compress=True,
            function_associations=[associate(function)],
        ),
        http_version=cloudfront.HttpVersion.HTTP2_AND_3,
        price_class=cloudfront.PriceClass.PRICE_CLASS_ALL,
        minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        domain_names=[config.domain] if config.domain else None,
        certificate=acm.Certificate.from_certificate_arn(scope, "EdgeCertificate", config.certificate_arn)
        if config.certificate_arn
        else None,
        # an error is asked for again soon, whatever the cache policy says of tiles
        error_responses=[
            cloudfront.ErrorResponse(http_status=status, ttl=Duration.seconds(seconds))
            for status, seconds in ((400, 10), (403, 10), (404, 10), (500, 0), (502, 0), (503, 0), (504, 0))
        ],
    )
    zone = make_zone(scope, config)
    if zone and config.domain:
        alias = route53.RecordTarget.from_alias(route53_targets.CloudFrontTarget(distribution))
        route53.ARecord(scope, "Record", zone=zone, record_name=config.domain, target=alias)
        route53.AaaaRecord(scope, "Record6", zone=zone, record_name=config.domain, target=alias)
    return Edge(distribution=distribution, cache=policy, function=function, handed_on=handed_on, told=told)


def associate(function: cloudfront.Function) -> cloudfront.FunctionAssociation:
    """Return the function with every request, before the cache is asked."""
    return cloudfront.FunctionAssociation(function=function, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST)


def _tell_origins(scope: Construct, config: StackConfig) -> cloudfront.ResponseHeadersPolicy:
    """Return what pages of other origins may do, the same as the service says.

    Written by CloudFront, because a stored tile has no such headers, and a cached one those of whoever came first.
    """
    return cloudfront.ResponseHeadersPolicy(
        scope,
        "OtherOrigins",
        comment="Which pages of other origins may use the tiles",
        cors_behavior=cloudfront.ResponseHeadersCorsBehavior(
            access_control_allow_credentials=False,
            access_control_allow_origins=list(config.cors_origins),
            access_control_allow_methods=list(config.cors_methods),
            access_control_allow_headers=list(ALLOWED),
            access_control_expose_headers=list(EXPOSED),
            access_control_max_age=Duration.days(1),
            origin_override=True,
        ),
    )


def make_firewall(scope: Construct, config: StackConfig, alb: elb.ApplicationLoadBalancer) -> waf.CfnWebACL:
    """Return a firewall on the load balancer: too many requests from one address, and inputs that only attackers send.

    On the load balancer and not on CloudFront, because CloudFront's lives in us-east-1 and would need a stack there.
    Behind CloudFront an address is the one that the function at the edge writes: of ``X-Forwarded-For`` the firewall
    takes the first, which is the visitor's own word.
    """
    rate: dict[str, object] = {"limit": config.waf_rate, "aggregate_key_type": "IP"}
    if config.cloudfront:
        rate |= {
            "aggregate_key_type": "FORWARDED_IP",
            "forwarded_ip_config": waf.CfnWebACL.ForwardedIPConfigurationProperty(
                header_name=VIEWER, fallback_behavior="MATCH"
            ),
        }
    acl = waf.CfnWebACL(
        scope,
        "Firewall",
        scope="REGIONAL",
        default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visible("firewall"),
        rules=[
            waf.CfnWebACL.RuleProperty(
                name="rate",
                priority=0,
                action=waf.CfnWebACL.RuleActionProperty(block=waf.CfnWebACL.BlockActionProperty()),
                statement=waf.CfnWebACL.StatementProperty(
                    rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(**rate)  # type: ignore[arg-type]
                ),
                visibility_config=_visible("rate"),
            ),
            waf.CfnWebACL.RuleProperty(
                name="known-bad-inputs",
                priority=1,
                override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
                statement=waf.CfnWebACL.StatementProperty(
                    managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                        vendor_name="AWS", name="AWSManagedRulesKnownBadInputsRuleSet"
                    )
                ),
                visibility_config=_visible("known-bad-inputs"),
            ),
        ],
    )
    waf.CfnWebACLAssociation(
        scope,
        "FirewallOnBalancer",
        resource_arn=alb.load_balancer_arn,
        web_acl_arn=Fn.get_att(acl.logical_id, "Arn").to_string(),
    )
    return acl


def _visible(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
