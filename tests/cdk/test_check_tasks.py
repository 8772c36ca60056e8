"""The check of new tasks before a release: which are asked, what is asked, what CodeDeploy is told."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from cdk import release
from tests.cdk.support import ROOT
from tests.cdk.test_release import OUTPUTS
from tests.support.http_server import Handler, HttpServer

PNG = b"\x89PNG" + bytes(100)
WELL: dict[str, tuple[int, bytes]] = {
    "/healthz": (200, b"{}"),
    "/cog/info": (403, b"{}"),
    "/colorMaps/viridis": (200, PNG),
    "/cog/WebMercatorQuad/tilejson.json": (200, b'{"bounds": [7.0, 46.0, 8.0, 47.0], "minzoom": 8}'),
    "/cog/tiles/WebMercatorQuad/8/133/90.png": (200, PNG),
}
"""A service that is well; 8/133/90 holds 7.5° E, 46.5° N."""


class Amazon:
    """Stands in for the three services that the hook speaks to, which cannot be run here."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        self.asked: list[list[str]] = []
        self.serving = "blue"
        self.targets: dict[str, list[tuple[str, str]]] = {
            "blue": [("10.0.0.1", "healthy")],
            "green": [("10.0.1.2", "unused"), ("10.0.1.1", "initial"), ("10.0.1.9", "draining")],
        }
        self.wrong: str | None = None

    def client(self, _name: str, **_options: object) -> Amazon:
        return self

    def describe_listeners(self, ListenerArns: list[str]) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert ListenerArns == ["listener"]
        return {"Listeners": [{"DefaultActions": [{"Type": "forward", "TargetGroupArn": self.serving}]}]}

    def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803
        found = self.targets[TargetGroupArn]
        return {
            "TargetHealthDescriptions": [{"Target": {"Id": i}, "TargetHealth": {"State": state}} for i, state in found]
        }

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "ask"
        self.asked.append(json.loads(Payload)["addresses"])
        failed = {"FunctionError": "Unhandled"} if self.wrong else {}
        return {"Payload": io.BytesIO((self.wrong or "2").encode())} | failed

    def put_lifecycle_event_hook_execution_status(self, **told: str) -> None:
        self.told.append(told)


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    found = Amazon()
    module = types.ModuleType("boto3")
    module.client = found.client  # type: ignore[attr-defined]
    config = types.ModuleType("botocore.config")
    config.Config = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "boto3", module)
    monkeypatch.setitem(sys.modules, "botocore", types.ModuleType("botocore"))
    monkeypatch.setitem(sys.modules, "botocore.config", config)
    for name, value in {"LISTENER": "listener", "GROUPS": "blue,green", "ASK": "ask"}.items():
        monkeypatch.setenv(name, value)
    return found


def run() -> None:
    """The hook from its text alone, as Lambda has it, without any patience."""
    path = ROOT / "cdk" / "check_tasks.py"
    spec = importlib.util.spec_from_file_location("check_tasks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PATIENCE = -1.0  # type: ignore[attr-defined]
    module.handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"}, None)


@pytest.mark.parametrize("name", ["check_tasks.py", "ask_tasks.py"])
def test_the_texts_fit_into_a_template(name: str) -> None:
    assert len((ROOT / "cdk" / name).read_text(encoding="utf-8")) <= 4096, "the limit of CloudFormation"


@pytest.mark.parametrize(("serving", "asked"), [("blue", ["10.0.1.1", "10.0.1.2"]), ("green", ["10.0.0.1"])])
def test_the_tasks_without_traffic_are_asked(amazon: Amazon, serving: str, asked: list[str]) -> None:
    amazon.serving = serving
    run()
    assert amazon.asked == [asked]
    assert amazon.told == [{"deploymentId": "d-1", "lifecycleEventHookExecutionId": "h-1", "status": "Succeeded"}]


def test_what_is_wrong_takes_the_release_back(amazon: Amazon) -> None:
    amazon.wrong = '{"errorMessage": "/healthz: 503"}'
    run()
    amazon.targets["green"] = []
    run()
    assert [told["status"] for told in amazon.told] == ["Failed", "Failed"]
    assert len(amazon.asked) == 1, "nobody is asked where nobody is"


@pytest.fixture
def task() -> Iterator[tuple[int, dict[str, tuple[int, bytes]], list[tuple[str, str | None]]]]:
    """A server that answers as a task does; its port, its answers, what it was asked."""
    answers, seen = dict(WELL), []

    class Task(Handler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            status, body = answers.get(self.path.partition("?")[0], (404, b""))
            self.answer(status, body)

    with HttpServer(Task) as server:
        yield server.port, answers, seen


def test_a_task_is_asked_for_its_work(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from cdk import ask_tasks

    port, _, seen = task
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setenv("SOURCE", "s3://imagery/a b.tif")
    monkeypatch.setenv("TOKEN", "secret")
    assert ask_tasks.handler({"addresses": ["127.0.0.1", "localhost"]}, None) == 2
    assert len(seen) == 2 * len(WELL)
    assert all(token == "Bearer secret" for _, token in seen)
    assert any("url=s3%3A%2F%2Fimagery%2Fa%20b.tif" in path for path, _ in seen)


@pytest.mark.parametrize(
    ("path", "answer", "word"),
    [
        ("/healthz", (503, b""), "/healthz: 503 in place of 200"),
        ("/cog/info", (200, b"{}"), "200 in place of 403"),
        ("/colorMaps/viridis", (200, b"{}"), "no picture"),
        ("/cog/WebMercatorQuad/tilejson.json", (403, b"source_denied"), "source_denied"),
        ("/cog/tiles/WebMercatorQuad/8/133/90.png", (200, b""), "no tile"),
    ],
)
def test_one_wrong_answer_is_enough(
    task: Any, monkeypatch: pytest.MonkeyPatch, path: str, answer: tuple[int, bytes], word: str
) -> None:
    from cdk import ask_tasks

    port, answers, _ = task
    answers[path] = answer
    monkeypatch.setattr(ask_tasks, "PATIENCE", 0.0)
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setenv("SOURCE", "s3://imagery/a.tif")
    with pytest.raises(ValueError, match=word):
        ask_tasks.handler({"addresses": ["127.0.0.1"]}, None)


def test_of_tasks_that_are_closed_to_us_that_is_asked(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from cdk import ask_tasks

    port, answers, seen = task
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setenv("SOURCE", "s3://imagery/a.tif")
    monkeypatch.setenv("CLOSED", "1")
    answers["/cog/info"] = (401, b"{}")
    assert ask_tasks.handler({"addresses": ["127.0.0.1"]}, None) == 1
    assert [path.partition("?")[0] for path, _ in seen] == ["/healthz", "/cog/info"]
    answers["/cog/info"] = (403, b"{}")
    with pytest.raises(ValueError, match="403 in place of 401"):
        ask_tasks.handler({"addresses": ["127.0.0.1"]}, None)


def test_codedeploy_is_told_of_the_check() -> None:
    assert release.appspec(OUTPUTS | {"ReleaseCheck": "AfterInstall:check"})["Hooks"] == [{"AfterInstall": "check"}]
    assert "Hooks" not in release.appspec(OUTPUTS), "of a stack that was deployed before there was a check"
