"""Kinds of values that settings of the stacks have, each with what is wrong with one that is none."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_SECRET = re.compile(r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+-[A-Za-z0-9]{6}", re.ASCII)
_VPC_SIZES = range(16, 29)
"""Lengths of prefixes that a VPC can have."""


def _network(value: str) -> str:
    ipaddress.IPv4Network(value)  # its own words say what is wrong
    return value


def _vpc(value: str) -> str:
    if ipaddress.IPv4Network(value).prefixlen not in _VPC_SIZES:
        raise ValueError(f"a VPC has from /{_VPC_SIZES[0]} to /{_VPC_SIZES[-1]}")
    return value


def _secret(value: str) -> str:
    if not _SECRET.fullmatch(value):
        raise ValueError("the whole ARN is needed, with the six characters that Secrets Manager puts at its end")
    return value


Network = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$"), AfterValidator(_network)]
"""IPv4 addresses as ``203.0.113.7/32``."""
VpcNetwork = Annotated[Network, AfterValidator(_vpc)]
"""Addresses that a VPC can have."""
SecretArn = Annotated[str, AfterValidator(_secret)]
"""ARN of a secret in Secrets Manager. Without its end it would be found by some of AWS's services and not by ECS."""
TagValue = Annotated[str, StringConstraints(pattern=r"^[\w .:/=+@-]+$", max_length=256)]
"""What AWS takes as the value of a tag."""
