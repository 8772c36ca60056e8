"""Each safeguard of the stack, asserted on the template that CloudFormation gets."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from cdk import timing
from cdk.s3_hosts import read_statement
from tests.cdk.support import ROLLING, ROOT, SETTINGS, alone, synthesised


def attributes(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


EVERY = pytest.mark.parametrize("name", SETTINGS)
EVERY_ROLLING = pytest.mark.parametrize("name", ROLLING)


@EVERY
def test_a_task_is_locked_down(name: str) -> None:
    template = synthesised(name)
    container = template.container()
    assert container["ReadonlyRootFilesystem"] is True
    assert container["MountPoints"] == [{"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "tmp"}]
    assert container["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}, "InitProcessEnabled": True}
    assert "Privileged" not in container
    assert "User" not in container, "the image's own user, which is not root"
    task = template.one("ECS::TaskDefinition")
    assert task["RequiresCompatibilities"] == ["FARGATE"]
    assert task["NetworkMode"] == "awsvpc"
    assert template.one("ECS::Service")["EnableExecuteCommand"] is False


@EVERY
def test_roles_may_read_the_sources_and_nothing_else(name: str) -> None:
    template = synthesised(name)
    actions = {
        action
        for statement in template.role_statements("TaskRole")
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    allowed = {"s3:GetObject", "s3:ListBucket"}
    if name in ("private", "website", "store-first"):
        allowed |= {"s3:PutObject", "s3:DeleteObject"}
    assert actions <= allowed
    text = json.dumps(template.role_statements("TaskRole"))
    assert '"*"' not in text
    assert not [r for r in template.all("IAM::Role") if "ManagedPolicyArns" in r], "no FullAccess policies"


def test_the_role_is_made_from_the_policy_of_sources() -> None:
    text = json.dumps(synthesised("plain").role_statements("TaskRole"))
    assert ":s3:::imagery/cogs/*" in text
    assert '"s3:prefix": ["cogs/", "cogs/*"]' in text
    assert ":s3:::imagery/cogs/*.tif" in json.dumps(synthesised("private").role_statements("TaskRole"))
    assert ":s3:::maps/layers/*" in json.dumps(synthesised("edge").role_statements("TaskRole"))


@EVERY_ROLLING
def test_a_bad_deployment_takes_itself_back(name: str) -> None:
    deployment = synthesised(name).one("ECS::Service")["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert deployment["Alarms"]["Enable"] is True
    assert deployment["Alarms"]["Rollback"] is True
    template = synthesised(name)
    alarms = {
        n: r["Properties"]["AlarmName"]
        for n, r in template.whole["Resources"].items()
        if r["Type"] == "AWS::CloudWatch::Alarm"
    }
    named = deployment["Alarms"]["AlarmNames"]
    assert {text.rpartition("-")[2] for text in named} == {"TargetErrors", "Slow", "Unhealthy", "SourceDenied"}
    (service,) = (r for r in template.whole["Resources"].values() if r["Type"] == "AWS::ECS::Service")
    assert {n for n, text in alarms.items() if text in named} <= set(service["DependsOn"]), (
        "they have to be there first"
    )
    assert "circular dependency" not in template.said(), "CDK warns of one where alarms are named by reference"


@EVERY
def test_the_timeouts_fit_each_other(name: str) -> None:
    template = synthesised(name)
    environment = template.environment()
    balancer = attributes(template.one("ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"])
    targets, *others = template.all("ElasticLoadBalancingV2::TargetGroup")
    assert all(other["TargetGroupAttributes"] == targets["TargetGroupAttributes"] for other in others)
    assert all(other["HealthCheckIntervalSeconds"] == timing.HEALTH_INTERVAL for other in others)
    idle = int(balancer["idle_timeout.timeout_seconds"])
    deregistration = int(attributes(targets["TargetGroupAttributes"])["deregistration_delay.timeout_seconds"])
    deadline, stop = int(environment["TILERY_DEADLINE"]), template.container()["StopTimeout"]
    assert deadline < idle < int(environment["KEEP_ALIVE"])
    assert deadline <= deregistration
    assert deadline <= int(environment["GRACEFUL_TIMEOUT"])
    assert int(environment["DRAIN_DELAY"]) + int(environment["GRACEFUL_TIMEOUT"]) + 2 < stop <= 120
    assert targets["HealthCheckPath"] == "/healthz"
    assert targets["HealthCheckTimeoutSeconds"] < targets["HealthCheckIntervalSeconds"] == timing.HEALTH_INTERVAL
    assert (targets["HealthyThresholdCount"], targets["UnhealthyThresholdCount"]) == (2, 3)
    assert template.one("ECS::Service")["HealthCheckGracePeriodSeconds"] == timing.HEALTH_GRACE


@EVERY
def test_the_balancer_refuses_what_is_malformed(name: str) -> None:
    template = synthesised(name)
    balancer = attributes(template.one("ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"])
    assert balancer["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert balancer["routing.http.desync_mitigation_mode"] == "defensive"
    for group in template.all("ElasticLoadBalancingV2::TargetGroup"):
        found = attributes(group["TargetGroupAttributes"])
        assert found["load_balancing.algorithm.type"] == "least_outstanding_requests"


@EVERY
def test_tasks_are_reached_from_the_balancer_only(name: str) -> None:
    template = synthesised(name)
    groups = {n: r for n, r in template.whole["Resources"].items() if r["Type"] == "AWS::EC2::SecurityGroup"}
    task = next(r["Properties"] for n, r in groups.items() if n.startswith("TaskGroup"))
    assert "SecurityGroupIngress" not in task
    ingress = [r for r in template.all("EC2::SecurityGroupIngress") if "TaskGroup" in json.dumps(r["GroupId"])]
    assert {(r["FromPort"], r["ToPort"]) for r in ingress} == {(8080, 8080)}
    callers = [json.dumps(r["SourceSecurityGroupId"]) for r in ingress]
    assert len([caller for caller in callers if "BalancerGroup" in caller]) == 1
    assert len([caller for caller in callers if "AskGroup" in caller]) == (0 if name in ROLLING else 1)
    assert len(callers) == (1 if name in ROLLING else 2)
    assert [(r["FromPort"], r["ToPort"]) for r in task["SecurityGroupEgress"]] == [(443, 443)]


@EVERY_ROLLING
def test_scaling_between_the_bounds(name: str) -> None:
    template = synthesised(name)
    target = template.one("ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 10)
    metrics = {
        policy["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"][
            "PredefinedMetricType"
        ]: policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        for policy in template.all("ApplicationAutoScaling::ScalingPolicy")
    }
    assert set(metrics) == {"ECSServiceAverageCPUUtilization", "ALBRequestCountPerTarget"}
    assert metrics["ECSServiceAverageCPUUtilization"] == 60
    assert metrics["ALBRequestCountPerTarget"] == (4800 if name == "production" else 2400)
    assert "DesiredCount" not in template.one("ECS::Service"), "a deployment must not undo what scaling did"


@EVERY
def test_there_is_something_to_look_at(name: str) -> None:
    template = synthesised(name)
    template.one("CloudWatch::Dashboard")
    assert {group["RetentionInDays"] for group in template.all("Logs::LogGroup")} == {14}
    assert template.one("ECS::Cluster")["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]
    options = template.container()["LogConfiguration"]["Options"]
    assert options["mode"] == "non-blocking"
    assert {"Url", "DashboardUrl", "LogGroup"} <= set(template.whole["Outputs"])


@EVERY
def test_nothing_asks_aws_and_nothing_runs_code_of_its_own(name: str) -> None:
    template = synthesised(name)
    assert not {kind for kind in template.kinds() if kind.startswith(("Custom::", "AWS::CloudFormation::Custom"))}
    ran = {function["Handler"] for function in template.all("Lambda::Function")}
    assert ran == (set() if name in ROLLING else {"index.handler"}), "but for the check before a release"


@EVERY
def test_there_is_no_nat_gateway(name: str) -> None:
    assert "AWS::EC2::NatGateway" not in synthesised(name).kinds()


@EVERY
def test_everything_that_can_be_is_tagged(name: str) -> None:
    template = synthesised(name)
    service = attributes(template.one("ECS::Service")["Tags"])
    assert service["Project"] == "tilery"
    assert service["Stage"] == SETTINGS[name].get("STAGE", "production")
    assert template.one("ECS::Service")["PropagateTags"] == "SERVICE"


def test_the_default_network_has_two_zones_and_a_free_way_to_s3() -> None:
    template = synthesised("plain")
    zones = [subnet["AvailabilityZone"] for subnet in template.all("EC2::Subnet")]
    assert zones == [{"Fn::Select": [0, {"Fn::GetAZs": ""}]}, {"Fn::Select": [1, {"Fn::GetAZs": ""}]}]
    endpoint = template.one("EC2::VPCEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert "imagery/cogs/*" in json.dumps(endpoint["PolicyDocument"])
    assert "starport-layer-bucket" in json.dumps(endpoint["PolicyDocument"]), "or the image could not be pulled"
    service = template.one("ECS::Service")
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "ENABLED"


def test_the_private_network_has_no_way_out() -> None:
    template = synthesised("private")
    kinds = sorted(json.dumps(endpoint["ServiceName"]) for endpoint in template.all("EC2::VPCEndpoint"))
    assert [word for word in ("ecr.api", "ecr.dkr", "logs", "s3", "secretsmanager") if word in "".join(kinds)] == [
        "ecr.api",
        "ecr.dkr",
        "logs",
        "s3",
        "secretsmanager",
    ]
    service = template.one("ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert service["AssignPublicIp"] == "DISABLED"
    assert all("inner" in json.dumps(subnet) for subnet in service["Subnets"])
    routes = [route for route in template.all("EC2::Route") if "inner" in json.dumps(route)]
    assert routes == []


def test_a_vpc_that_exists_is_used_as_it_is() -> None:
    template = synthesised("imported")
    assert not {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::VPCEndpoint"} & template.kinds()
    service = template.one("ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert service["Subnets"] == ["subnet-0000000c", "subnet-0000000d"]
    assert template.one("ElasticLoadBalancingV2::LoadBalancer")["Subnets"] == ["subnet-0000000a", "subnet-0000000b"]
    assert template.container()["Image"] == "registry.example.com/tilery@sha256:0000"


def test_a_domain_brings_https_and_http_leads_there() -> None:
    template = synthesised("production")
    listeners = {listener["Port"]: listener for listener in template.all("ElasticLoadBalancingV2::Listener")}
    assert set(listeners) == {80, 443}
    assert listeners[80]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert listeners[80]["DefaultActions"][0]["RedirectConfig"]["StatusCode"] == "HTTP_301"
    assert listeners[443]["SslPolicy"].startswith("ELBSecurityPolicy-TLS13")
    assert template.one("CertificateManager::Certificate")["ValidationMethod"] == "DNS"
    assert template.one("Route53::RecordSet")["Name"] == "tiles.example.com."
    assert template.environment()["TILERY_PUBLIC_URL"] == "https://tiles.example.com"


def test_production_is_protected_and_told_of() -> None:
    template = synthesised("production")
    balancer = attributes(template.one("ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"])
    assert balancer["deletion_protection.enabled"] == "false", (
        "or a first deployment that fails could not be taken back"
    )
    for name, protected in (("production", True), ("plain", False)):
        manifest = json.loads((synthesised(name).folder / "manifest.json").read_text())
        (stack,) = (one for part, one in manifest["artifacts"].items() if "-ecs-" in part and "assets" not in part)
        assert stack["properties"].get("terminationProtection", False) is protected
    assert template.one("SNS::Subscription")["Endpoint"] == "maps@example.com"
    assert template.one("Budgets::Budget")["Budget"]["BudgetLimit"] == {"Amount": 200, "Unit": "USD"}


def test_spot_never_takes_the_first_task() -> None:
    strategies = synthesised("production").one("ECS::Service")["CapacityProviderStrategy"]
    assert strategies == [
        {"Base": 1, "CapacityProvider": "FARGATE", "Weight": 50},
        {"CapacityProvider": "FARGATE_SPOT", "Weight": 50},
    ]
    assert synthesised("production").one("ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] == "ARM64"


def test_access_logs_are_kept_for_as_long_as_logs_are() -> None:
    template = synthesised("plain")
    bucket = template.one("S3::Bucket")
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 14
    assert bucket["PublicAccessBlockConfiguration"]["RestrictPublicBuckets"] is True
    policy = json.dumps(template.one("S3::BucketPolicy"))
    assert "logdelivery.elasticloadbalancing.amazonaws.com" in policy
    assert "aws:SecureTransport" in policy
    assert "AWS::S3::Bucket" in {
        r["Type"] for r in template.whole["Resources"].values() if r.get("DeletionPolicy") == "Retain"
    }


def test_secrets_come_from_secrets_manager() -> None:
    names = {"TILERY_ACCESS_TOKEN": "token", "TILERY_ACCESS": "access", "TILERY_SOURCES_FILE": "sources"}
    container = synthesised("private").container()
    found = {secret["Name"]: secret["ValueFrom"] for secret in container["Secrets"]}
    assert found.keys() == names.keys()
    assert all(f":secret:{names[name]}-" in found[name] for name in names)
    assert not names.keys() & synthesised("private").environment().keys()
    allowed = json.dumps(synthesised("private").role_statements("TaskExecutionRole"))
    assert all(f":secret:{name}-AbCdEf" in allowed for name in names.values())


def test_a_tile_store_is_the_services_own() -> None:
    template = synthesised("private")
    assert "TileStore" in json.dumps(template.environment()["TILERY_TILE_STORE"])
    assert "TileStoreBucket" in template.whole["Outputs"]
    text = json.dumps(template.role_statements("TaskRole"))
    assert "/tiles/*" in text


def test_cloudfront_reaches_a_balancer_that_nobody_else_does() -> None:
    template = synthesised("edge")
    assert template.one("ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == "internal"
    template.one("CloudFront::VpcOrigin")
    ingress = next(
        r["Properties"]["SecurityGroupIngress"]
        for n, r in template.whole["Resources"].items()
        if n.startswith("InnerBalancerGroup") and r["Type"] == "AWS::EC2::SecurityGroup"
    )
    assert [(rule["CidrIp"], rule["FromPort"]) for rule in ingress] == [("10.0.0.0/16", 80)]
    config = template.one("CloudFront::Distribution")["DistributionConfig"]
    behaviour = config["DefaultCacheBehavior"]
    assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
    assert behaviour["FunctionAssociations"][0]["EventType"] == "viewer-request"
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    key = template.one("CloudFront::CachePolicy")["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}
    assert key["HeadersConfig"] == {"HeaderBehavior": "whitelist", "Headers": ["Accept"]}
    assert {e["ErrorCode"]: e["ErrorCachingMinTTL"] for e in config["CustomErrorResponses"]}[503] == 0
    assert template.environment()["TILERY_PUBLIC_URL"] == "https://tiles.example.com"


def test_the_firewall_has_a_rate_rule_for_the_visitors_own_address() -> None:
    rules = synthesised("edge").one("WAFv2::WebACL")["Rules"]
    rate = rules[0]["Statement"]["RateBasedStatement"]
    assert (rate["Limit"], rate["AggregateKeyType"]) == (10_000, "FORWARDED_IP")
    synthesised("edge").one("WAFv2::WebACLAssociation")


def test_the_edge_keeps_the_parameters_of_the_service_in_one_order() -> None:
    script = (ROOT / "cdk" / "at_the_edge.js").read_text()
    assert len(script.encode()) < 10_240, "CloudFront's limit for a function"
    query = {
        "utm_source": {"value": "mail"},
        "url": {"value": "s3%3A%2F%2Fa%2Fb.tif"},
        "rescale": {"value": "0,1", "multiValue": [{"value": "0,1"}, {"value": "5,9"}]},
        "bidx": {"value": "3", "multiValue": [{"value": "3"}, {"value": "1"}]},
        "_": {"value": "1699"},
        "constructor": {"value": "x"},
    }
    run = f"{script}\nconsole.log(JSON.stringify(handler({{request: {{querystring: {json.dumps(query)}}}}})))"
    done = subprocess.run(["node", "-e", run], capture_output=True, text=True, check=True)
    kept = json.loads(done.stdout)["querystring"]
    assert list(kept) == ["bidx", "rescale", "url"]
    assert kept["bidx"] == query["bidx"], "repeats stay, in the order written"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("https://imagery.s3.us-east-1.amazonaws.com/cogs/", ["imagery/cogs/*"]),
        ("https://imagery.s3.amazonaws.com/cogs/a%20b.tif", ["imagery/cogs/a b.tif", "imagery/cogs/a b.tif/*"]),
        ("https://my.imagery.s3.dualstack.eu-central-1.amazonaws.com/", ["my.imagery/*"]),
        ("https://s3.us-east-1.amazonaws.com/imagery/cogs/", ["imagery/cogs/*"]),
        ("https://s3-us-west-2.amazonaws.com/imagery/", ["imagery/*"]),
        ("https://imagery.s3.cn-north-1.amazonaws.com.cn/", ["imagery/*"]),
        ("https://s3.us-gov-west-1.amazonaws.com/imagery/", ["imagery/*"]),
        ("http://imagery.s3-website-us-east-1.amazonaws.com/cogs/", ["imagery/cogs/*"]),
    ],
)
def test_a_bucket_that_is_named_by_https_is_let_through_the_endpoint(source: str, wanted: list[str]) -> None:
    """S3's addresses lead to the gateway in the VPC, and what its policy does not name is a 403 there."""
    found = read_statement(source, "aws")
    assert found == {
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{name}" for name in wanted],
    }


