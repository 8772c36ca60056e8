"""Findings of AWS's checks that stay, each with the reason why."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Stack, Validations

from cdk.config import StackConfig

REASONS = {
    "VPC7": "Flow logs cost more than the load balancer at map traffic; its access logs tell who asked for what.",
    "EC23": "A public map is reached from everywhere, on 80 and 443 of the load balancer; the tasks only from "
    "there. For endpoints of the VPC the rule cannot resolve the address range, which is the VPC's own.",
    "ELB2": "Access logs are on unless the settings turn them off; they are set by attribute, because CDK's way "
    "needs the region while it synthesises.",
    "S1": "The buckets hold access logs and finished tiles, which can be made again: a log of their readers would "
    "only grow.",
    "ECS2": "The environment holds no secret: the access token comes from Secrets Manager, credentials from the role.",
    "CFR1": "Maps are read from everywhere.",
    "CFR2": "The firewall stands on the load balancer, so that it needs no stack in us-east-1; what the cache "
    "answers costs no work.",
    "CFR3": "The load balancer logs what reaches the service; hits of the cache are counted by CloudFront's metrics.",
    "CFR4": "Without a domain the distribution has CloudFront's own certificate, whose protocol versions AWS "
    "decides; with one it is TLS 1.2 and later.",
    "CFR5": "CloudFront reaches the load balancer inside the VPC.",
    "SNS3": "The topic's policy refuses what does not come over TLS.",
}
"""Rules of cdk-nag's AwsSolutions that this project answers, and the answers."""

LOGIN = "ecr:GetAuthorizationToken has no resource: AWS defines it so. Nothing else of the role is on all resources."
WITHIN = "Keys under one prefix of one bucket: the same that the service's own policy of sources allows."


def acknowledge(stack: Stack, config: StackConfig, *, partition: str = "<AWS::Partition>") -> None:
    """Write the reasons into the stack, those about roles for exactly the resources that the settings name."""
    resources = [
        resource
        for statement in config.read_statements(partition)
        for resource in statement["Resource"]
        if "*" in resource
    ]
    found = [Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=why) for rule, why in REASONS.items()]
    found += [_role(resource, WITHIN) for resource in resources]
    found.append(_role("*", LOGIN))
    if config.tile_store:
        child = stack.node.find_child("TileStore").node.default_child
        logical = stack.get_logical_id(child)  # type: ignore[arg-type]
        found.append(_role(f"<{logical}.Arn>/tiles/*", WITHIN))
    Validations.of(stack).acknowledge(*found)


def _role(resource: str, reason: str) -> Acknowledgment:
    return Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
