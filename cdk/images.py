"""Names of images in ECR."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_cdk import aws_ecr as ecr
    from constructs import Construct

ECR = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[a-z0-9._/-]+)"
    r"(:(?P<tag>[\w.-]+)|@(?P<digest>sha256:[0-9a-f]{64}))$"
)


def repository_of(scope: Construct, name: str, found: re.Match[str]) -> ecr.IRepository:
    """Return the repository of an image, so that what runs it may pull from it."""
    from aws_cdk import Stack
    from aws_cdk import aws_ecr as ecr

    return ecr.Repository.from_repository_attributes(
        scope,
        name,
        repository_name=found["name"],
        repository_arn=Stack.of(scope).format_arn(
            service="ecr",
            region=found["region"],
            account=found["account"],
            resource="repository",
            resource_name=found["name"],
        ),
    )