def test_the_endpoint_of_the_stack_names_buckets_that_are_named_by_https() -> None:
    def policy(source: str) -> str:
        return json.dumps(alone("ecs", SOURCES=source).one("EC2::VPCEndpoint")["PolicyDocument"]["Statement"])

    assert ":s3:::imagery/cogs/*" in policy("https://imagery.s3.us-east-1.amazonaws.com/cogs/")
    assert '"Resource": "*"' in policy("https://maps-123456789012.s3-accesspoint.us-east-1.amazonaws.com/")
    elsewhere = policy("https://s3.us-east-1.amazonaws.com.example.com/imagery/")
    assert "imagery" not in elsewhere
    assert '"*"' not in elsewhere.replace('"AWS": "*"', "")


def test_sources_that_a_private_network_cannot_reach_are_named() -> None:
    template = alone(
        "ecs",
        NETWORK="private",
        SOURCES="https://imagery.s3.us-east-1.amazonaws.com/,https://data.example.com/cogs/,https://*,s3://imagery/",
    )
    assert "https://data.example.com/cogs/, https://* cannot be reached" in template.said()
    quiet = alone("ecs", NETWORK="private", SOURCES="https://imagery.s3.us-east-1.amazonaws.com/,s3://imagery/")
    assert "cannot be reached" not in quiet.said()


def test_an_operator_finds_the_parts_in_the_outputs() -> None:
    assert {"ClusterName", "ServiceName", "TaskRoleArn", "LogGroup"} <= set(synthesised("plain").whole["Outputs"])
