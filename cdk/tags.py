"""Tags that say whose a resource is."""

from __future__ import annotations

from aws_cdk import Stack, Tags

from cdk.config import StackConfig


def tag(stack: Stack, config: StackConfig) -> None:
    """Tag everything in the stack that can be."""
    for name, value in (
        ("Project", config.name),
        ("Stage", config.stage),
        ("Owner", config.owner),
        ("Client", config.client),
    ):
        if value:
            Tags.of(stack).add(name, value)
