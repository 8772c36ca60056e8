"""Which alarms there are, what makes them ring, and whom they tell; evaluated as CloudWatch would."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cdk import cost, metric_names
from cdk.config import StackConfig
from tests.cdk.support import SETTINGS, Template, alone, synthesised

ALWAYS = {
    "TargetErrors",
    "Slow",
    "Unhealthy",
    "SourceDenied",
    "BalancerErrors",
    "Cpu",
    "Memory",
    "Missing",
    "NoHost",
    "UpperBound",
    "Busy",
    "Recycles",
}
TOPIC = "arn:aws:sns:us-east-1:123456789012:pager"


def breaches(alarm: dict[str, Any], **values: float) -> bool:
    """Return whether one period with these values of the metrics is beyond the threshold.

    Values are known by the ids that the alarm's expression has; of an alarm without one it is ``value``.
    """
    expression = next((m["Expression"] for m in alarm.get("Metrics", []) if "Expression" in m), "value")
    text = re.sub(r"FILL\((\w+), (\w+)\)", r"(\2 if \1 is None else \1)", expression)
    text = re.sub(r"IF\((.+?), (.+), (\w+)\)$", r"((\2) if (\1) else \3)", text)
    found = eval(text, {"__builtins__": {}}, dict(values))
    below = alarm["ComparisonOperator"] == "LessThanThreshold"
    return bool(found < alarm["Threshold"] if below else found > alarm["Threshold"])


@pytest.mark.parametrize("name", SETTINGS)
def test_each_stack_has_the_alarms_of_what_it_has(name: str) -> None:
    settings = SETTINGS[name]
    wanted = set(ALWAYS)
    if "DOMAIN" in settings:
        wanted.add("Certificate")
    if "CLOUDFRONT" in settings:
        wanted.add("EdgeErrors")
    assert set(synthesised(name).alarms()) == wanted


@pytest.mark.parametrize("name", SETTINGS)
def test_silence_is_a_reason_where_nobody_is_left_to_speak(name: str) -> None:
    silent = {n for n, alarm in synthesised(name).alarms().items() if alarm["TreatMissingData"] == "breaching"}
    assert silent == {"NoHost"}


def test_no_task_that_is_well_rings() -> None:
    alarm = alone("ecs", SOURCES="s3://imagery/").alarms()["NoHost"]
    assert breaches(alarm, value=0)
    assert not breaches(alarm, value=1)
    blue_green = synthesised("pipeline").alarms()["NoHost"]
    assert not breaches(blue_green, blue=0, green=1), "the other group has the traffic"
    assert breaches(blue_green, blue=0, green=0)


@pytest.mark.parametrize("stack", ["ecs", "lambda"])
def test_one_slow_raster_rings_nothing(stack: str) -> None:
    """Thirty tiles of a raster that takes ten minutes, in a minute in which nobody else asks for any."""
    alarm = synthesised("plain", stack).alarms()["Slow"]
    assert not breaches(alarm, requests=30, value=600_000)
    assert breaches(alarm, requests=300, value=600_000)
    (metric,) = (m["MetricStat"] for m in alarm["Metrics"] if m["Id"] == "value")
    assert metric["Stat"] == "p90", "nor among a few hundred tiles of others"


def test_a_release_that_lost_its_right_to_read_rings() -> None:
    template = synthesised("plain")
    alarm = template.alarms()["SourceDenied"]
    assert breaches(alarm, requests=100, some=90)
    assert not breaches(alarm, requests=100, some=10), "one layer of many"
    assert not breaches(alarm, requests=5, some=5)
    (metric,) = (m["MetricStat"]["Metric"] for m in alarm["Metrics"] if m["Id"] == "some")
    filters = {f["MetricTransformations"][0]["MetricName"]: f for f in template.all("Logs::MetricFilter")}
    made = filters[metric["MetricName"]]["MetricTransformations"][0]
    assert made["MetricNamespace"] == metric["Namespace"] == template.environment()["TILERY_EMF_NAMESPACE"]
    assert filters[metric["MetricName"]]["FilterPattern"] == "{ $.tilery_problems_total_source_denied > 0 }"
    assert made["MetricValue"] == "$.tilery_problems_total_source_denied"


def test_the_upper_bound_is_that_of_scaling() -> None:
    alarm = alone("ecs", SOURCES="s3://imagery/", MAX_ECS_INSTANCES="7").alarms()["UpperBound"]
    assert breaches(alarm, value=7)
    assert not breaches(alarm, value=6)
    fixed = alone("ecs", SOURCES="s3://imagery/", MIN_ECS_INSTANCES="3", MAX_ECS_INSTANCES="3")
    assert "UpperBound" not in fixed.alarms()


def test_a_certificate_rings_when_its_renewal_has_failed() -> None:
    alarm = synthesised("production").alarms()["Certificate"]
    assert (alarm["MetricName"], alarm["Period"]) == ("DaysToExpiry", 86400)
    assert breaches(alarm, value=29)
    assert not breaches(alarm, value=59)


def test_alarms_of_the_edge_are_made_where_its_metrics_are() -> None:
    """An alarm sees its own region only, and CloudFront counts in us-east-1."""
    whole = synthesised("edge").whole
    conditions = {
        r["Properties"]["AlarmName"].rpartition("-")[2]: r.get("Condition")
        for r in whole["Resources"].values()
        if r["Type"] == "AWS::CloudWatch::Alarm"
    }
    conditional = {name: condition for name, condition in conditions.items() if condition}
    assert set(conditional) == {"EdgeErrors", "Certificate"}
    assert whole["Conditions"][conditional["EdgeErrors"]] == {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
    assert not breaches(synthesised("edge").alarms()["EdgeErrors"], requests=1, value=100)
    assert breaches(synthesised("edge").alarms()["EdgeErrors"], requests=1000, value=6)


def test_the_distribution_of_a_stack_elsewhere_is_watched_from_where_its_metrics_are() -> None:
    """With alarms of the same kind, which tell what is in that region; a topic elsewhere cannot be told from there."""
    edge, own = synthesised("edge", "edge"), synthesised("edge")
    artifact = json.loads((edge.folder / "manifest.json").read_text())["artifacts"]["tilery-edge-dev"]
    assert artifact["environment"] == "aws://unknown-account/us-east-1"
    assert set(edge.alarms()) == {"EdgeErrors", "Certificate"}
    for name, alarm in edge.alarms().items():
        here = {key: value for key, value in alarm.items() if key not in ("AlarmName", "AlarmActions", "OKActions")}
        there = {key: value for key, value in own.alarms()[name].items() if key in here}
        text = json.dumps(there).replace(json.dumps({"Ref": "Distribution830FAC52"}), '"E0ABCDEFGHIJKL"')
        assert json.dumps(here) == text
        assert alarm["AlarmName"] == f"tilery-edge-dev-{name}"
    assert len(told(edge)) == 1
    assert edge.one("SNS::Subscription")["Endpoint"] == "maps@example.com"
    assert own.whole["Outputs"]["DistributionId"]["Value"] == {"Ref": "Distribution830FAC52"}


def test_the_services_own_metrics_can_be_left_out() -> None:
    template = alone("ecs", SOURCES="s3://imagery/", SERVICE_METRICS="0")
    assert set(template.alarms()) == ALWAYS - {"SourceDenied", "Busy", "Recycles"}
    assert "TILERY_EMF_NAMESPACE" not in template.environment()
    assert template.all("Logs::MetricFilter") == []


def told(template: Template) -> list[Any]:
    """Return whom the alarms tell, which is the same for all, going and coming."""
    first, *others = template.alarms().values()
    assert all(alarm.get("AlarmActions") == first.get("AlarmActions") for alarm in others)
    assert all(alarm.get("OKActions") == alarm.get("AlarmActions") for alarm in (first, *others))
    return first.get("AlarmActions") or []


@pytest.mark.parametrize("stack", ["ecs", "lambda"])
def test_alarms_tell_whoever_is_named(stack: str) -> None:
    same = {"SOURCES": "s3://imagery/"}
    mail = {"ALARM_EMAIL": "maps@example.com", "BUDGET": "10"}
    assert told(alone(stack, **same)) == []
    assert "Nobody is told when an alarm rings" in alone(stack, **same).said()
    only_topic = alone(stack, **same, ALARM_TOPIC_ARN=TOPIC, BUDGET="10")
    assert told(only_topic) == [TOPIC]
    assert only_topic.all("SNS::Topic") == []
    (subscriber,) = only_topic.one("Budgets::Budget")["NotificationsWithSubscribers"][0]["Subscribers"]
    assert subscriber == {"Address": TOPIC, "SubscriptionType": "SNS"}
    both = alone(stack, **same, **mail, ALARM_TOPIC_ARN=TOPIC)
    assert TOPIC in told(both)
    assert len(told(both)) == 2
    for template in (only_topic, both):
        assert "Nobody is told" not in template.said()


def billed(template: Template) -> int:
    """Return metrics that alarms watch: one, or each of those that an expression calculates with."""
    return sum(
        len([m for m in alarm.get("Metrics", []) if "MetricStat" in m]) or 1
        for alarm in template.all("CloudWatch::Alarm")
    )


ZONE = {"DOMAIN": "tiles.example.com", "HOSTED_ZONE_ID": "Z0123456789", "HOSTED_ZONE_NAME": "example.com"}
CERTIFICATE = {"CERTIFICATE_ARN": "arn:aws:acm:us-east-1:123456789012:certificate/1"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"SERVICE_METRICS": "0", "MAX_ECS_INSTANCES": "2"},
        ZONE,
        {"CLOUDFRONT": "1"} | ZONE | CERTIFICATE,
        {"RELEASE": "blue-green", "CLOUDFRONT": "1"},
        {"LAMBDA_FRONT": "http-api"} | ZONE,
    ],
)
def test_alarms_and_metrics_are_counted_as_the_template_has_them(settings: dict[str, str]) -> None:
    values: dict[str, Any] = {
        f"TILERY_STACK_{name}": value for name, value in ({"SOURCES": "s3://imagery/"} | settings).items()
    }
    config = StackConfig(**values)
    tasks = alone("ecs", SOURCES="s3://imagery/", **settings)
    assert cost.ecs_alarm_metrics(config) == billed(tasks)
    assert cost.scaling_alarms(config) == 2 * len(tasks.all("ApplicationAutoScaling::ScalingPolicy"))
    assert len(tasks.all("Logs::MetricFilter")) == (len(metric_names.FIELDS) if config.service_metrics else 0)
    assert cost.lambda_alarm_metrics(config) == billed(alone("lambda", SOURCES="s3://imagery/", **settings))
