"""The Lambda image with the limits that Lambda sets, behind a Runtime API."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.container.conftest import ROOT, Container, docker
from tests.support.lambda_runtime import KINDS, LambdaRuntime

pytestmark = [pytest.mark.docker, pytest.mark.slow]
IMAGE = "tilery-lambda:test"
TILE = "/cog/tiles/WebMercatorQuad/13/4303/2872.png?url=/data/rgb.tif"


@pytest.fixture(scope="module")
def lambda_image(python_version: str) -> str:
    arguments = ["-f", str(ROOT / "docker" / "lambda.Dockerfile"), "--target", "image", "-t", IMAGE]
    arguments += ["--build-arg", f"LAMBDA_PYTHON={python_version}", "--build-arg", "REVISION=abc", str(ROOT)]
    docker("build", *arguments, timeout=1200, DOCKER_BUILDKIT="0")
    return IMAGE


@pytest.fixture(scope="module")
def runtime(lambda_image: str, rasters: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaRuntime]:
    command = ["docker", "run", "--rm", "--init", "--network", "host", "--read-only", "--tmpfs", "/tmp"]
    command += ["--cap-drop", "ALL", "--memory", "1024m", "--memory-swap", "1024m", "--cpus", "0.6"]
    for name in ("RUNTIME_API", "FUNCTION_NAME", "FUNCTION_MEMORY_SIZE", "INITIALIZATION_TYPE"):
        command += ["-e", f"AWS_LAMBDA_{name}"]
    command += ["-e", "TILERY_SOURCES=/data/", "-v", f"{rasters}:/data:ro", lambda_image]
    log = tmp_path_factory.mktemp("lambda") / "log"
    with LambdaRuntime(command, memory=1024, log=log) as found:
        yield found
        assert "Traceback" not in log.read_text()


def get(address: str, path: str) -> tuple[int, bytes, str]:
    place = urlsplit(address)
    with contextlib.closing(http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("content-type") or ""


def test_what_the_image_is(lambda_image: str) -> None:
    config = json.loads(docker("image", "inspect", lambda_image))[0]
    assert config["Config"]["Entrypoint"] == ["/srv/tilery/lambda_entrypoint.sh"]
    assert config["Config"]["Cmd"] == ["app.lambda_handler.handler"]
    assert config["Config"]["User"] == "10001:10001"
    assert config["Size"] < 450e6, "see docker/trim.py"
    listed = docker("run", "--rm", "--entrypoint", "ls", lambda_image, *["/srv/venv/lib"])
    site = f"/srv/venv/lib/{listed}/site-packages"
    names = docker("run", "--rm", "--entrypoint", "ls", lambda_image, site).split()
    assert not {"boto3", "uvicorn", "gunicorn", "uvloop", "httptools"} & set(names)


def test_the_same_bytes_as_the_services_image(runtime: LambdaRuntime, run: Callable[..., Container]) -> None:
    service = run(cpus="1")
    service.until_ready()
    paths = [
        TILE,
        TILE.replace("png", "webp"),
        TILE.replace("png", "jpg"),
        TILE.replace("rgb.tif", "dem.tif&rescale=0,2000"),
    ]
    for path in paths:
        status, body, kind = service.get(path)
        assert status == 200, body[:300]
        for front in KINDS:
            assert get(runtime.front(front), path) == (200, body, kind), front


def test_documents_pages_and_refusals(runtime: LambdaRuntime) -> None:
    for path in ("/healthz", "/cog/info?url=/data/dem.tif", "/cog/stac?url=/data/rgb.tif", "/api.html", "/map"):
        status, body, _ = get(runtime.front(), path)
        assert status == 200, (path, body[:300])
    status, body, _ = get(runtime.front(), "/cog/preview.npy?url=/data/dem.tif&width=1800&height=1800")
    assert (status, json.loads(body)["code"]) == (413, "answer_too_large")
    status, body, _ = get(runtime.front(), "/cog/info?url=/etc/passwd")
    assert (status, json.loads(body)["code"]) == (403, "source_refused")


def test_without_lambda_the_image_answers_as_awss_own_do(lambda_image: str) -> None:
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/healthz",
        "rawQueryString": "",
        "headers": {"host": "localhost"},
        "requestContext": {"http": {"method": "GET", "path": "/healthz", "sourceIp": "127.0.0.1"}},
        "isBase64Encoded": False,
    }
    options = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "-p", "127.0.0.1:0:8080"]
    container = docker("run", "-d", "--rm", *options, lambda_image).strip()
    try:
        port = int(docker("port", container, "8080/tcp").splitlines()[0].rpartition(":")[2])
        limit = time.monotonic() + 60
        while True:
            try:
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                    connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
                    answer = json.loads(connection.getresponse().read())
                break
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < limit, docker("logs", container)
                time.sleep(0.2)
        assert answer["statusCode"] == 200, answer
    finally:
        docker("stop", container)
