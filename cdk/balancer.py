"""The load balancer: health checks, timeouts that fit the service's, HTTPS when there is a domain, access logs."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as route53_targets
from constructs import Construct

from cdk import timing
from cdk.buckets import make_bucket
from cdk.config import StackConfig
from cdk.network import Network

PORT = 8080
"""Where the service listens in its container: a user that is not root may."""
TEST_PORT = 9000
CONTAINER = "tiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """The load balancer and the targets behind it."""

    alb: elb.ApplicationLoadBalancer
    targets: elb.ApplicationTargetGroup
    green: elb.ApplicationTargetGroup | None
    """Where CodeDeploy puts the next set of tasks; from one release to the next the two groups change places."""
    listener: elb.ApplicationListener
    tests: elb.ApplicationListener | None
    group: ec2.SecurityGroup
    public_url: str | None
    """Address that users see; None when CloudFront decides it."""


def make_balancer(scope: Construct, config: StackConfig, network: Network) -> Balancer:
    """Return a load balancer without targets; the service registers its tasks.

    One that the internet reaches cannot become one that it does not reach, nor move to another network, and no group of
    targets can have two. So such a change is a second load balancer with targets and names of its own.
    """
    here = f"{'Inner' if config.cloudfront else ''}{{}}{config.place}"
    group = ec2.SecurityGroup(
        scope,
        here.format("BalancerGroup"),
        vpc=network.vpc,
        description="Load balancer of the tiles",
        allow_all_outbound=False,
    )
    alb = elb.ApplicationLoadBalancer(
        scope,
        here.format("Balancer"),
        vpc=network.vpc,
        vpc_subnets=network.balancer,
        internet_facing=not config.cloudfront,
        security_group=group,
        idle_timeout=Duration.seconds(timing.IDLE_TIMEOUT),
        drop_invalid_header_fields=True,
        desync_mitigation_mode=elb.DesyncMitigationMode.DEFENSIVE,
        # the stack is protected, and with it all that is in it. By itself it would outlast a first deployment that is
        # taken back, and the second load balancer that a later setting brings
        deletion_protection=False,
        http2_enabled=True,
    )
    targets = _make_targets(scope, here.format("Targets"), network)
    green = _make_targets(scope, here.format("GreenTargets"), network) if config.release == "blue-green" else None
    if config.access_logs:
        _log_access(scope, config, alb)
    listener, url = _listen(scope, config, alb, targets)
    return Balancer(
        alb=alb,
        targets=targets,
        green=green,
        listener=listener,
        tests=_listen_for_tests(config, alb, green) if green else None,
        group=group,
        public_url=url,
    )


def _make_targets(scope: Construct, name: str, network: Network) -> elb.ApplicationTargetGroup:
    """Return a group for tasks, with its health check."""
    return elb.ApplicationTargetGroup(
        scope,
        name,
        vpc=network.vpc,
        port=PORT,
        protocol=elb.ApplicationProtocol.HTTP,
        target_type=elb.TargetType.IP,
        deregistration_delay=Duration.seconds(timing.DEREGISTRATION),
        load_balancing_algorithm_type=elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
        health_check=elb.HealthCheck(
            path="/healthz",
            healthy_http_codes="200",
            interval=Duration.seconds(timing.HEALTH_INTERVAL),
            timeout=Duration.seconds(timing.HEALTH_TIMEOUT),
            healthy_threshold_count=2,
            unhealthy_threshold_count=3,
        ),
    )


def _listen_for_tests(
    config: StackConfig, alb: elb.ApplicationLoadBalancer, green: elb.ApplicationTargetGroup
) -> elb.ApplicationListener | None:
    """Return where new tasks answer before they get traffic, to those who are named."""
    if not config.test_from:
        return None
    listener = alb.add_listener(
        "Tests", port=TEST_PORT, protocol=elb.ApplicationProtocol.HTTP, open=False, default_target_groups=[green]
    )
    listener.connections.allow_from(ec2.Peer.ipv4(config.test_from), ec2.Port.tcp(TEST_PORT), "Tests of a release")
    return listener


def _listen(
    scope: Construct,
    config: StackConfig,
    alb: elb.ApplicationLoadBalancer,
    targets: elb.ApplicationTargetGroup,
) -> tuple[elb.ApplicationListener, str | None]:
    """Return the listener with the traffic, and the address that it is reached by.

    Behind CloudFront it is plain HTTP inside the VPC.
    """
    if config.cloudfront:
        listener = alb.add_listener("Http", port=80, open=False, default_target_groups=[targets])
        listener.connections.allow_from(
            ec2.Peer.ipv4(config.vpc_cidr), ec2.Port.tcp(80), "CloudFront, from its interfaces in this VPC"
        )
        return listener, None
    if not config.domain:
        listener = alb.add_listener("Http", port=80, default_target_groups=[targets])
        return listener, f"http://{alb.load_balancer_dns_name}"
    zone = make_zone(scope, config)
    certificate = make_certificate(scope, config, zone)
    listener = alb.add_listener(
        "Https",
        port=443,
        certificates=[certificate],
        ssl_policy=elb.SslPolicy.RECOMMENDED_TLS,
        default_target_groups=[targets],
    )
    # the one listener of this port with a domain and without: two would want it at once when the domain comes. It
    # leads to the domain by whatever name it was asked: the load balancer's own is in maps of before, and in no
    # certificate
    http = alb.add_listener(
        "Http",
        port=80,
        default_action=elb.ListenerAction.redirect(host=config.domain, protocol="HTTPS", port="443", permanent=True),
    )
    http.node.add_dependency(listener)
    if zone:
        alias = route53.RecordTarget.from_alias(route53_targets.LoadBalancerTarget(alb))
        route53.ARecord(scope, "Record", zone=zone, record_name=config.domain, target=alias)
    return listener, f"https://{config.domain}"


def make_certificate(scope: Construct, config: StackConfig, zone: route53.IHostedZone | None) -> acm.ICertificate:
    """Return the certificate of the settings, else one that is made for the domain in its zone; of the stack's own
    region.
    """
    if config.certificate_arn:
        return acm.Certificate.from_certificate_arn(scope, "Certificate", config.certificate_arn)
    return acm.Certificate(
        scope,
        "Certificate",
        domain_name=config.domain or "",
        validation=acm.CertificateValidation.from_dns(zone),
    )


def make_zone(scope: Construct, config: StackConfig) -> route53.IHostedZone | None:
    """Return the hosted zone of the domain, by its id: no look-up."""
    if not (config.hosted_zone_id and config.hosted_zone_name):
        return None
    return route53.HostedZone.from_hosted_zone_attributes(
        scope, "Zone", hosted_zone_id=config.hosted_zone_id, zone_name=config.hosted_zone_name
    )


def _log_access(scope: Construct, config: StackConfig, alb: elb.ApplicationLoadBalancer) -> None:
    """Write access logs. By hand, because CDK's way wants to know the region while it synthesises."""
    stack = Stack.of(scope)
    bucket = make_bucket(scope, "AccessLogs", days=config.log_retention_days)
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects(f"alb/AWSLogs/{stack.account}/*")],
        )
    )
    alb.set_attribute("access_logs.s3.enabled", "true")
    alb.set_attribute("access_logs.s3.bucket", bucket.bucket_name)
    alb.set_attribute("access_logs.s3.prefix", "alb")
    if bucket.policy:
        alb.node.add_dependency(bucket.policy)  # the load balancer writes a test object while it is made
