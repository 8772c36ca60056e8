"""serverless.yml makes what it says, checked by the CLI that deploys it, without a network and without an account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLI = ROOT / "docker" / "serverless" / "node_modules" / ".bin" / "sls"
LINT = ROOT / ".venv-cdk" / "bin" / "cfn-lint"


def sls(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [str(CLI), *arguments],
        cwd=folder,
        env=environ | {"SLS_NOTIFICATIONS_MODE": "off", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CLI.exists():
        pytest.skip("the Serverless CLI is not installed: npm ci --prefix docker/serverless, or make test")
    folder = tmp_path_factory.mktemp("serverless")
    shutil.copy(ROOT / "serverless.yml", folder)
    (folder / "docker" / "serverless").mkdir(parents=True)
    shutil.copy(ROOT / "docker" / "serverless" / "options.cjs", folder / "docker" / "serverless")
    (folder / "build").mkdir()
    with zipfile.ZipFile(folder / "build" / "package.zip", "w") as archive:
        archive.writestr("app/aws_lambda/handler.py", "")
    return folder


def packaged(service: Path, *options: str) -> dict[str, Any]:
    done = sls(service, "package", "--bucket", "my-bucket", "--package", "out", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    template = service / "out" / "cloudformation-template-update-stack.json"
    found: dict[str, Any] = json.loads(template.read_text())
    if LINT.exists():
        # warnings are about how the framework writes
        lint = subprocess.run(
            [str(LINT), "--ignore-checks", "W", "--template", str(template)],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert lint.returncode == 0, lint.stdout + lint.stderr
    return found


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [found["Properties"] for found in template["Resources"].values() if found["Type"] == kind]


@pytest.mark.slow
def test_what_is_deployed(service: Path) -> None:
    template = packaged(service)
    (function,) = of_type(template, "AWS::Lambda::Function")
    assert function["Handler"] == "app.lambda_handler.handler"
    assert (function["MemorySize"], function["Timeout"], function["Runtime"]) == (2048, 29, "python3.13")
    assert function["Architectures"] == ["x86_64"]
    assert "SnapStart" not in function
    environment = function["Environment"]["Variables"]
    assert environment["TILERY_SOURCES"] == "s3://my-bucket/"
    assert environment["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"
    (api,) = of_type(template, "AWS::ApiGatewayV2::Api")
    assert api["CorsConfiguration"]["AllowOrigins"] == ["*"]
    (integration,) = of_type(template, "AWS::ApiGatewayV2::Integration")
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    (route,) = of_type(template, "AWS::ApiGatewayV2::Route")
    assert route["RouteKey"] == "$default"
    (role,) = of_type(template, "AWS::IAM::Role")
    (policy,) = role["Policies"]
    allowed = {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
        if action.startswith("s3:")
    }
    assert allowed == {"s3:GetObject": "arn:aws:s3:::my-bucket/*", "s3:ListBucket": "arn:aws:s3:::my-bucket"}
    assert of_type(template, "AWS::Logs::LogGroup")[0]["RetentionInDays"] == 14


@pytest.mark.slow
def test_arm_and_snapshots_are_options(service: Path) -> None:
    template = packaged(service, "--architecture", "arm64", "--snapstart", "true", "--stage", "dev")
    (function,) = of_type(template, "AWS::Lambda::Function")
    assert function["Architectures"] == ["arm64"]
    assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert function["FunctionName"] == "tilery-dev-tiler"


@pytest.mark.slow
def test_without_a_bucket_it_says_what_is_missing(service: Path) -> None:
    done = sls(service, "package")
    assert done.returncode != 0
    assert 'TILERY_SOURCES": Value not found at "opt"' in done.stdout + done.stderr
