"""What CloudFormation would meet on its way from one template to another.

It makes and changes first and removes last, so for minutes what leaves and what comes exist side by side. Two resources
that then want the same port, name or addresses end the update halfway. What is replaced comes from AWS's own
descriptions of its resources (``createOnlyProperties``), as cfn-lint has them.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Any

Resources = dict[str, dict[str, Any]]

DATA = {"AWS::S3::Bucket", "AWS::ECR::Repository", "AWS::Logs::LogGroup"}
"""What holds something that cannot be made again."""
KEPT = DATA - {"AWS::Logs::LogGroup"}
"""What stays when it is no longer in the template."""
NAMED = {
    "AWS::CloudFront::CachePolicy": ("CachePolicyConfig", "Name"),
    "AWS::CloudFront::Function": ("Name",),
    "AWS::CloudFront::OriginAccessControl": ("OriginAccessControlConfig", "Name"),
    "AWS::CloudFront::OriginRequestPolicy": ("OriginRequestPolicyConfig", "Name"),
    "AWS::CloudFront::ResponseHeadersPolicy": ("ResponseHeadersPolicyConfig", "Name"),
    "AWS::EC2::SecurityGroup": ("GroupName",),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name",),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name",),
}
"""Names that are one account's, of resources that AWS knows by an id of its own."""


@cache
def schema(kind: str) -> dict[str, Any]:
    """AWS's description of a type."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    found: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return found


def at(resource: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = resource.get("Properties", {})
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def paths(kind: str, word: str) -> list[tuple[str, ...]]:
    return [tuple(path.split("/")[2:]) for path in schema(kind).get(word) or ()]


def references(value: Any) -> Iterator[str]:
    """Yield logical ids that a value names."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "Ref" and isinstance(inner, str):
                yield inner
            elif name == "Fn::GetAtt":
                yield inner[0] if isinstance(inner, list) else inner.partition(".")[0]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


