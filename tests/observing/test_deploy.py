"""Dashboard and alerts ask for metrics that there are, with labels that they have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.observing.metrics import ALL

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "tilery.json"
OF_PROMETHEUS = {"job", "instance", "le"}


def expressions() -> Iterator[str]:
    rules = yaml.safe_load((PROMETHEUS / "tilery.rules.yml").read_text(encoding="utf-8"))
    yield from (rule["expr"] for group in rules["groups"] for rule in group["rules"])
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def metrics_in(expression: str) -> set[str]:
    return {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in re.findall(r"\btilery_\w+", expression)}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_what_is_asked_for_is_there(expression: str) -> None:
    names = metrics_in(expression)
    assert names <= ALL.keys()
    known = OF_PROMETHEUS.union(*(ALL[name].labels for name in names))
    if any(ALL[name].kind == "gauge" for name in names):
        known = known | {"worker"}
    used = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    used |= {label for group in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)\s*[=!]", group)}
    assert used <= known
    assert expression.count("(") == expression.count(")")


def test_the_dashboard_shows_every_metric() -> None:
    assert set().union(*map(metrics_in, expressions())) == set(ALL)


def test_panels_lie_beside_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])}
        assert not cells & taken
        assert all(column < 24 for column, _ in cells)
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_alert_says_what_to_do() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rules = yaml.safe_load((PROMETHEUS / "tilery.rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in operations
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package prometheus has it")
@pytest.mark.parametrize(
    "command",
    ["check rules tilery.rules.yml", "check config prometheus.yml", "test rules tilery.rules.test.yml"],
)
def test_promtool_agrees(command: str) -> None:
    done = subprocess.run(["promtool", *command.split()], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
