"""What the stacks cost in a month: a table from the settings, with the largest lines and the break-even.

    python -m cdk.cost [--tiles 1000000] [--kilobytes 40] [--milliseconds 150] [--hits 0.6]

Prices are list prices of one region (``cdk/prices.py``); savings plans, free tiers of new accounts and taxes are not
in it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cdk import metric_names, prices
from cdk.config import ConfigurationError, StackConfig, load

MEASURED: dict[float, float] = {
    float(cpus): float(tiles)
    for cpus, tiles in json.loads(
        (Path(__file__).parent.parent / "bench" / "task_sizes.json").read_text(encoding="utf-8")
    )["tiles_per_second"].items()
}
"""Mixed tiles a second of a task by its vCPU."""
SECONDS = prices.HOURS * 3600
LOG_BYTES = 350
"""What Lambda writes into the log about one request: START, END and REPORT."""
ACCESS_LOG_BYTES = 350
"""One line of an HTTP API's access log."""
COLD = 0.001
"""Share of the requests that start an environment, about."""
CONTAINER_INSIGHTS_METRICS = 6 + 8 + 11
"""Metrics of Container Insights for one cluster, one family of tasks and one service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a month asks for."""

    tiles: float = 1_000_000
    kilobytes: float = 40.0
    """Size of a tile."""
    milliseconds: float = 150.0
    """How long Lambda takes for one. Of it 10 are work, as ``make bench`` measures random tiles at one core. The rest
    is the wait for the first byte of a range, which AWS puts at 100 to 200: S3 user guide, "Best practices design
    patterns: optimizing Amazon S3 performance"."""
    hits: float = 0.6
    """Share of the tiles that CloudFront answers from its cache, where it is in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the bill."""

    name: str
    dollars: float
    how: str


def ecs(config: StackConfig, traffic: Traffic) -> list[Line]:
    """Return the bill of the stack with Fargate tasks and a load balancer."""
    requests = traffic.tiles * (1 - traffic.hits) if config.cloudfront else traffic.tiles
    count = tasks(config, requests)
    vcpu, memory = config.task_cpu / 1024, config.task_memory / 1024
    hour = (
        vcpu * prices.FARGATE_VCPU[config.architecture].dollars
        + memory * prices.FARGATE_GB[config.architecture].dollars
    )
    on_spot = (max(0.0, count - 1) if config.spot_percent < 100 else count) * config.spot_percent / 100
    paid = count - on_spot * (1 - prices.SPOT_SHARE)
    public = count if config.network == "public" else 0.0
    balancer = 0 if config.cloudfront else 2
    gigabytes = requests * traffic.kilobytes / 1e6
    lines = [
        Line(
            name="Fargate",
            dollars=paid * hour * prices.HOURS,
            how=f"{count:g} tasks of {vcpu:g} vCPU and {memory:g} GB, {config.architecture}",
        ),
        Line(name="Load balancer", dollars=prices.ALB_HOUR.dollars * prices.HOURS, how="one, all month"),
        Line(
            name="Load balancer, use",
            dollars=_lcu(requests, gigabytes) * prices.ALB_LCU.dollars,
            how="capacity units, by bytes or connections",
        ),
        Line(
            name="Public IPv4 addresses",
            dollars=(public + balancer) * prices.IPV4_HOUR.dollars * prices.HOURS,
            how=f"{public:g} of tasks, {balancer} of the load balancer",
        ),
        Line(
            name="Alarms",
            dollars=(watched := ecs_alarm_metrics(config) + scaling_alarms(config)) * prices.ALARM.dollars,
            how=f"they watch {watched} metrics, those of scaling among them",
        ),
        Line(
            name="Container Insights",
            dollars=CONTAINER_INSIGHTS_METRICS * prices.CUSTOM_METRIC.dollars,
            how=f"{CONTAINER_INSIGHTS_METRICS} metrics",
        ),
        Line(name="Reads from S3", dollars=requests * 1.2 * prices.S3_GET.dollars, how="1.2 ranges a tile"),
    ]
    if config.service_metrics:
        number = metric_names.EMITTED + len(metric_names.FIELDS)
        how = f"{number}, that the service counts"
        lines.append(Line(name="Metrics", dollars=number * prices.CUSTOM_METRIC.dollars, how=how))
    if config.network == "nat":
        lines.append(Line(name="NAT gateway", dollars=prices.NAT_HOUR.dollars * prices.HOURS, how="before its data"))
    if config.network == "private":
        number = 4 if config.secrets else 3
        dollars = number * 2 * prices.ENDPOINT_HOUR.dollars * prices.HOURS
        lines.append(Line(name="VPC endpoints", dollars=dollars, how=f"{number} in two zones"))
    if config.waf:
        dollars = prices.WAF_ACL.dollars + 2 * prices.WAF_RULE.dollars + requests * prices.WAF_REQUEST.dollars
        lines.append(Line(name="Firewall", dollars=dollars, how="two rules"))
    return lines + _out(config, traffic)


