"""Stage 4: the handler behind AWS's own runtime client, in a process of its own, asked over HTTP."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.process.test_service import running as gunicorn
from tests.support import rasters
from tests.support.http_server import Handler, HttpServer
from tests.support.lambda_runtime import ARN, KINDS, LambdaRuntime
from tests.support.s3 import S3, s3, s3_server  # noqa: F401

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "awslambdaric", "app.lambda_handler.handler"]
TILES = ("7/67/45.png", "8/134/90.png", "8/134/90.jpg", "8/134/90@2x.webp", "9/268/180.tif", "8/134/90.npy")


def get(address: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def tile(folder: Path, place: str = TILES[1], more: str = "") -> str:
    return f"/cog/tiles/WebMercatorQuad/{place}?url={quote(str(folder / 'rgb.tif'))}{more}"


def started(folder: Path, *, snapstart: bool = False, timeout: float = 30, **environ: str) -> LambdaRuntime:
    own = {"TILERY_SOURCES": f"{folder}/", "PYTHONPATH": str(ROOT)}
    log = folder.parent / "lambda.log"
    return LambdaRuntime(
        COMMAND, environ=own | environ, cwd=folder, memory=1024, timeout=timeout, snapstart=snapstart, log=log
    )


@pytest.fixture(scope="module")
def runtime(folder: Path) -> Iterator[LambdaRuntime]:
    with started(folder) as found:
        yield found


def test_the_same_bytes_as_through_gunicorn(runtime: LambdaRuntime, folder: Path) -> None:
    with gunicorn(folder, WEB_CONCURRENCY="1") as server:
        for place in TILES:
            status, headers, body = server.get(tile(folder, place))
            assert status == 200, body[:300]
            for kind in KINDS:
                found, said, data = get(runtime.front(kind), tile(folder, place))
                assert found == 200, (kind, said, data[:300])
                assert data == body, (kind, place)
                for name in ("content-type", "etag", "content-bbox", "cache-control"):
                    assert said[name] == headers[name], (kind, place, name)


def test_documents_and_pages(runtime: LambdaRuntime, folder: Path) -> None:
    for kind in KINDS:
        status, headers, body = get(runtime.front(kind), f"/cog/info?url={quote(str(folder / 'rgb.tif'))}")
        assert (status, json.loads(body)["count"]) == (200, 3)
        status, headers, body = get(runtime.front(kind), "/openapi.json", **{"accept-encoding": "gzip"})
        assert (status, headers["content-encoding"]) == (200, "gzip")
        status, headers, body = get(runtime.front(kind), f"/cog/viewer?url={quote(str(folder / 'rgb.tif'))}")
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/html")


def test_what_lambda_would_not_carry_is_413_and_never_502(runtime: LambdaRuntime, folder: Path) -> None:
    for kind, side in (("http-api", 1500), ("function-url", 1500), ("alb", 600)):
        for suffix in ("npy", "tif"):
            path = f"/cog/preview.{suffix}?url={quote(str(folder / 'rgb.tif'))}&width={side}&height={side}"
            status, headers, body = get(runtime.front(kind), path)
            assert (status, json.loads(body)["code"]) == (413, "answer_too_large")
            assert "x-error-type" not in headers


def test_one_request_at_a_time(runtime: LambdaRuntime, folder: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        paths = [tile(folder, more=f"&rescale=0,{100 + number}") for number in range(16)]
        found = list(pool.map(lambda path: get(runtime.front(), path)[0], paths))
    assert found == [200] * 16


def test_a_process_that_dies_is_replaced(folder: Path) -> None:
    with started(folder) as runtime:
        assert get(runtime.front(), tile(folder))[0] == 200
        died = runtime.pids()[0]
        os.kill(died, signal.SIGKILL)
        first, second = (get(runtime.front(), tile(folder))[0] for _ in range(2))
        assert first in {200, 502}, "the request that it had, if any, fails"
        assert second == 200
        assert died not in runtime.pids()


def test_the_context_is_lambdas(runtime: LambdaRuntime) -> None:
    """An event that is none is an error of the function, not the end of it."""
    assert "infer" in str(runtime.invoke({"hello": "world"}).error)
    assert get(runtime.front(), "/healthz")[0] == 200
    assert ARN.startswith("arn:aws:lambda:")


def test_tiles_are_in_the_store_before_the_answer(folder: Path, tmp_path: Path) -> None:
    """Lambda stops the process after the answer: nothing can be left for later."""
    catalog, store = tmp_path / "catalog", tmp_path / "store"
    (catalog / "picture").mkdir(parents=True)
    rasters.rgb(catalog / "picture" / "raster.tif")
    document = {"name": "Picture", "bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 9, "source": "raster.tif"}
    (catalog / "picture" / "index.json").write_text(json.dumps(document))
    with started(folder, TILERY_CATALOG=str(catalog), TILERY_TILE_STORE=str(store)) as runtime:
        for row in (89, 90):
            status, _, body = get(runtime.front(), f"/picture/8/134/{row}.png")
            os.kill(runtime.pids()[0], signal.SIGSTOP)
            kept = [path.read_bytes() for path in store.rglob(f"{row}.png")]
            os.kill(runtime.pids()[0], signal.SIGCONT)
            assert status in {200, 404}
            assert kept == ([body] if status == 200 else [])
        assert list(store.rglob("*.png"))


class _Credentials(Handler):
    """What gives a role's credentials to functions with SnapStart."""

    asked: list[str | None]

    def do_GET(self) -> None:
        type(self).asked.append(self.headers["authorization"])
        known = self.headers["authorization"] == "the-token"
        body = json.dumps({
            "AccessKeyId": "ASIATEST", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z",
        }).encode()  # fmt: skip
        self.answer(200 if known else 401, body)


def test_a_restored_snapshot_serves_with_credentials_of_its_own(folder: Path, s3: S3) -> None:  # noqa: F811
    s3.bucket("rasters")
    s3.put("rasters", "a.tif", (folder / "rgb.tif").read_bytes())
    _Credentials.asked = []
    server = HttpServer(_Credentials).start()
    environ: dict[str, Any] = {
        "TILERY_SOURCES": "s3://rasters/",
        "TILERY_S3_ENDPOINT": s3.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.address}/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the-token",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    kept = {name: os.environ.pop(name, None) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    try:
        with started(folder, snapstart=True, **environ) as runtime:
            path = "/cog/tiles/WebMercatorQuad/8/134/90.png?url=s3://rasters/a.tif"
            status, _, body = get(runtime.front(), path)
            assert status == 200, body
            assert runtime.restored == 1
            assert runtime.failures == []
    finally:
        os.environ.update({name: value for name, value in kept.items() if value is not None})
        server.close()
    assert _Credentials.asked, "the role's credentials were asked for"
    assert set(_Credentials.asked) == {"the-token"}


def test_a_start_that_fails_says_why(folder: Path) -> None:
    with LambdaRuntime(
        COMMAND, environ={"PYTHONPATH": str(ROOT)}, cwd=folder, memory=128, log=folder.parent / "small.log"
    ) as runtime:
        found = runtime.invoke({})
    assert "give the function at least" in str(found.error)
