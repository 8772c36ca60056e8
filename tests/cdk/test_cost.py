"""The bill is right where it can be checked by hand."""

from __future__ import annotations

import json
import re

import pytest

from cdk import cost, prices
from cdk.config import StackConfig, load
from cdk.cost import Traffic
from tests.cdk.support import ROOT


def one(monkeypatch: pytest.MonkeyPatch, **settings: str) -> StackConfig:
    values = {"MIN_ECS_INSTANCES": "1", "ARCHITECTURE": "ARM64", "TASK_CPU": "1024", "TASK_MEMORY": "2048"} | settings
    for name, value in values.items():
        monkeypatch.setenv(f"TILERY_STACK_{name}", value)
    return load()


def line(lines: list[cost.Line], name: str) -> float:
    return next(found.dollars for found in lines if found.name == name)


@pytest.mark.parametrize(
    ("architecture", "cpu", "memory", "dollars"),
    [
        ("X86_64", 1024, 2048, 36.04),
        ("ARM64", 1024, 2048, 28.84),
        ("ARM64", 2048, 4096, 57.67),
        ("ARM64", 4096, 8192, 115.34),
    ],
)
def test_a_task_all_month(
    monkeypatch: pytest.MonkeyPatch, architecture: str, cpu: int, memory: int, dollars: float
) -> None:
    config = one(monkeypatch, ARCHITECTURE=architecture, TASK_CPU=str(cpu), TASK_MEMORY=str(memory))
    assert line(cost.ecs(config, Traffic(tiles=0)), "Fargate") == pytest.approx(dollars, abs=0.01)


def test_what_stands_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = cost.ecs(one(monkeypatch), Traffic(tiles=0))
    assert line(lines, "Load balancer") == pytest.approx(16.43, abs=0.01)
    assert line(lines, "Public IPv4 addresses") == pytest.approx(7.30 + 3.65)
    assert line(lines, "Data out") == 0
    private = cost.ecs(one(monkeypatch, NETWORK="private"), Traffic(tiles=0))
    assert line(private, "VPC endpoints") == pytest.approx(43.80)
    assert line(private, "Public IPv4 addresses") == pytest.approx(7.30)
    assert line(cost.ecs(one(monkeypatch, NETWORK="nat"), Traffic(tiles=0)), "NAT gateway") == pytest.approx(32.85)


def test_a_million_tiles_in_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = cost.on_lambda(one(monkeypatch), Traffic(tiles=1e6, milliseconds=150))
    assert line(lines, "Lambda, time") + line(lines, "Lambda, requests") == pytest.approx(3.66, abs=0.01)


def test_what_the_lambda_stack_costs_beside_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte's snapshot all month is 2,628,000 s of 0.0000015046 dollars; four alarms watch six metrics."""
    plain = cost.on_lambda(one(monkeypatch, MEMORY="1024"), Traffic(tiles=0))
    assert line(plain, "SnapStart") == pytest.approx(3.954, abs=0.001)
    assert cost.total(plain) == pytest.approx(3.954 + 0.60, abs=0.001)
    without = cost.on_lambda(one(monkeypatch, SNAP_START="0"), Traffic(tiles=0))
    assert cost.total(without) == pytest.approx(0.60)
    image = cost.on_lambda(one(monkeypatch, SNAP_START="1", LAMBDA_PACKAGE="image"), Traffic(tiles=0))
    assert cost.total(image) == pytest.approx(0.60), "an image has no snapshot"


def test_an_http_api_costs_a_dollar_for_a_million_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    million = Traffic(tiles=1e6)
    names = [found.name for found in cost.on_lambda(one(monkeypatch), million)]
    assert "HTTP API" not in names
    lines = cost.on_lambda(one(monkeypatch, LAMBDA_FRONT="http-api", ACCESS_LOGS="0"), million)
    assert line(lines, "HTTP API") == pytest.approx(1.00)
    logged = cost.on_lambda(one(monkeypatch, ACCESS_LOGS="1"), million)
    assert line(logged, "HTTP API") == pytest.approx(1.00 + 0.35 * 0.50)