def on_lambda(config: StackConfig, traffic: Traffic) -> list[Line]:
    """Return the bill of the stack with a function, behind CloudFront, an HTTP API or its own URL."""
    requests = traffic.tiles * (1 - traffic.hits) if config.cloudfront else traffic.tiles
    gigabytes = config.memory / 1024
    lines = [
        Line(
            name="Lambda, time",
            dollars=requests
            * traffic.milliseconds
            / 1000
            * gigabytes
            * prices.LAMBDA_GB_SECOND[config.architecture].dollars,
            how=f"{traffic.milliseconds:g} ms at {config.memory} MB, {config.architecture}",
        ),
        Line(name="Lambda, requests", dollars=requests * prices.LAMBDA_REQUEST.dollars, how="one a tile"),
        Line(name="Logs", dollars=requests * LOG_BYTES / 1e9 * prices.LOG_GB.dollars, how="Lambda's own lines"),
        Line(
            name="Alarms",
            dollars=(watched := lambda_alarm_metrics(config)) * prices.ALARM.dollars,
            how=f"they watch {watched} metrics",
        ),
        Line(name="Reads from S3", dollars=requests * 2 * prices.S3_GET.dollars, how="2 ranges a tile"),
    ]
    if config.front == "http-api":
        log = (requests * ACCESS_LOG_BYTES / 1e9 * prices.LOG_GB.dollars) if config.access_logs else 0.0
        dollars = requests * prices.HTTP_API_REQUEST.dollars + log
        lines.append(Line(name="HTTP API", dollars=dollars, how="a function URL costs nothing"))
    if config.lambda_package == "zip" and config.snap_start:
        dollars = (
            gigabytes * SECONDS * prices.SNAPSTART_CACHE.dollars
            + COLD * requests * gigabytes * prices.SNAPSTART_RESTORE.dollars
        )
        how = "one version kept, one cold start in 1,000"
        lines.append(Line(name="SnapStart", dollars=dollars, how=how))
    return lines + _out(config, traffic)


def tasks(config: StackConfig, tiles: float) -> float:
    """Return tasks that run on average: the fewest that are allowed, or what the tiles need at the target
    of scaling.
    """
    capacity = tiles_a_second(config.task_cpu / 1024) * config.cpu_target / 100
    return min(float(config.max_ecs_instances), max(float(config.min_ecs_instances), tiles / SECONDS / capacity))


def tiles_a_second(cpus: float) -> float:
    """Mixed tiles a second of a task; for a size that was not measured, as many for a vCPU as the next smaller has."""
    known = max(size for size in MEASURED if size <= cpus)
    return MEASURED[known] * cpus / known


def ecs_alarm_metrics(config: StackConfig) -> int:
    """Return metrics that the alarms of the tasks watch: CloudWatch bills each of an alarm that calculates."""
    groups = 2 if config.release == "blue-green" else 1
    own = {
        "TargetErrors": 2,
        "Slow": 2,
        "Unhealthy": groups,
        "NoHost": groups,
        "BalancerErrors": 1,
        "Cpu": 1,
        "Memory": 1,
        "Missing": 2,
        "UpperBound": int(config.min_ecs_instances < config.max_ecs_instances),
        "SourceDenied, Busy, Recycles": 5 if config.service_metrics else 0,
    }
    return sum(own.values()) + _face(config)


def lambda_alarm_metrics(config: StackConfig) -> int:
    """Return the same of the function's alarms."""
    own = {"Errors": 1, "Failures": 2, "Slow": 2, "Throttles": 1}
    return sum(own.values()) + (_face(config) if config.cloudfront or config.front == "http-api" else 0)


def _face(config: StackConfig) -> int:
    return (2 if config.cloudfront else 0) + (1 if config.domain else 0)


def scaling_alarms(config: StackConfig) -> int:
    """Return alarms that target tracking makes for itself, one upwards and one downwards for each policy."""
    return 2 if config.release == "blue-green" else 4


