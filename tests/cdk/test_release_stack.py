"""What a release may do and how it goes: the pipeline, and blue and green of the tasks."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cdk.support import ROOT, SETTINGS, Template, actions, alone, assembly, synthesised


def release() -> Any:
    return synthesised("pipeline", "release")


def test_without_a_connection_there_is_no_pipeline() -> None:
    assert list(assembly("plain").glob("*-release-*")) == []


def test_a_tag_names_one_image_for_ever() -> None:
    repository = release().one("ECR::Repository")
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [(rule["selection"]["tagStatus"], rule["selection"]["countNumber"]) for rule in rules] == [
        ("untagged", 1),
        ("any", 20),
    ]
    (kept,) = (r for r in release().whole["Resources"].values() if r["Type"] == "AWS::ECR::Repository")
    assert kept["DeletionPolicy"] == "Retain"


def test_the_pipeline_goes_from_a_commit_to_a_deployment() -> None:
    pipeline = release().one("CodePipeline::Pipeline")
    assert (pipeline["PipelineType"], pipeline["ExecutionMode"]) == ("V2", "SUPERSEDED")
    assert [stage["Name"] for stage in pipeline["Stages"]] == ["Source", "Build", "Approve", "Deploy"]
    source = pipeline["Stages"][0]["Actions"][0]["Configuration"]
    assert source == {
        "ConnectionArn": SETTINGS["pipeline"]["CONNECTION_ARN"],
        "FullRepositoryId": "example/maps",
        "BranchName": "main",
    }
    deploy = json.loads(pipeline["Stages"][3]["Actions"][0]["Configuration"]["EnvironmentVariables"])
    assert deploy == [{"name": "TILERY_STACK_IMAGE", "type": "PLAINTEXT", "value": "#{Image.IMAGE}"}]


def test_what_is_deployed_has_the_settings_of_this_stack() -> None:
    project = release().named("Deploy", "CodeBuild::Project")
    variables = {v["Name"]: v["Value"] for v in project["Environment"]["EnvironmentVariables"]}
    assert variables["STACKS"] == "tilery-ecs-production tilery-lambda-production"
    assert variables["TILERY_STACK_STAGE"] == "production"
    assert "Artifacts" in json.dumps(variables["ARTIFACTS"])
    assert "TOKEN" not in variables
    assert variables["TILERY_STACK_SOURCES"] == "s3://imagery/cogs/"
    assert variables["TILERY_STACK_RELEASE"] == "blue-green"
    assert json.loads(variables["TILERY_STACK_ENV"]) == {"TILERY_CACHE_CONTROL": "public, max-age=86400"}
    assert "TILERY_STACK_IMAGE" not in variables, "which comes with each release"


def project(name: str, **settings: str) -> Template:
    pipeline = {key: SETTINGS["pipeline"][key] for key in ("CONNECTION_ARN", "REPOSITORY")}
    return alone("release", SOURCES="s3://imagery/cogs/", **(pipeline | settings))


def test_the_smoke_test_has_the_token_and_nobody_reads_it_in_the_project() -> None:
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"
    template = project("Deploy", ACCESS_TOKEN_SECRET=secret)
    variables = template.named("Deploy", "CodeBuild::Project")["Environment"]["EnvironmentVariables"]
    assert {"Name": "TOKEN", "Type": "SECRETS_MANAGER", "Value": secret} in variables
    (allowed,) = (s for s in template.role_statements("DeployRole") if "secretsmanager:GetSecretValue" in actions(s))
    assert allowed["Resource"] == secret
    assert "secretsmanager" not in json.dumps(template.role_statements("BuildRole"))


def test_what_was_tested_is_what_is_deployed() -> None:
    """The image by its digest, and the function's package: neither is made again."""
    for package in ("zip", "image"):
        template = project("Build", RELEASE_TO="ecs,lambda", LAMBDA_PACKAGE=package)
        built = {
            v["Name"]: v["Value"]
            for v in template.named("Build", "CodeBuild::Project")["Environment"]["EnvironmentVariables"]
        }
        assert built["LAMBDA"] == package
        stages = template.one("CodePipeline::Pipeline")["Stages"]
        (build,), (deploy,) = (stage["Actions"] for stage in (stages[1], stages[-1]))
        assert build["OutputArtifacts"] == [{"Name": "TESTED"}]
        assert {"Name": "TESTED"} in deploy["InputArtifacts"]
        names = {v["name"] for v in json.loads(deploy["Configuration"]["EnvironmentVariables"])}
        assert ("TILERY_STACK_LAMBDA_IMAGE" in names) is (package == "image")
        assert template.named("Deploy", "CodeBuild::Project")["Environment"]["PrivilegedMode"] is False
        policy = template.one("ECR::Repository").get("RepositoryPolicyText")
        assert (policy is not None) is (package == "image"), "Lambda pulls the image itself"


