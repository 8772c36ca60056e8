"""Each safeguard of the Lambda stack, asserted on the template that CloudFormation gets."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.cdk.support import ROOT, SETTINGS, Template, actions, alone, assembly, synthesised

EVERY = pytest.mark.parametrize("name", SETTINGS)


def of(name: str) -> Template:
    return synthesised(name, "lambda")


def function(template: Template) -> dict[str, Any]:
    return template.named("Function", "Lambda::Function")


def variables(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = function(template)["Environment"]["Variables"]
    return found


@EVERY
def test_the_function_runs_the_handler_on_what_the_settings_say(name: str) -> None:
    template, settings = of(name), SETTINGS[name]
    found = function(template)
    assert found["Handler"] == "app.lambda_handler.handler"
    assert found["Runtime"] == "python3.13"
    assert found["MemorySize"] == int(settings.get("MEMORY", "1769"))
    assert found["Timeout"] == int(settings.get("TIMEOUT", "30"))
    assert found["Architectures"] == ["arm64" if settings.get("ARCHITECTURE") == "ARM64" else "x86_64"]
    assert found.get("ReservedConcurrentExecutions") == (int(settings["MAX_CONCURRENT"]) if name == "api" else None)
    assert "VpcConfig" not in found


@EVERY
def test_the_zip_starts_from_a_snapshot(name: str) -> None:
    expected = None if name == "api" else {"ApplyOn": "PublishedVersions"}
    assert function(of(name)).get("SnapStart") == expected


@EVERY
def test_the_zip_is_made_by_a_command_while_deploying(name: str) -> None:
    (manifest,) = assembly(name).glob("*-lambda-*.assets.json")
    found = json.loads(manifest.read_text())
    assert found["dockerImages"] == {}
    made = [file["source"]["executable"] for file in found["files"].values() if "executable" in file["source"]]
    assert len(made) == 1
    assert made[0][1:] == [
        str(ROOT / "cdk" / "lambda_package.py"),
        "arm64" if SETTINGS[name].get("ARCHITECTURE") == "ARM64" else "x86_64",
    ]
    (other,) = assembly(name).glob("*-ecs-*.assets.json")
    assert "lambda_package" not in other.read_text(), "the other stack is deployed without it"


def test_an_image_is_built_while_deploying_from_what_is_staged() -> None:
    template = alone("lambda", LAMBDA_PACKAGE="image", ARCHITECTURE="ARM64")
    found = function(template)
    assert found["PackageType"] == "Image"
    assert not {"Handler", "Runtime", "SnapStart"} & set(found), "AWS takes no snapshot of an image"
    (manifest,) = template.folder.glob("*.assets.json")
    assets = json.loads(manifest.read_text())
    assert not [file for file in assets["files"].values() if "executable" in file["source"]], "no zip is made"
    (image,) = (asset["source"] for asset in assets["dockerImages"].values())
    assert (image["dockerBuildTarget"], image["platform"]) == ("image", "linux/arm64")
    assert (template.folder / image["directory"] / image["dockerFile"]).is_file()
    assert template.one("Lambda::Alias")["Name"] == "live"


@EVERY
def test_users_reach_an_alias_that_codedeploy_shifts(name: str) -> None:
    template = of(name)
    alias = template.one("Lambda::Alias")
    assert alias["Name"] == "live"
    version = alias["FunctionVersion"]["Fn::GetAtt"][0]
    assert template.whole["Resources"][version]["Type"] == "AWS::Lambda::Version"
    assert template.whole["Resources"][version]["DeletionPolicy"] == "Delete", "a kept snapshot costs as much again"
    (update,) = (r["UpdatePolicy"] for r in template.whole["Resources"].values() if r["Type"] == "AWS::Lambda::Alias")
    shift = update["CodeDeployLambdaAliasUpdate"]
    assert shift["ApplicationName"] == {"Ref": logical(template, "CodeDeploy::Application")}
    assert shift["DeploymentGroupName"] == {"Ref": logical(template, "CodeDeploy::DeploymentGroup")}
    assert "Check" in shift["BeforeAllowTrafficHook"]["Ref"]
    assert template.one("CodeDeploy::Application")["ComputePlatform"] == "Lambda"


def logical(template: Template, kind: str) -> str:
    found: str
    (found,) = (name for name, r in template.whole["Resources"].items() if r["Type"] == f"AWS::{kind}")
    return found


@EVERY
def test_an_alarm_takes_a_version_back(name: str) -> None:
    template = of(name)
    group = template.one("CodeDeploy::DeploymentGroup")
    assert group["AutoRollbackConfiguration"] == {
        "Enabled": True,
        "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"],
    }
    assert group["DeploymentStyle"] == {"DeploymentOption": "WITH_TRAFFIC_CONTROL", "DeploymentType": "BLUE_GREEN"}
    named = [alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]]
    assert group["AlarmConfiguration"]["Enabled"] is True
    assert [name.partition("Alarm")[0] for name in named] == ["Errors", "Failures", "Slow"]
    alarms = [template.whole["Resources"][alarm]["Properties"] for alarm in named]
    assert all(alarm["EvaluationPeriods"] == 1 for alarm in alarms), "within the minutes of a shift"


def test_traffic_is_shifted_as_the_settings_say() -> None:
    plain = of("plain")
    assert plain.one("CodeDeploy::DeploymentGroup")["DeploymentConfigName"] == "CodeDeployDefault.LambdaAllAtOnce"
    assert of("production").one("CodeDeploy::DeploymentConfig") == {
        "ComputePlatform": "Lambda",
        "TrafficRoutingConfig": {
            "Type": "TimeBasedCanary",
            "TimeBasedCanary": {"CanaryInterval": 5, "CanaryPercentage": 10},
        },
    }
    assert of("api").one("CodeDeploy::DeploymentConfig")["TrafficRoutingConfig"] == {
        "Type": "TimeBasedLinear",
        "TimeBasedLinear": {"LinearInterval": 2, "LinearPercentage": 20},
    }


def test_the_role_may_do_what_it_must_and_nothing_else() -> None:
    template = of("plain")
    arn = ["arn:", {"Ref": "AWS::Partition"}]
    assert template.role_statements("RoleDefault")[:3] == [
        {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Effect": "Allow",
            "Resource": {"Fn::GetAtt": [next(n for n in template.whole["Resources"] if n.startswith("Logs")), "Arn"]},
        },
        {
            "Action": "s3:GetObject",
            "Effect": "Allow",
            "Resource": {"Fn::Join": ["", [*arn, ":s3:::imagery/cogs/*"]]},
        },
        {
            "Action": "s3:ListBucket",
            "Condition": {"StringLike": {"s3:prefix": ["cogs/", "cogs/*"]}},
            "Effect": "Allow",
            "Resource": {"Fn::Join": ["", [*arn, ":s3:::imagery"]]},
        },
    ]
    (own,) = [
        r["Properties"]["PolicyDocument"]["Statement"]
        for n, r in template.whole["Resources"].items()
        if r["Type"] == "AWS::IAM::Policy" and n.startswith("RoleDefault")
    ]
    assert len(own) == 3


UNBOUND = {
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ecr:GetAuthorizationToken",
    "ecs:CreateTaskSet",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
}
"""Actions that AWS binds to no resource, or to none that Lambda could name while it puts a function into a network."""


@EVERY
@pytest.mark.parametrize("stack", ["ecs", "lambda"])
def test_no_role_has_all_actions_or_a_policy_of_aws(name: str, stack: str) -> None:
    template = synthesised(name, stack)
    assert not [role for role in template.all("IAM::Role") if "ManagedPolicyArns" in role]
    for statement in template.every_statement():
        assert not [action for action in actions(statement) if "*" in action], statement
        if statement["Resource"] == "*":
            assert set(actions(statement)) <= UNBOUND, statement


def test_codedeploy_may_shift_this_alias_and_no_other() -> None:
    template = of("plain")
    own = [*template.role_statements("ReleaseRole"), *template.role_statements("ReleaseMayCheck")]
    statements = {tuple(actions(s)): s["Resource"] for s in own}
    assert set(statements) == {
        ("lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"),
        ("lambda:InvokeFunction",),
        ("cloudwatch:DescribeAlarms",),
    }
    name = next(n for n in template.whole["Resources"] if n.startswith("Function") and "Version" not in n)
    assert statements["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"] == [
        {"Fn::GetAtt": [name, "Arn"]},
        {"Fn::Join": ["", [{"Fn::GetAtt": [name, "Arn"]}, ":live"]]},
    ]
    assert "Check" in statements["lambda:InvokeFunction",]["Fn::GetAtt"][0]


@pytest.mark.parametrize(("name", "stack"), [("plain", "lambda"), ("pipeline", "ecs")])
def test_codedeploy_begins_when_it_has_its_permissions(name: str, stack: str) -> None:
    resources = synthesised(name, stack).whole["Resources"]
    (group,) = (r for r in resources.values() if r["Type"] == "AWS::CodeDeploy::DeploymentGroup")
    assert [dependency for dependency in group["DependsOn"] if dependency.startswith("ReleaseRoleDefaultPolicy")]
    if stack == "lambda":
        (alias,) = (r for r in resources.values() if r["Type"] == "AWS::Lambda::Alias")
        assert [dependency for dependency in alias["DependsOn"] if dependency.startswith("ReleaseMayCheck")]


@EVERY
def test_a_new_version_is_asked_for_its_health_first(name: str) -> None:
    template = of(name)
    check = template.named("Check", "Lambda::Function")
    assert "/healthz" in check["Code"]["ZipFile"]
    assert "Version" in check["Environment"]["Variables"]["VERSION"]["Ref"]
    allowed = {action for s in template.role_statements("CheckRole") for action in actions(s)}
    assert allowed == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "lambda:InvokeFunction",
        "codedeploy:PutLifecycleEventHookExecutionStatus",
    }


@EVERY
def test_there_is_something_to_look_at(name: str) -> None:
    template = of(name)
    assert {group["RetentionInDays"] for group in template.all("Logs::LogGroup")} == {14}
    assert "Logs" in function(template)["LoggingConfig"]["LogGroup"]["Ref"]
    alarms = template.alarms()
    at_the_edge = {"EdgeErrors"} if name in {"edge", "store-first"} else set()
    certified = {"Certificate"} if name in {"edge", "api"} else set()
    assert set(alarms) == {"Errors", "Failures", "Slow", "Throttles"} | at_the_edge | certified
    assert all(alarm["TreatMissingData"] == "notBreaching" for alarm in alarms.values())
    assert alarms["Slow"]["Threshold"] == 800 * function(template)["Timeout"]
    assert alarms["Throttles"]["MetricName"] == "Throttles"
    counted = {metric["MetricStat"]["Metric"]["MetricName"] for metric in alarms["Failures"]["Metrics"][1:]}
    assert counted == ({"5xx", "Count"} if name in {"api", "website"} else {"Url5xxCount", "UrlRequestCount"})
    template.one("CloudWatch::Dashboard")
    assert {"Url", "DashboardUrl", "LogGroup", "FunctionName", "FunctionRoleArn"} <= set(template.whole["Outputs"])
    if name == "production":
        assert template.one("SNS::Subscription")["Endpoint"] == "maps@example.com"
        assert all(alarm["AlarmActions"] for alarm in alarms.values())


@EVERY
def test_the_service_is_told_what_it_may_read_and_gives_up_before_the_front_does(name: str) -> None:
    found = variables(of(name))
    assert 0 < float(found["TILERY_DEADLINE"]) < function(of(name))["Timeout"]
    assert not {"WORKERS_PER_CORE", "MAX_WORKERS", "WEB_CONCURRENCY"} & set(found)
    if name == "edge":
        assert found["TILERY_CATALOG"] == "s3://maps/layers/"
    else:
        assert found["TILERY_SOURCES"].startswith("s3://imagery/")


def test_a_function_url_is_open_and_both_permissions_are_given() -> None:
    template = of("plain")
    url = template.one("Lambda::Url")
    assert (url["AuthType"], url["Qualifier"]) == ("NONE", "live")
    permissions = {permission["Action"]: permission for permission in template.all("Lambda::Permission")}
    assert set(permissions) == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert permissions["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert permissions["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    assert "TILERY_PUBLIC_URL" not in variables(template), "the service takes it from AWS's own word in the event"


@pytest.mark.parametrize(
    "template", [lambda: of("edge"), lambda: alone("lambda", CLOUDFRONT="1")], ids=["domain", "none"]
)
def test_behind_cloudfront_the_url_is_for_cloudfront_alone(template: Any) -> None:
    found: Template = template()
    assert found.one("Lambda::Url")["AuthType"] == "AWS_IAM"
    control = found.one("CloudFront::OriginAccessControl")["OriginAccessControlConfig"]
    assert (control["OriginAccessControlOriginType"], control["SigningBehavior"]) == ("lambda", "always")
    config = found.one("CloudFront::Distribution")["DistributionConfig"]
    assert "AccessControl" in config["Origins"][0]["OriginAccessControlId"]["Fn::GetAtt"][0]
    assert config["Origins"][0]["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    permissions = {permission["Action"]: permission for permission in found.all("Lambda::Permission")}
    assert set(permissions) == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    for permission in permissions.values():
        assert permission["Principal"] == "cloudfront.amazonaws.com"
        assert "Distribution" in json.dumps(permission["SourceArn"])
        assert "LiveFunctionUrl" in json.dumps(permission["FunctionName"])
    assert permissions["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    behaviour = config["DefaultCacheBehavior"]
    assert behaviour["FunctionAssociations"][0]["EventType"] == "viewer-request"
    key = found.one("CloudFront::CachePolicy")["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key["HeadersConfig"] == {"HeaderBehavior": "whitelist", "Headers": ["Accept"]}, "no Host: it is signed"


def test_behind_cloudfront_the_service_knows_the_name_that_was_asked_for() -> None:
    assert variables(of("edge"))["TILERY_PUBLIC_URL"] == "https://tiles.example.com"
    template = alone("lambda", CLOUDFRONT="1")
    found = variables(template)
    assert (found["TILERY_TRUSTED_PROXIES"], found["TILERY_ALLOWED_HOSTS"]) == ("*", "*.cloudfront.net")


def test_the_edge_hands_on_the_name_and_not_what_a_visitor_writes() -> None:
    script = (ROOT / "cdk" / "at_the_edge.js").read_text()
    headers = {"host": {"value": "d1.cloudfront.net"}, "x-forwarded-host": {"value": "evil.example"}}
    event = json.dumps({"request": {"querystring": {}, "headers": headers}})
    run = f"{script}\nconsole.log(JSON.stringify(handler({event})))"
    done = subprocess.run(["node", "-e", run], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["headers"]["x-forwarded-host"] == {"value": "d1.cloudfront.net"}


def test_an_http_api_has_the_domain_and_is_reached_by_it_alone() -> None:
    template = of("api")
    assert "AWS::Lambda::Url" not in template.kinds()
    assert template.one("ApiGatewayV2::Api")["DisableExecuteApiEndpoint"] is True
    domain = template.one("ApiGatewayV2::DomainName")
    assert domain["DomainName"] == "tiles.example.com"
    assert domain["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_2"
    assert template.one("Route53::RecordSet")["Name"] == "tiles.example.com."
    assert {route["RouteKey"] for route in template.all("ApiGatewayV2::Route")} == {"ANY /", "ANY /{proxy+}"}
    integration = template.one("ApiGatewayV2::Integration")
    assert integration["PayloadFormatVersion"] == "2.0"
    assert "Live" in json.dumps(integration["IntegrationUri"]), "the alias, not the function"
    for permission in template.all("Lambda::Permission"):
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert "Api" in json.dumps(permission["SourceArn"])
    assert variables(template)["TILERY_PUBLIC_URL"] == "https://tiles.example.com"
    written = template.one("ApiGatewayV2::Stage")["AccessLogSettings"]["Format"]
    assert "$context.path" in written
    assert "query" not in written.lower(), "an access token may stand in it"


def test_an_http_api_without_a_domain_knows_its_own_address() -> None:
    template = alone("lambda", LAMBDA_FRONT="http-api", ACCESS_LOGS="0")
    assert "ApiEndpoint" in json.dumps(variables(template)["TILERY_PUBLIC_URL"])
    assert template.one("ApiGatewayV2::Api").get("DisableExecuteApiEndpoint") is False
    assert "AccessLogSettings" not in template.one("ApiGatewayV2::Stage")


def test_secrets_are_put_in_by_cloudformation() -> None:
    found = variables(of("private"))
    given = {"TILERY_ACCESS_TOKEN": "token", "TILERY_ACCESS": "access", "TILERY_SOURCES_FILE": "sources"}
    for name, secret in given.items():
        arn = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{secret}-AbCdEf"
        assert found[name] == f"{{{{resolve:secretsmanager:{arn}:SecretString:::}}}}"


def test_a_tile_store_is_the_functions_own() -> None:
    template = of("private")
    assert "TileStore" in json.dumps(variables(template)["TILERY_TILE_STORE"])
    allowed = {tuple(actions(s)) for s in template.role_statements("RoleDefault")}
    assert ("s3:DeleteObject", "s3:GetObject", "s3:PutObject") in allowed
    assert "TileStoreBucket" in template.whole["Outputs"]


def test_what_an_operator_might_not_want_is_said() -> None:
    said = json.dumps(json.loads((assembly("production") / "manifest.json").read_text()))
    said += "".join(path.read_text() for path in assembly("production").glob("*.metadata.json"))
    assert "A function URL has no name of its own" in said
    assert "TILERY_STACK_MAX_CONCURRENT is not set" in said
    assert "is in no network of yours" not in said
    assert "is in no network of yours" in of("private").said()


def test_variables_that_lambda_reserves_are_left_to_the_tasks() -> None:
    """Both stacks are made from the same settings, and the tasks may have them."""
    settings = {"ENV": '{"AWS_REGION": "eu-west-1", "AWS_LAMBDA_X": "1", "VSI_CACHE": "TRUE"}'}
    template = alone("lambda", **settings)
    assert variables(template).keys() & {"AWS_REGION", "AWS_LAMBDA_X", "VSI_CACHE"} == {"VSI_CACHE"}
    assert "TILERY_STACK_ENV: Lambda sets AWS_LAMBDA_X, AWS_REGION itself" in template.said()
    tasks = alone("ecs", **settings)
    assert tasks.environment()["AWS_REGION"] == "eu-west-1"
    assert "Lambda sets" not in tasks.said()


@EVERY
def test_everything_that_can_be_is_tagged(name: str) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in function(of(name))["Tags"]}
    assert tags["Project"] == "tilery"
    assert tags["Stage"] == SETTINGS[name].get("STAGE", "production")
