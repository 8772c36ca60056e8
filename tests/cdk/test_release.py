"""The commands around a release: what CodeDeploy is told, what is said of it, how a stack's outputs are found."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from cdk import lambda_package, outputs, release

ROOT = Path(__file__).parents[2]
OUTPUTS = {
    "Url": "http://example.com",
    "ReleaseApplication": "mytiler-ecs-dev-Application-1",
    "ReleaseGroup": "mytiler-ecs-dev-Release-1",
    "TaskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/tiles:7",
    "Container": "tiles:8080",
}
AWS = """#!{python}
# answers as the AWS command line does, one prepared answer after the other, and writes down what it was asked
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["ANSWERS"])
with (folder / "asked").open("a") as asked:
    asked.write(json.dumps(sys.argv[1:]) + "\\n")
answers = sorted(folder.glob("*.json"))
text = answers[0].read_text()
if len(answers) > 1:
    answers[0].unlink()
if text.startswith("!"):
    sys.exit(text[1:])
print(text)
"""


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's command line wants one, and a machine need not have it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files are what AWS answers, in their order."""
    command = tmp_path / "bin" / "aws"
    command.parent.mkdir()
    command.write_text(AWS.format(python=sys.executable))
    command.chmod(0o755)
    answers = tmp_path / "answers"
    answers.mkdir()
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ANSWERS", str(answers))
    return answers


def asked(aws: Path) -> list[list[str]]:
    return [json.loads(line) for line in (aws / "asked").read_text().splitlines()]


def status(word: str, **more: Any) -> str:
    return json.dumps({"deploymentInfo": {"status": word} | more})


def test_outputs_come_from_aws_or_from_the_file_of_a_deployment(aws: Path, tmp_path: Path) -> None:
    (aws / "1.json").write_text(
        json.dumps({"Stacks": [{"Outputs": [{"OutputKey": "Url", "OutputValue": "https://a.example"}]}]})
    )
    assert outputs.of_stack("mytiler-lambda-dev") == {"Url": "https://a.example"}
    assert asked(aws)[0][:4] == ["cloudformation", "describe-stacks", "--stack-name", "mytiler-lambda-dev"]
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({"mytiler-ecs-dev": OUTPUTS}))
    assert outputs.of_stack("mytiler-ecs-dev", str(file)) == OUTPUTS
    with pytest.raises(outputs.NoOutputsError, match="knows nothing of other; it has mytiler-ecs-dev"):
        outputs.of_stack("other", str(file))


def test_what_aws_says_is_passed_on(aws: Path) -> None:
    (aws / "1.json").write_text("!Stack with id nothing does not exist")
    with pytest.raises(outputs.NoOutputsError, match="Stack with id nothing does not exist"):
        outputs.of_stack("nothing")


def test_without_the_command_line_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(outputs.NoOutputsError, match="The AWS command line is not installed"):
        outputs.of_stack("mytiler-ecs-dev")


def test_codedeploy_is_told_the_newest_task_definition(aws: Path) -> None:
    (aws / "1.json").write_text('{"deploymentId": "d-1"}')
    assert release.start(OUTPUTS) == "d-1"
    words = asked(aws)[0]
    assert words[:2] == ["deploy", "create-deployment"]
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert given["--application-name"] == OUTPUTS["ReleaseApplication"]
    assert given["--deployment-group-name"] == OUTPUTS["ReleaseGroup"]
    told = json.loads(json.loads(given["--revision"])["appSpecContent"]["content"])
    assert told["Resources"][0]["TargetService"]["Properties"] == {
        "TaskDefinition": OUTPUTS["TaskDefinition"],
        "LoadBalancerInfo": {"ContainerName": "tiles", "ContainerPort": 8080},
        "PlatformVersion": "LATEST",
    }