def test_a_zip_that_was_tested_is_uploaded_as_it_is(tmp_path: Path) -> None:
    made = tmp_path / "package.zip"
    made.write_bytes(b"tested")
    folder = alone("lambda", LAMBDA_ZIP=str(made)).folder
    (assets,) = folder.glob("tilery-lambda-dev.assets.json")
    entry = json.loads(assets.read_text())["files"][hashlib.sha256(b"tested").hexdigest()]
    assert "executable" not in entry["source"], "nothing is made"
    assert (folder / entry["source"]["path"]).read_bytes() == b"tested"
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tilery@sha256:" + 64 * "1"
    function = alone("lambda", LAMBDA_PACKAGE="image", LAMBDA_IMAGE=image).named("Function", "Lambda::Function")
    assert f"@sha256:{64 * '1'}" in json.dumps(function["Code"]["ImageUri"])


def test_jobs_are_released_with_the_tasks() -> None:
    def stacks(**settings: str) -> str:
        found = project("Deploy", CATALOG="s3://maps/layers/", **settings).named("Deploy", "CodeBuild::Project")
        variables = found["Environment"]["EnvironmentVariables"]
        return next(str(v["Value"]) for v in variables if v["Name"] == "STACKS")

    assert stacks() == "tilery-ecs-dev"
    assert stacks(JOBS="1") == "tilery-ecs-dev tilery-jobs-dev"
    assert stacks(INCOMING="1", RELEASE_TO="ecs") == "tilery-ecs-dev"


def test_the_last_good_release_stays_when_the_pipelines_leavings_go() -> None:
    (rule,) = release().named("Artifacts", "S3::Bucket")["LifecycleConfiguration"]["Rules"]
    assert (rule["Prefix"], rule["ExpirationInDays"]) == ("tilery-rel", 30)
    assert not "last-good/".startswith(rule["Prefix"])


def test_only_what_builds_images_has_docker() -> None:
    template = release()
    privileged = {
        name: template.named(name, "CodeBuild::Project")["Environment"]["PrivilegedMode"]
        for name in ("Build", "Deploy")
    }
    assert privileged == {"Build": True, "Deploy": False}