def test_the_break_even_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """One task of 2 vCPU with its load balancer is about 81 dollars, Lambda 3.66 a million: 20 million, and what stands
    beside them (addresses, alarms, SnapStart, reads) moves it by a quarter at most."""
    found = cost.break_even(one(monkeypatch, TASK_CPU="2048", TASK_MEMORY="4096"), Traffic())
    assert found is not None
    assert 15e6 < found < 27e6


def test_tasks_follow_the_traffic_between_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    config = one(monkeypatch, MAX_ECS_INSTANCES="3")
    assert cost.tasks(config, 0) == 1
    assert 1 < cost.tasks(config, 400e6) < 3
    assert cost.tasks(config, 1e12) == 3


def test_spot_and_cloudfront_lower_the_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Traffic(tiles=30e6)
    plain = cost.ecs(one(monkeypatch, MIN_ECS_INSTANCES="4"), busy)
    spot = cost.ecs(one(monkeypatch, MIN_ECS_INSTANCES="4", SPOT_PERCENT="50"), busy)
    assert line(spot, "Fargate") == pytest.approx(line(plain, "Fargate") * (4 - 1.5 * 0.7) / 4)
    edge = cost.ecs(one(monkeypatch, CLOUDFRONT="1"), busy)
    assert line(edge, "CloudFront, data") == pytest.approx((1200 - 1000) * 0.085)
    assert line(edge, "CloudFront, requests") == pytest.approx(20e6 * 1e-6 + 28e6 * 1e-7)


def test_the_table_says_what_an_operator_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = cost.table(one(monkeypatch), Traffic(tiles=10e6))
    assert text.count("\n  * ") == 6
    assert prices.READ in text
    assert "With no tiles at all the first costs 71.51 a month" in text
    assert "million tiles a month" in text


def test_tiles_a_second_are_those_of_the_benchmark_everywhere() -> None:
    measured = json.loads((ROOT / "bench" / "task_sizes.json").read_text())["tiles_per_second"]
    whole = (ROOT / "docs" / "performance.md").read_text()
    bold = re.findall(r"^\| ([\d.]+), \d+ \| \*\*.+?\*\* \| (\d+) \|", whole, re.MULTILINE)
    assert {cpus: int(tiles) for cpus, tiles in bold} == measured
    guide = (ROOT / "docs" / "deploy-ecs.md").read_text()
    table = re.findall(r"^\| ([\d.]+) vCPU, .+? \| (\d+) \|", guide, re.MULTILINE)
    assert {cpus: int(tiles) for cpus, tiles in table} == measured


def test_a_task_makes_what_was_measured() -> None:
    assert cost.tiles_a_second(0.5) == 200
    assert cost.tiles_a_second(4) == 2 * cost.tiles_a_second(2), "as many for a vCPU as the largest that was measured"


def test_what_the_pages_say_of_the_bill_is_what_the_command_says(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"ARCHITECTURE": "X86_64", "MIN_ECS_INSTANCES": "2", "TASK_CPU": "512", "TASK_MEMORY": "1024"}
    config = one(monkeypatch, **values)
    idle, busy = Traffic(tiles=0), Traffic(tiles=10e6)
    tasks, function = round(cost.total(cost.ecs(config, idle))), round(cost.total(cost.on_lambda(config, idle)))
    even = round((cost.break_even(config, Traffic()) or 0) / 1e6)
    pages = {name: (ROOT / name).read_text() for name in ("README.md", "docs/deploy-ecs.md", "docs/deploy-lambda.md")}
    assert f"**about {tasks} dollars a month when nobody" in pages["README.md"]
    assert f"**about {tasks} dollars a month when nobody" in pages["docs/deploy-ecs.md"]
    assert f"about {tasks} dollars a month |" in pages["docs/deploy-lambda.md"]
    assert f"**about {function} dollars a month when nobody asks**" in pages["README.md"]
    assert f"up to some {even} million tiles a month" in pages["README.md"]
    assert f"up to some {even} million tiles a month" in pages["docs/deploy-lambda.md"]
    ten = (round(cost.total(cost.on_lambda(config, busy))), round(cost.total(cost.ecs(config, busy))))
    row = "| ten million tiles of 40 kB | about {} dollars | about {} dollars |".format(*ten)
    assert row in pages["docs/deploy-lambda.md"]