def test_a_release_is_followed_to_its_end(aws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, word in enumerate(["Created", "InProgress", "Ready", "InProgress", "Succeeded"]):
        (aws / f"{number}.json").write_text(status(word))
    assert release.follow("d-1", every=0) == 0
    said = capsys.readouterr().out
    assert said.index("Created") < said.index("Ready") < said.index("continue-deployment") < said.index("Succeeded")


def test_a_release_that_was_taken_back_says_why(aws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = {"code": "ALARM_ACTIVE", "message": "One or more alarms have been activated"}
    (aws / "1.json").write_text(status("Stopped", errorInformation=why, rollbackInfo={"rollbackDeploymentId": "d-2"}))
    assert release.follow("d-1", every=0) == 1
    said = capsys.readouterr().out
    assert "ALARM_ACTIVE: One or more alarms have been activated" in said
    assert "The old tasks have the traffic again, by deployment d-2" in said


def test_a_stack_that_is_released_otherwise_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps({"mytiler-lambda-dev": {"Url": "https://a.example"}}))
    done = subprocess.run(
        [sys.executable, "-m", "cdk.release", "mytiler-lambda-dev", "--outputs", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "`cdk deploy` has released it already" in done.stderr
    assert "Traceback" not in done.stderr


class Client:
    """Of boto3, as far as the check uses it; the check itself is the real one."""

    def __init__(self, answer: dict[str, Any], refused: int = 403) -> None:
        self.answer, self.refused = answer, refused
        self.told: dict[str, Any] = {}
        self.event: dict[str, Any] = {}
        self.asked: list[Any] = []

    def invoke(self, **words: Any) -> dict[str, Any]:
        self.event = json.loads(words["Payload"])
        self.asked.append(self.event["rawPath"])
        assert words["FunctionName"] == "arn:version:7"
        if "raise" in self.answer:
            raise RuntimeError(self.answer["raise"])
        picture = json.dumps({"statusCode": 200, "body": "iVBORw0KGgo=", "isBase64Encoded": True})
        later = {"/cog/info": json.dumps({"statusCode": self.refused}), "/colorMaps/viridis": picture}.get(
            self.event["rawPath"]
        )
        return {"Payload": Body(later)} if later else self.answer

    def put_lifecycle_event_hook_execution_status(self, **words: Any) -> None:
        self.told = words


class Body:
    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> bytes:
        return self.text.encode()


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ({"Payload": Body('{"statusCode": 200, "body": "{}"}')}, "Succeeded"),
        ({"Payload": Body('{"statusCode": 503, "body": "{}"}')}, "Failed"),
        ({"Payload": Body('{"errorType": "Runtime.ImportModuleError"}'), "FunctionError": "Unhandled"}, "Failed"),
        ({"Payload": Body('{"statusCode": 200}'), "FunctionError": "Unhandled"}, "Failed"),
    ],
)
def test_the_check_tells_codedeploy_how_the_new_version_is(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], word: str
) -> None:
    client = Client(answer)
    check_with(monkeypatch, client)
    assert client.told == {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "e-1", "status": word}
    assert client.asked[0] == "/healthz"
    assert (len(client.asked) > 1) is (word == "Succeeded"), "health comes first"


@pytest.mark.parametrize(("status", "word"), [(401, "Succeeded"), (403, "Failed"), (200, "Failed")])
def test_of_a_version_that_is_closed_to_us_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, status: int, word: str
) -> None:
    monkeypatch.setenv("CLOSED", "1")
    monkeypatch.setenv("SOURCE", "s3://imagery/a.tif")
    client = Client({"Payload": Body('{"statusCode": 200, "body": "{}"}')}, refused=status)
    check_with(monkeypatch, client)
    assert client.told["status"] == word
    assert client.asked == ["/healthz", "/readyz", "/cog/info"]


def test_the_check_says_failed_when_it_cannot_even_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client({"raise": "AccessDenied"})
    check_with(monkeypatch, client)
    assert client.told["status"] == "Failed"


def check_with(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    path = ROOT / "cdk" / "check_version.py"
    assert len(path.read_text()) <= 4096, "the limit of code that stands in a template"
    boto3 = types.ModuleType("boto3")
    boto3.client = lambda _name: client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "boto3", boto3)
    monkeypatch.setenv("VERSION", "arn:version:7")
    spec = importlib.util.spec_from_file_location("check_version", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}, None)


def test_the_zips_name_follows_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "app" / "__pycache__").mkdir(parents=True)
    (tmp_path / "app" / "main.py").write_text("a = 1")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "lambda.txt").write_text("numpy")
    first = lambda_package.zip_hash("x86_64", tmp_path)
    (tmp_path / "app" / "__pycache__" / "main.pyc").write_text("compiled")
    (tmp_path / "README.md").write_text("words")
    assert lambda_package.zip_hash("x86_64", tmp_path) == first
    assert lambda_package.zip_hash("arm64", tmp_path) != first
    (tmp_path / "app" / "main.py").write_text("a = 2")
    assert lambda_package.zip_hash("x86_64", tmp_path) != first


def test_a_zip_that_cannot_be_made_stops_the_deployment_with_the_command(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text("#!/bin/sh\necho no wheels for $3 >&2\nexit 2\n")
    make.chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(ROOT / "cdk" / "lambda_package.py"), "arm64"],
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == "", "the path of the zip, and only that, is read from there"
    assert "no wheels for ARCHITECTURE=arm64" in done.stderr
    assert "The zip was not made: `make --no-print-directory lambda-zip ARCHITECTURE=arm64` failed" in done.stderr
