"""List prices of AWS in US dollars, with the date they were read and where. They change: check before you decide.

Region us-east-1 (N. Virginia). ``known`` marks what was taken from general knowledge and not read again on that date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

READ = "2026-11-21"
REGION = "us-east-1"
HOURS = 730
"""Hours in a month, as AWS's own calculator has it."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one unit."""

    dollars: float
    unit: str
    source: str


def _known(dollars: float, unit: str) -> Price:
    return Price(dollars, unit, "general knowledge")


FARGATE_VCPU: dict[Literal["ARM64", "X86_64"], Price] = {
    "X86_64": Price(0.04048, "vCPU-hour", "vantage.sh/blog/fargate-pricing"),
    "ARM64": Price(0.03238, "vCPU-hour", "vantage.sh/blog/fargate-pricing"),
}
FARGATE_GB: dict[Literal["ARM64", "X86_64"], Price] = {
    "X86_64": Price(0.004445, "GB-hour", "vantage.sh/blog/fargate-pricing"),
    "ARM64": Price(0.00356, "GB-hour", "vantage.sh/blog/fargate-pricing"),
}
SPOT_SHARE = 0.3
"""Of the price on demand, at best: "up to 70 % off"."""
ALB_HOUR = Price(0.0225, "hour", "aws.amazon.com/elasticloadbalancing/pricing")
ALB_LCU = Price(0.008, "LCU-hour", "aws.amazon.com/elasticloadbalancing/pricing")
LCU_GB_AN_HOUR = 1.0
LCU_CONNECTIONS_A_SECOND = 25
NAT_HOUR = Price(0.045, "hour", "aws.amazon.com/vpc/pricing")
ENDPOINT_HOUR = Price(0.01, "zone-hour", "aws.amazon.com/privatelink/pricing")
IPV4_HOUR = _known(0.005, "address-hour")
LAMBDA_GB_SECOND: dict[Literal["ARM64", "X86_64"], Price] = {
    "X86_64": Price(0.0000166667, "GB-second", "aws.amazon.com/lambda/pricing"),
    "ARM64": Price(0.0000133334, "GB-second", "aws.amazon.com/lambda/pricing"),
}
LAMBDA_REQUEST = _known(0.20 / 1e6, "request")
SNAPSTART_CACHE = Price(0.0000015046, "GB-second of a version", "awsnegotiations.com")
SNAPSTART_RESTORE = Price(0.0001397998, "GB restored", "awsnegotiations.com")
HTTP_API_REQUEST = _known(1.00 / 1e6, "request")
CLOUDFRONT_GB: tuple[tuple[float, float], ...] = (
    (1_000, 0.0),
    (10_000, 0.085),
    (50_000, 0.080),
    (150_000, 0.060),
    (float("inf"), 0.040),
)
"""GB of a month up to which, and dollars for each of them; the first TB is free.

Source: aws.amazon.com/cloudfront/pricing.
"""
CLOUDFRONT_REQUEST = Price(0.01 / 1e4, "request", "wring.co")
CLOUDFRONT_FREE_REQUESTS = 10_000_000
CLOUDFRONT_FUNCTION = _known(0.10 / 1e6, "invocation")
CLOUDFRONT_FREE_FUNCTIONS = 2_000_000
EGRESS_GB = Price(0.09, "GB", "wring.co")
EGRESS_FREE_GB = 100
WAF_ACL = Price(5.0, "month", "c3x.dev")
WAF_RULE = Price(1.0, "rule-month", "c3x.dev")
WAF_REQUEST = Price(0.60 / 1e6, "request", "c3x.dev")
LOG_GB = _known(0.50, "GB")
ALARM = _known(0.10, "metric-month")
CUSTOM_METRIC = _known(0.30, "metric-month")
S3_GET = _known(0.0004 / 1e3, "request")
