"""What the image answers where there is no Lambda: the path of AWS's Runtime Interface Emulator."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.aws_lambda.conftest import ROOT, body_of, recorded
from tests.support.ports import free_port
from tests.support.service import client, pixels

PATH = "/2015-03-31/functions/function/invocations"


@contextmanager
def running(command: list[str], port: int, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environ)
    try:
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def post(port: int, body: bytes, path: str = PATH) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    found = free_port()
    command = [sys.executable, "-m", "app.aws_lambda.emulator", "app.lambda_handler.handler", "--port", str(found)]
    with running(command, found, TILERY_SOURCES=f"{folder}/"):
        yield found


@pytest.mark.parametrize("kind", ["http-api", "function-url", "alb"])
def test_an_event_is_answered_by_the_function(port: int, folder: Path, kind: str) -> None:
    status, answer = post(port, json.dumps(recorded(kind, folder)).encode())
    assert (status, answer["statusCode"]) == (200, 200), answer
    body = body_of(answer)
    assert pixels(body).shape[:2] == (256, 256)
    expected = (
        client(folder).get("/cog/tiles/WebMercatorQuad/8/134/90.png", params={"url": str(folder / "rgb.tif")}).content
    )
    assert body == expected


@pytest.mark.parametrize(
    "event",
    [
        {
            "version": "2.0",
            "rawPath": "/healthz",
            "rawQueryString": "",
            "headers": {"host": "localhost"},
            "requestContext": {"http": {"method": "GET", "path": "/healthz", "sourceIp": "127.0.0.1"}},
        },
        {"resource": "/{proxy+}", "path": "/healthz", "httpMethod": "GET", "headers": {}, "requestContext": {}},
    ],
    ids=["2.0", "1.0"],
)
def test_an_event_that_somebody_wrote_by_hand_is_answered(port: int, event: dict[str, Any]) -> None:
    """Those of the guides, which leave out whatever is not needed."""
    _, answer = post(port, json.dumps(event).encode())
    assert answer.get("statusCode") == 200, answer


def test_many_callers_get_their_own_answers(port: int, folder: Path) -> None:
    def ask(number: int) -> str:
        event = recorded("http-api", folder) | {"rawPath": "/nowhere", "requestContext": {}}
        event["requestContext"] = recorded("http-api", folder)["requestContext"]
        event["rawQueryString"], event["headers"] = "", {"host": "localhost", "x-request-id": f"number-{number}"}
        _, answer = post(port, json.dumps(event).encode())
        return str(answer["headers"]["x-request-id"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(24))) == [f"number-{number}" for number in range(24)]


def test_what_is_no_event_is_said_so(port: int) -> None:
    assert post(port, b"{")[0] == 400
    assert post(port, b"{}", "/2015-03-31/functions/other/invocations")[0] == 404
    status, answer = post(port, b"{}")
    assert status == 200
    assert "errorMessage" in answer, "as AWS's emulator has it: the function's failure is an answer"


def test_a_function_that_cannot_start_says_why() -> None:
    found = free_port()
    command = [sys.executable, "-m", "app.aws_lambda.emulator", "no_such_module.handler", "--port", str(found)]
    with running(command, found) as process:
        try:
            _, answer = post(found, b"{}")
            assert "errorType" in answer
        except (OSError, http.client.HTTPException):
            pass  # it was gone before
        assert process.wait(30) == 1


@pytest.mark.parametrize("lambda_", [False, True])
def test_the_image_begins_with_lambda_where_there_is_one(tmp_path: Path, lambda_: bool) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"} if lambda_ else {})
    command = [str(ROOT / "docker" / "lambda_entrypoint.sh"), "app.lambda_handler.handler"]
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    assert said == f"-m {'awslambdaric' if lambda_ else 'app.aws_lambda.emulator'} app.lambda_handler.handler\n"
    dockerfile = (ROOT / "docker" / "lambda.Dockerfile").read_text()
    assert 'ENTRYPOINT ["/srv/tilery/lambda_entrypoint.sh"]' in dockerfile


def test_it_ends_when_it_is_told_to(folder: Path) -> None:
    found = free_port()
    command = [sys.executable, "-m", "app.aws_lambda.emulator", "--port", str(found)]
    with running(command, found, TILERY_SOURCES=f"{folder}/") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_an_event_in_pieces_arrives_whole(port: int, folder: Path) -> None:
    """As clients send what has no length yet: without Content-Length, in chunks (RFC 9112, 7.1)."""
    event = json.dumps(recorded("http-api", folder) | {"rawPath": "/healthz"}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"Transfer-Encoding": "chunked"}
        connection.request("POST", PATH, iter([event[:100], event[100:]]), headers, encode_chunked=True)
        assert json.loads(connection.getresponse().read())["statusCode"] == 200
    finally:
        connection.close()


OWN = """
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: None)
seen = []
def handler(event, context):
    seen.append(event["name"])
    while "until" in event and not pathlib.Path(event["until"]).exists():
        time.sleep(0.02)
    return {"seen": seen, "runtime": os.environ["AWS_LAMBDA_RUNTIME_API"]}
"""


@contextmanager
def own_function(folder: Path, **environ: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The emulator with a function that waits for what the event says, and does not end when it is told to."""
    (folder / "own_function.py").write_text(OWN)
    found = free_port()
    command = [sys.executable, "-m", "app.aws_lambda.emulator", "own_function.handler", "--port", str(found)]
    with running(command, found, PYTHONPATH=f"{folder}:{ROOT}", **environ) as process:
        yield found, process


def test_an_event_that_takes_too_long_is_given_up_and_the_next_one_answered(tmp_path: Path) -> None:
    with own_function(tmp_path, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as (port, process):
        while "seen" not in post(port, b'{"name": "first"}')[1]:
            pass  # it is about to start
        for name in ("slow", "behind it"):
            event = {"name": name, "until": str(tmp_path / "go")}
            status, answer = post(port, json.dumps(event).encode())
            assert (status, answer["errorType"]) == (200, "Sandbox.Timedout")
            assert "Task timed out after 1.00 seconds" in answer["errorMessage"]
        (tmp_path / "go").touch()
        while "seen" not in (found := post(port, b'{"name": "last"}')[1]):
            pass
        assert "slow" in found["seen"]
        assert found["seen"][-1] == "last"
        assert "behind it" not in found["seen"], "nobody waited for it when the function was free"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "a function that does not end is killed, as in Lambda"


def test_the_runtimes_side_knows_its_own_paths_only(tmp_path: Path) -> None:
    with own_function(tmp_path) as (port, _):
        host, _, inner = post(port, b'{"name": "first"}')[1]["runtime"].partition(":")
        for method, path in (
            ("GET", "/2018-06-01/runtime/invocation/other"),
            ("POST", "/2018-06-01/runtime/invocation/nobodys/response"),
        ):
            connection = http.client.HTTPConnection(host, int(inner), timeout=30)
            connection.request(method, path, b"{}" if method == "POST" else None)
            assert connection.getresponse().status == 404
            connection.close()
        assert post(port, b'{"name": "second"}')[1]["seen"] == ["first", "second"]