def test_the_files_that_the_projects_run_are_there_and_say_what_the_pipeline_asks() -> None:
    template = release()
    build = yaml.safe_load((ROOT / template.named("Build", "CodeBuild::Project")["Source"]["BuildSpec"]).read_text())
    deploy = yaml.safe_load((ROOT / template.named("Deploy", "CodeBuild::Project")["Source"]["BuildSpec"]).read_text())
    assert build["env"]["exported-variables"] == ["IMAGE", "LAMBDA_IMAGE"]
    assert build["artifacts"]["base-directory"] == "build/tested"
    commands = "\n".join(build["phases"]["build"]["commands"])
    order = ["make test", "docker build", "docker/try_image.sh", "docker push", "export IMAGE="]
    assert sorted(order, key=commands.index) == order, "nothing is pushed that was not tried out"
    assert deploy["phases"]["build"]["commands"] == ["python3 -m cdk.deliver"]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of commands that write down how they were called, and fail where a file says so."""
    for name in ("aws", "docker", "make", "npm", "bash"):
        command = tmp_path / name
        command.write_text(
            f'#!/bin/sh\necho "{name} $*" >>"$CALLS"\n'
            'case "$*" in *"$FAILS"*) exit 1 ;; *--query*) echo sha256:12 ;; *get-login*) echo secret ;; esac\n'
        )
        command.chmod(0o755)
    return tmp_path


def run_spec(name: str, tools: Path, *, fails: str = "nothing", **variables: str) -> tuple[int, list[str]]:
    """Return what CodeBuild does with a file: its commands one after the other in one shell, until one fails."""
    spec = yaml.safe_load((ROOT / "docker" / name).read_text())
    commands = [
        command
        for phase in ("install", "pre_build", "build", "post_build")
        for command in spec["phases"].get(phase, {}).get("commands", [])
    ]
    script = "\n".join(f"{command.rstrip()}\n[ $? = 0 ] || exit 1" for command in commands)
    calls = tools / "calls"
    calls.write_text("")
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env={"PATH": f"{tools}:/usr/bin:/bin", "CALLS": str(calls), "FAILS": fails} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [*calls.read_text().splitlines(), *done.stdout.splitlines()[-1:]]


IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/maps/tiles"


def test_an_image_is_pushed_when_everything_has_passed(tools: Path) -> None:
    code, calls = run_spec("buildspec.yml", tools, REPOSITORY=IMAGE, COMMIT="abc", fails="imageTag=abc")
    assert code == 1, "the stub cannot have the image after the push"
    assert f"docker push -q {IMAGE}:abc" in calls
    code, calls = run_spec("buildspec.yml", tools, REPOSITORY=IMAGE, COMMIT="abc")
    assert code == 0
    assert calls[-1] == f"{IMAGE}@sha256:12"
    assert f"docker push -q {IMAGE}:abc" not in calls, "it is there already, and its tag cannot be moved"
    assert "docker login --username AWS --password-stdin 123456789012.dkr.ecr.us-east-1.amazonaws.com" in calls


@pytest.mark.parametrize("fails", ["lint", "test", "build", "docker/try_image.sh"])
def test_nothing_is_pushed_when_something_has_failed(tools: Path, fails: str) -> None:
    code, calls = run_spec("buildspec.yml", tools, REPOSITORY=IMAGE, COMMIT="abc", fails=fails)
    assert code == 1
    assert not [call for call in calls if call.startswith("docker push")]


def test_no_role_has_all_actions_or_a_policy_of_aws() -> None:
    template = release()
    assert not [role for role in template.all("IAM::Role") if "ManagedPolicyArns" in role]
    for statement in template.every_statement():
        assert not [action for action in actions(statement) if "*" in action], statement
        if statement["Resource"] == "*":
            assert actions(statement) == ["ecr:GetAuthorizationToken"]


def test_the_roles_of_the_release_are_apart() -> None:
    """What builds cannot deploy, and what deploys cannot push."""
    template = release()
    build = {action for s in template.role_statements("BuildRole") for action in actions(s)}
    deploy = {action for s in template.role_statements("DeployRole") for action in actions(s)}
    pipeline = {action for s in template.role_statements("PipelineRole") for action in actions(s)}
    assert "ecr:PutImage" in build
    assert not {a for a in build if a.startswith(("sts:", "codedeploy:", "iam:", "cloudformation:"))}
    assert {"sts:AssumeRole", "codedeploy:CreateDeployment"} <= deploy
    assert not {a for a in deploy if a.startswith(("ecr:", "iam:"))}
    assert {a.partition(":")[0] for a in pipeline} == {"s3", "codeconnections", "codestar-connections", "codebuild"}
    (assumed,) = (s for s in template.role_statements("DeployRole") if actions(s) == ["sts:AssumeRole"])
    assert all(":role/cdk-hnb659fds-" in json.dumps(arn) for arn in assumed["Resource"])
    assert "cfn-exec" not in json.dumps(assumed)


def test_a_release_of_tasks_is_blue_and_green() -> None:
    template = synthesised("pipeline")
    service = template.one("ECS::Service")
    assert service["DeploymentController"] == {"Type": "CODE_DEPLOY"}
    (task,) = (r for r in template.whole["Resources"].values() if r["Type"] == "AWS::ECS::TaskDefinition")
    assert task["UpdateReplacePolicy"] == "Retain", "to go back to"
    assert isinstance(service["TaskDefinition"], str), "the family: a deployment of the stack leaves the tasks alone"
    assert "DeploymentCircuitBreaker" not in service["DeploymentConfiguration"]
    assert service["LaunchType"] == "FARGATE"
    assert "CapacityProviderStrategy" not in service
    group = template.one("CodeDeploy::DeploymentGroup")
    assert template.one("CodeDeploy::Application")["ComputePlatform"] == "ECS"
    (pair,) = group["LoadBalancerInfo"]["TargetGroupPairInfoList"]
    assert len(pair["TargetGroups"]) == 2
    assert "BalancerHttp" in json.dumps(pair["ProdTrafficRoute"])
    assert "BalancerTests" in json.dumps(pair["TestTrafficRoute"])
    assert group["BlueGreenDeploymentConfiguration"] == {
        "DeploymentReadyOption": {"ActionOnTimeout": "STOP_DEPLOYMENT", "WaitTimeInMinutes": 60},
        "TerminateBlueInstancesOnDeploymentSuccess": {"Action": "TERMINATE", "TerminationWaitTimeInMinutes": 10},
    }
    assert group["AutoRollbackConfiguration"]["Events"] == [
        "DEPLOYMENT_FAILURE",
        "DEPLOYMENT_STOP_ON_REQUEST",
        "DEPLOYMENT_STOP_ON_ALARM",
    ]
    assert len(group["AlarmConfiguration"]["Alarms"]) == 4
    routing = template.one("CodeDeploy::DeploymentConfig")
    assert routing["ComputePlatform"] == "ECS"
    assert routing["TrafficRoutingConfig"]["Type"] == "TimeBasedCanary"


def test_new_tasks_are_tried_by_those_who_are_named() -> None:
    template = synthesised("pipeline")
    listeners = {listener["Port"]: listener for listener in template.all("ElasticLoadBalancingV2::Listener")}
    assert "GreenTargets" in json.dumps(listeners[9000]["DefaultActions"])
    group = template.named("BalancerGroup", "EC2::SecurityGroup")
    allowed = {rule["FromPort"]: rule["CidrIp"] for rule in group["SecurityGroupIngress"]}
    assert allowed == {80: "0.0.0.0/0", 9000: "203.0.113.7/32"}


def test_without_those_traffic_is_shifted_at_once() -> None:
    template = alone("ecs", RELEASE="blue-green")
    group = template.one("CodeDeploy::DeploymentGroup")
    (pair,) = group["LoadBalancerInfo"]["TargetGroupPairInfoList"]
    assert "TestTrafficRoute" not in pair
    ready = group["BlueGreenDeploymentConfiguration"]["DeploymentReadyOption"]
    assert ready == {"ActionOnTimeout": "CONTINUE_DEPLOYMENT", "WaitTimeInMinutes": 0}
    assert group["DeploymentConfigName"] == "CodeDeployDefault.ECSAllAtOnce"
    assert [listener["Port"] for listener in template.all("ElasticLoadBalancingV2::Listener")] == [80]


def test_alarms_see_whichever_group_has_the_traffic() -> None:
    template = synthesised("pipeline")
    alarms = {alarm["AlarmName"].rpartition("-")[2]: alarm for alarm in template.all("CloudWatch::Alarm")}
    for metric in (metric for metric in alarms["Slow"]["Metrics"] if "MetricStat" in metric):
        assert [dimension["Name"] for dimension in metric["MetricStat"]["Metric"]["Dimensions"]] == ["LoadBalancer"]
    unhealthy = [metric["MetricStat"]["Metric"] for metric in alarms["Unhealthy"]["Metrics"] if "MetricStat" in metric]
    assert len(unhealthy) == 2
    policies = template.all("ApplicationAutoScaling::ScalingPolicy")
    assert len(policies) == 1, "AWS cannot count the requests of target groups that change places"


def test_codedeploy_may_release_this_service_and_no_other() -> None:
    template = synthesised("pipeline")
    statements = template.role_statements("ReleaseRole")
    by_action = {action: s for s in statements for action in actions(s)}
    assert set(by_action) == {
        "ecs:DescribeServices",
        "ecs:UpdateServicePrimaryTaskSet",
        "ecs:CreateTaskSet",
        "ecs:DeleteTaskSet",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeRules",
        "iam:PassRole",
        "cloudwatch:DescribeAlarms",
    }
    assert "Cluster" in json.dumps(by_action["ecs:CreateTaskSet"]["Condition"]["ArnEquals"]["ecs:cluster"])
    assert by_action["iam:PassRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
    assert len(by_action["iam:PassRole"]["Resource"]) == 2
    assert len(by_action["elasticloadbalancing:ModifyListener"]["Resource"]) == 2


def test_new_tasks_are_asked_before_they_get_traffic() -> None:
    """Through no door that the internet has, and by functions that may do nothing else."""
    template = synthesised("pipeline")
    functions = {
        name.rstrip("0123456789ABCDEF"): r["Properties"]
        for name, r in template.whole["Resources"].items()
        if r["Type"] == "AWS::Lambda::Function"
    }
    assert set(functions) == {"Check", "Ask"}
    assert "VpcConfig" not in functions["Check"], "CodeDeploy is told over the internet"
    assert functions["Ask"]["VpcConfig"]["SecurityGroupIds"]
    group = template.named("AskGroup", "EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    egress = [r for r in template.all("EC2::SecurityGroupEgress") if "AskGroup" in json.dumps(r["GroupId"])]
    assert [(r["FromPort"], "TaskGroup" in json.dumps(r["DestinationSecurityGroupId"])) for r in egress] == [
        (8080, True)
    ]
    assert {a for s in template.role_statements("CheckRole") for a in actions(s)} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "lambda:InvokeFunction",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeTargetHealth",
    }
    (report,) = template.role_statements("CheckMayReport")
    assert actions(report) == ["codedeploy:PutLifecycleEventHookExecutionStatus"]
    assert "Release" in json.dumps(report["Resource"])
    (call,) = template.role_statements("ReleaseMayCheck")
    assert (actions(call), "Check" in json.dumps(call["Resource"])) == (["lambda:InvokeFunction"], True)
    assert "AfterInstall:" in json.dumps(template.whole["Outputs"]["ReleaseCheck"]["Value"])


def test_the_check_knows_the_token_and_the_raster() -> None:
    token = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"
    template = alone(
        "ecs",
        RELEASE="blue-green",
        CLOUDFRONT="1",
        SOURCES="s3://imagery/",
        ACCESS_TOKEN_SECRET=token,
        TEST_SOURCE="s3://imagery/a.tif",
    )
    known = template.named("Ask", "Lambda::Function")["Environment"]["Variables"]
    assert known["SOURCE"] == "s3://imagery/a.tif"
    assert known["TOKEN"] == f"{{{{resolve:secretsmanager:{token}:SecretString:::}}}}"


def test_the_check_knows_when_nothing_can_be_asked_for() -> None:
    """Several tokens, signed addresses and an issuer are nothing that a check could use, and no reason to fail."""
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:access-AbCdEf"
    closed = {"CLOUDFRONT": "1", "SOURCES": "s3://imagery/", "ACCESS_SECRET": secret}

    def known(stack: str, name: str, **settings: str) -> dict[str, str]:
        found: dict[str, str] = alone(stack, **settings).named(name, "Lambda::Function")["Environment"]["Variables"]
        return found

    for stack, name, more in (("lambda", "Check", {}), ("ecs", "Ask", {"RELEASE": "blue-green"})):
        assert known(stack, name, **closed, **more).keys() & {"CLOSED", "TOKEN"} == {"CLOSED"}
    written = known("lambda", "Check", SOURCES="s3://imagery/", ENV='{"TILERY_ACCESS_TOKEN": "hunter2"}')
    assert (written["TOKEN"], "CLOSED" in written) == ("hunter2", False)


def test_a_pipeline_has_a_token_to_ask_with() -> None:
    """Or the smoke test would fail, and take every release back."""
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:access-AbCdEf"
    settings = {name: SETTINGS["pipeline"][name] for name in ("SOURCES", "CONNECTION_ARN", "REPOSITORY")}
    settings |= {"CLOUDFRONT": "1", "ACCESS_SECRET": secret}
    assert "TILERY_STACK_ACCESS_TOKEN_SECRET is needed" in alone("release", **settings).said()
    assert "is needed" not in alone("release", **settings, ACCESS_TOKEN_SECRET=secret).said()


def test_a_release_finds_what_it_needs_in_the_outputs() -> None:
    outputs = synthesised("pipeline").whole["Outputs"]
    assert {"ReleaseApplication", "ReleaseGroup", "TaskDefinition", "Container"} <= set(outputs)
    assert outputs["Container"]["Value"] == "tiles:8080"


def test_a_task_may_pull_the_image_of_the_release() -> None:
    template = synthesised("pipeline")
    assert "@sha256:" in json.dumps(template.container()["Image"])
    allowed = {action: s["Resource"] for s in template.role_statements("ExecutionRole") for action in actions(s)}
    assert ":repository/tilery" in json.dumps(allowed["ecr:BatchGetImage"])
