"""Where the tasks live: a VPC of two zones with no NAT gateway, or one that exists."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.config import StackConfig
from cdk.s3_hosts import read_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The VPC, and where in it tasks and load balancer go."""

    vpc: ec2.IVpc
    tasks: ec2.SubnetSelection
    balancer: ec2.SubnetSelection
    public_addresses: bool
    """Whether tasks get an address of the internet, which pulling the image needs without endpoints or NAT."""


def make_network(scope: Construct, config: StackConfig, extra_buckets: tuple[str, ...] = ()) -> Network:
    """Return the network that the settings ask for.

    Args:
        scope: the stack.
        config: the settings.
        extra_buckets: ARNs of buckets beside the sources that the endpoint lets through, as that of the tile store.
    """
    vpc = _existing(scope, config) if config.vpc_id else _new(scope, config)
    inner = ec2.SubnetSelection(
        subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS
        if config.network == "nat" or config.vpc_id
        else ec2.SubnetType.PRIVATE_ISOLATED
    )
    outer = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
    if not config.vpc_id:
        _endpoints(scope, config, vpc, extra_buckets)
    return Network(
        vpc=vpc,
        tasks=outer if config.network == "public" else inner,
        balancer=inner if config.cloudfront else outer,
        public_addresses=config.network == "public",
    )


def _new(scope: Construct, config: StackConfig) -> ec2.Vpc:
    """Return two zones, public subnets, and inner ones where something lives in them.

    With and without a NAT gateway the inner ones are the same, with the same names and addresses: one of the settings
    becomes the other on a stack that runs by a route more or less. Other addresses are another network beside the old.
    """
    subnets = [ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24)]
    if config.network != "public" or config.cloudfront:
        kind = ec2.SubnetType.PRIVATE_WITH_EGRESS if config.network == "nat" else ec2.SubnetType.PRIVATE_ISOLATED
        subnets.append(ec2.SubnetConfiguration(name="inner", subnet_type=kind, cidr_mask=24))
    return ec2.Vpc(
        scope,
        f"Vpc{config.place}",
        max_azs=2,
        nat_gateways=1 if config.network == "nat" else 0,  # CDK's own default is one for every zone
        ip_addresses=ec2.IpAddresses.cidr(config.vpc_cidr),
        subnet_configuration=subnets,
        restrict_default_security_group=False,  # that takes a custom resource; nothing of ours uses the group
    )


def _existing(scope: Construct, config: StackConfig) -> ec2.IVpc:
    """Return a VPC by its id, without asking AWS: synthesis needs no account."""
    count = max(len(config.public_subnets), len(config.private_subnets))
    return ec2.Vpc.from_vpc_attributes(
        scope,
        "Vpc",
        vpc_id=config.vpc_id or "",
        vpc_cidr_block=config.vpc_cidr,
        availability_zones=[Fn.select(number, Fn.get_azs()) for number in range(count)],
        public_subnet_ids=list(config.public_subnets) or None,
        private_subnet_ids=list(config.private_subnets) or None,
    )


def _endpoints(scope: Construct, config: StackConfig, vpc: ec2.IVpc, extra_buckets: tuple[str, ...]) -> None:
    """S3 by way of a gateway, which costs nothing; without internet also what pulling and logging need."""
    stack = Stack.of(scope)
    gateway = vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
    anyone = [iam.AnyPrincipal()]
    # ECR keeps the layers of images in a bucket of its own
    layers = f"arn:{stack.partition}:s3:::prod-{stack.region}-starport-layer-bucket/*"
    gateway.add_to_policy(iam.PolicyStatement(principals=anyone, actions=["s3:GetObject"], resources=[layers]))
    if "https://*" in config.sources:
        gateway.add_to_policy(  # public objects of this region come this way too; what is private stays so
            iam.PolicyStatement(
                principals=anyone, actions=["s3:GetObject"], resources=[f"arn:{stack.partition}:s3:::*/*"]
            )
        )
    addresses = [statement for url in config.sources if (statement := read_statement(url, stack.partition))]
    for statement in (*config.read_statements(stack.partition), *addresses):
        gateway.add_to_policy(iam.PolicyStatement.from_json(statement | {"Principal": {"AWS": "*"}}))
    for arn in extra_buckets:
        gateway.add_to_policy(
            iam.PolicyStatement(
                principals=anyone,
                actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                resources=[f"{arn}/*"],
            )
        )
        gateway.add_to_policy(iam.PolicyStatement(principals=anyone, actions=["s3:ListBucket"], resources=[arn]))
    if config.network != "private":
        return
    services = {
        "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
        "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
        "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    }
    if config.secrets:
        services["Secrets"] = ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER
    for name, service in services.items():
        vpc.add_interface_endpoint(name, service=service)