class Change:
    """The way from ``before`` to ``after``."""

    def __init__(self, before: Resources, after: Resources) -> None:
        self.before, self.after = before, after
        self.replaced: set[str] = set()
        while found := {name for name in before.keys() & after.keys() - self.replaced if self._is_replaced(name)}:
            self.replaced |= found

    def _is_replaced(self, name: str) -> bool:
        old, new = self.before[name], self.after[name]
        if old["Type"] != new["Type"]:
            return True
        for path in paths(new["Type"], "createOnlyProperties"):
            value = at(new, path)
            if at(old, path) != value or self.replaced & set(references(value)):
                return True
        return False

    def physical(self, value: Any, side: str) -> str:
        """Return a value as text, in which what is replaced has another name on either side."""
        text = json.dumps(value, sort_keys=True)
        for name in set(references(value)) & self.replaced:
            text = text.replace(f'"{name}"', f'"{name}@{side}"')
        return text

    def identity(self, name: str, side: str) -> str:
        return f"{name}@{side}" if name in self.replaced else name

    def faults(self) -> list[str]:
        """Return what would go wrong, one sentence each."""
        return [
            *self._types(),
            *self._collisions(),
            *self._targets(),
            *self._addresses(),
            *self._moved(),
            *self._protected(),
            *self._data(),
        ]

    def _types(self) -> Iterator[str]:
        for name in self.before.keys() & self.after.keys():
            if self.before[name]["Type"] != self.after[name]["Type"]:
                yield f"{name} cannot become another type of resource"

    def _collisions(self) -> Iterator[str]:
        taken: dict[Hashable, set[str]] = {}
        for name, resource in self.before.items():
            for key in self._keys(resource, "before"):
                taken.setdefault(key, set()).add(self.identity(name, "before"))
        for name, resource in self.after.items():
            for key in self._keys(resource, "after"):
                for other in taken.get(key, set()) - {self.identity(name, "after")}:
                    yield f"{name} wants what {other} still has: {key}"

    def _keys(self, resource: dict[str, Any], side: str) -> Iterator[Hashable]:
        """Yield what only one resource can have at a time."""
        kind, own = resource["Type"], resource.get("Properties", {})
        if kind == "AWS::ElasticLoadBalancingV2::Listener":
            yield "port", self.physical(own["LoadBalancerArn"], side), own["Port"]
        elif kind == "AWS::Route53::RecordSet":
            yield "record", self.physical(own.get("HostedZoneId"), side), own["Name"], own["Type"]
        elif kind == "AWS::EC2::VPCGatewayAttachment":
            yield "gateway", self.physical(own.get("InternetGatewayId"), side)
        elif kind == "AWS::CloudFront::Distribution":
            for alias in own["DistributionConfig"].get("Aliases", ()):
                yield "alias", alias
        elif kind in NAMED:
            if name := at(resource, NAMED[kind]):
                yield "name", kind, self.physical(name, side)
        else:
            path = paths(kind, "primaryIdentifier")
            values = [at(resource, part) for part in path]
            if path and None not in values:
                yield ("name", kind, *(self.physical(value, side) for value in values))

    def _targets(self) -> Iterator[str]:
        """Yield a group of targets belongs to one load balancer at most."""
        owners: dict[str, set[str]] = {}
        for side, resources in (("before", self.before), ("after", self.after)):
            for resource in resources.values():
                if resource["Type"] != "AWS::ElasticLoadBalancingV2::Listener":
                    continue
                balancer = self.physical(resource["Properties"]["LoadBalancerArn"], side)
                for group in references(resource["Properties"]["DefaultActions"]):
                    owners.setdefault(self.identity(group, side), set()).add(balancer)
        yield from (f"{group} would have two load balancers" for group, found in owners.items() if len(found) > 1)

    def _addresses(self) -> Iterator[str]:
        """Yield subnets of one network have addresses of their own."""

        def subnets(resources: Resources, side: str) -> list[tuple[str, str, ipaddress.IPv4Network]]:
            return [
                (
                    self.identity(name, side),
                    self.physical(r["Properties"]["VpcId"], side),
                    ipaddress.IPv4Network(r["Properties"]["CidrBlock"]),
                )
                for name, r in resources.items()
                if r["Type"] == "AWS::EC2::Subnet"
            ]

        for old, network, block in subnets(self.before, "before"):
            for new, other, wanted in subnets(self.after, "after"):
                if old != new and network == other and block.overlaps(wanted):
                    yield f"{new} wants {wanted}, which {old} still has"

    def _moved(self) -> Iterator[str]:
        """A load balancer stays in its network."""
        for name in self.before.keys() & self.after.keys() - self.replaced:
            if self.after[name]["Type"] == "AWS::ElasticLoadBalancingV2::LoadBalancer":
                old, new = self._networks(name, "before"), self._networks(name, "after")
                if old != new:
                    yield f"{name} cannot move from {old} to {new}"

    def _networks(self, balancer: str, side: str) -> set[str]:
        resources = self.before if side == "before" else self.after
        groups = references(resources[balancer]["Properties"]["SecurityGroups"])
        return {self.physical(resources[group]["Properties"]["VpcId"], side) for group in groups}

    def _protected(self) -> Iterator[str]:
        """Yield load balancers that would stay behind, and be paid for: AWS deletes none that protects itself."""
        for name, resource in self.before.items():
            gone = name not in self.after or name in self.replaced
            attributes = at(resource, ("LoadBalancerAttributes",)) or ()
            if gone and {"Key": "deletion_protection.enabled", "Value": "true"} in attributes:
                yield f"{name} would be protected from its own removal"

    def _data(self) -> Iterator[str]:
        for name, resource in self.before.items():
            if name in self.replaced and resource["Type"] in DATA:
                yield f"{name} would be replaced, and what is in it left behind"
            gone = name not in self.after or name in self.replaced
            if gone and resource["Type"] in KEPT and resource.get("DeletionPolicy") != "Retain":
                yield f"{name} would be deleted with what is in it"
