"""The check before a release, asking the real handler: what it asks is what the service answers."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.aws_lambda.conftest import ROOT, Function


class Boto3(types.ModuleType):
    """AWS's client, in which the new version is a function of ours."""

    def __init__(self, function: Function) -> None:
        super().__init__("boto3")
        self.function, self.status, self.asked = function, "", [""]

    def client(self, _name: str) -> Boto3:
        return self

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert FunctionName == "arn:version:7"
        self.asked.append(json.loads(Payload)["rawPath"])
        return {"Payload": io.BytesIO(json.dumps(self.function(json.loads(Payload))).encode())}

    def put_lifecycle_event_hook_execution_status(self, **words: str) -> None:
        self.status = words["status"]


def check(function: Function, monkeypatch: pytest.MonkeyPatch, **environ: str) -> Boto3:
    boto3 = Boto3(function)
    monkeypatch.setitem(sys.modules, "boto3", boto3)
    for name, value in ({"VERSION": "arn:version:7"} | environ).items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("check_version", ROOT / "cdk" / "check_version.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}, None)
    return boto3


def test_a_version_that_does_its_work_is_released(
    function: Function, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(function, monkeypatch).status == "Succeeded"
    found = check(function, monkeypatch, SOURCE=str(folder / "rgb.tif"))
    assert (found.status, found.asked[-1].endswith(".png")) == ("Succeeded", True), found.asked


def test_a_version_that_cannot_read_its_rasters_is_not_released(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a release that lost its rights to the bucket: it is healthy, and every tile is a 403."""
    assert check(function, monkeypatch, SOURCE="s3://somebody-elses/a.tif").status == "Failed"


def test_the_check_carries_the_access_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = Function(folder, TILERY_ACCESS_TOKEN="right")
    try:
        assert check(function, monkeypatch, TOKEN="right", SOURCE=str(folder / "rgb.tif")).status == "Succeeded"
        assert check(function, monkeypatch, TOKEN="wrong").status == "Failed"
    finally:
        function.close()