def total(lines: list[Line]) -> float:
    """Return dollars of all lines."""
    return math.fsum(line.dollars for line in lines)


def break_even(config: StackConfig, traffic: Traffic) -> float | None:
    """Return tiles a month above which Fargate is cheaper than Lambda; None when it never is below ten billion."""
    low, high = 0.0, 1e10

    def lambda_dearer(tiles: float) -> bool:
        at = replace(traffic, tiles=tiles)
        return total(on_lambda(config, at)) > total(ecs(config, at))

    if lambda_dearer(low) or not lambda_dearer(high):
        return 0.0 if lambda_dearer(low) else None
    while high - low > 1000:
        middle = (low + high) / 2
        low, high = (low, middle) if lambda_dearer(middle) else (middle, high)
    return high


def table(config: StackConfig, traffic: Traffic) -> str:
    """Return the whole answer as text."""
    head = (
        f"Monthly dollars for {traffic.tiles:,.0f} tiles of {traffic.kilobytes:g} kB, "
        f"list prices of {prices.REGION}, read {prices.READ} (cdk/prices.py has each source)"
    )
    parts = [head]
    for name, lines in (
        (config.ecs_stack_name, ecs(config, traffic)),
        (config.lambda_stack_name, on_lambda(config, traffic)),
    ):
        largest = sorted(lines, key=lambda line: line.dollars, reverse=True)[:3]
        parts.append(f"\n{name}")
        for line in lines:
            mark = "*" if line in largest and line.dollars >= 0.01 else " "
            parts.append(f"  {mark} {line.name:<30}{line.dollars:>10.2f}  {line.how}")
        parts.append(f"    {'together':<30}{total(lines):>10.2f}")
    parts.append("\n* the three largest lines of each")
    idle = total(ecs(config, replace(traffic, tiles=0)))
    parts.append(f"With no tiles at all the first costs {idle:.2f} a month, the second "
                 f"{total(on_lambda(config, replace(traffic, tiles=0))):.2f}.")  # fmt: skip
    even = break_even(config, traffic)
    if even is None:
        parts.append("Lambda is the cheaper one at any traffic with these settings.")
    else:
        parts.append(f"Fargate is the cheaper one above {even / 1e6:,.1f} million tiles a month.")
    return "\n".join(parts) + "\n"


def _lcu(requests: float, gigabytes: float) -> float:
    """Capacity-unit hours: the largest of what bytes and new connections need; ten requests come on a connection."""
    return max(gigabytes / prices.LCU_GB_AN_HOUR, requests / 10 / prices.LCU_CONNECTIONS_A_SECOND / 3600)


def _out(config: StackConfig, traffic: Traffic) -> list[Line]:
    """Return what leaves AWS: through CloudFront, or straight."""
    gigabytes = traffic.tiles * traffic.kilobytes / 1e6
    if not config.cloudfront:
        dollars = max(0.0, gigabytes - prices.EGRESS_FREE_GB) * prices.EGRESS_GB.dollars
        return [Line(name="Data out", dollars=dollars, how=f"{gigabytes:,.0f} GB, the first 100 free")]
    dollars, below = 0.0, 0.0
    for limit, price in prices.CLOUDFRONT_GB:
        dollars += max(0.0, min(gigabytes, limit) - below) * price
        below = limit
    requests = max(0.0, traffic.tiles - prices.CLOUDFRONT_FREE_REQUESTS) * prices.CLOUDFRONT_REQUEST.dollars
    functions = max(0.0, traffic.tiles - prices.CLOUDFRONT_FREE_FUNCTIONS) * prices.CLOUDFRONT_FUNCTION.dollars
    return [
        Line(name="CloudFront, data", dollars=dollars, how=f"{gigabytes:,.0f} GB, the first TB free"),
        Line(name="CloudFront, requests", dollars=requests + functions, how="the first 10 million free"),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Traffic()
    parser.add_argument("--tiles", type=float, default=usual.tiles)
    parser.add_argument("--kilobytes", type=float, default=usual.kilobytes)
    parser.add_argument("--milliseconds", type=float, default=usual.milliseconds)
    parser.add_argument("--hits", type=float, default=usual.hits)
    arguments = parser.parse_args()
    try:
        config = load()
    except ConfigurationError as problem:
        sys.exit(f"The settings of the stack are wrong.\n{problem}")
    sys.stdout.write(table(config, Traffic(**vars(arguments))))


if __name__ == "__main__":
    main()
