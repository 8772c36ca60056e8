"""What can go wrong is made to happen, and found in the log and in the metrics: with two workers, as it is run."""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.observing import exposition, logs
from app.serving import gauges
from tests.support import rasters
from tests.support.ports import free_port
from tests.support.service import client
from tests.support.upstream import Fault, Upstream
from tilery.storage.objects import directory

ROOT = Path(__file__).parents[2]
TOKEN = "s3cr3t-of-tests"


class Server:
    """gunicorn as it is run, its log and its numbers."""

    def __init__(self, folder: Path, application: str = "app.main:app", join: str = "", **environ: str) -> None:
        """Start it; ``join`` are words of a shell that does something before, as to enter a control group."""
        self.port, self.metrics_port = free_port(), free_port()
        self.log = folder / "server.log"
        own = {
            "HOST": "0.0.0.0",  # as in a container
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "2",
            "TILERY_METRICS_PORT": str(self.metrics_port),
            "TILERY_LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
            "GRACEFUL_TIMEOUT": "1",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(["sh", "-c", f'{join}; exec "$@"', "sh"] if join else []),
                    *(sys.executable, "-m", "gunicorn", "-c", "python:app.process.gunicorn_conf", application),
                ],
                cwd=ROOT,
                env=os.environ | own | environ,
                stdout=log,
                stderr=log,
            )

    def get(self, path: str, method: str = "GET", **query: str) -> int:
        """Ask on a connection of its own; the status, 0 where there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"{path}?{urlencode(query)}")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        else:
            return answer.status
        finally:
            connection.close()

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def stop(self) -> None:
        """End it, at once where a thread of it hangs."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            for pid in self.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log that are JSON: all but what Python itself says at its end."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def numbers(self) -> dict[tuple[str, ...], float]:
        """Return what `/metrics` says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            return parsed(answer.read())

    def until(self, check: Callable[[], object], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if check():
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text()[-4000:])

    def line(self, **wanted: Any) -> dict[str, Any]:
        """Return the line with these fields, waited for."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [line for line in self.lines() if wanted.items() <= line.items()]
            return bool(found)

        self.until(there)
        return found[0]

    def counted(self, name: str, value: float = 1, **labels: str) -> None:
        """Wait until a number is at least that large."""
        key = (name, *(f"{label}={of}" for label, of in sorted(labels.items())))
        self.until(lambda: self.numbers().get(key, 0) >= value)


def parsed(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@contextlib.contextmanager
def running(folder: Path, application: str = "app.main:app", join: str = "", **environ: str) -> Iterator[Server]:
    server = Server(folder, application, join, **environ)
    try:
        server.until(lambda: server.get("/healthz") == 200)
        server.until(lambda: sum("startup complete" in line.get("message", "") for line in server.lines()) == 2)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("events").resolve()
    rasters.rgb(found / "rgb.tif", size=1024)
    (found / "hostile.tif").write_bytes((found / "rgb.tif").read_bytes()[:5000])
    layer = found / "layers" / "broken"
    layer.mkdir(parents=True)
    (layer / "index.json").write_text('{"id": "broken", ')
    return found


@pytest.fixture(scope="module")
def upstream(folder: Path) -> Iterator[Upstream]:
    with Upstream() as found:
        found.put("/rgb.tif", (folder / "rgb.tif").read_bytes())
        yield found


@pytest.fixture(scope="module")
def server(folder: Path, upstream: Upstream) -> Iterator[Server]:
    environ = {
        "TILERY_SOURCES": f"{folder},{upstream.url('/')}",
        "TILERY_CATALOG": str(folder / "layers"),
        "TILERY_ACCESS_TOKEN": TOKEN,
        "TILERY_QUEUE_LENGTH": "0",
        "TILERY_FETCH_THREADS": "1",
        "TILERY_RENDER_SLOTS": "1",
        "TILERY_DEADLINE": "2",
    }
    with running(folder, **environ) as found:
        yield found


TILE = "/cog/tiles/WebMercatorQuad/8/134/90.png"


def test_the_numbers_are_asked_for_where_their_own_setting_says(server: Server) -> None:
    assert server.numbers()
    socket.create_connection(("127.0.0.2", server.port), timeout=10).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.metrics_port), timeout=10)


def test_a_wrong_token(server: Server, folder: Path) -> None:
    assert server.get(TILE, access_token="guess", url=f"{folder}/rgb.tif") == 401
    line = server.line(logger=logs.REQUESTS, status=401)
    assert (line["method"], line["path"], line["client"], line["code"]) == ("GET", TILE, "127.0.0.1", "unauthorized")
    assert line["source"] == f"{folder}/rgb.tif"
    warning = server.line(logger="tilery.request", request_id=line["request_id"])
    assert "wrong access token from 127.0.0.1" in warning["message"]
    server.counted("tilery_problems_total", code="unauthorized", parameter="")


def test_a_method_that_is_none(server: Server) -> None:
    assert server.get("/cog/info", "PUT", access_token=TOKEN) == 405
    assert server.line(logger=logs.REQUESTS, status=405)["method"] == "PUT"
    server.counted("tilery_requests_total", route="other", status="405")


def test_a_source_that_is_refused(server: Server) -> None:
    signed = "https://u:p4ss@elsewhere.example/a.tif?X-Amz-Signature=abcdef"
    assert server.get("/cog/info", access_token=TOKEN, url=signed) == 403
    line = server.line(logger="tilery.request", source="https://*@elsewhere.example/a.tif?*")
    assert (line["method"], line["path"]) == ("GET", "/cog/info")
    server.counted("tilery_problems_total", code="source_refused", parameter="")
    text = server.log.read_text()
    assert not any(secret in text for secret in ("p4ss", "abcdef", TOKEN))


def test_a_limit(server: Server, folder: Path) -> None:
    assert server.get("/cog/preview.png", access_token=TOKEN, url=f"{folder}/rgb.tif", width="99999") == 400
    server.line(logger=logs.REQUESTS, status=400, code="over_limit")
    server.counted("tilery_problems_total", code="over_limit", parameter="width")


def test_a_hostile_file(server: Server, folder: Path) -> None:
    assert server.get("/cog/preview.png", access_token=TOKEN, url=f"{folder}/hostile.tif") == 422
    server.line(logger=logs.REQUESTS, status=422, code="broken_raster", source=f"{folder}/hostile.tif")
    gdal = server.line(logger="rasterio._env", source=f"{folder}/hostile.tif")
    assert gdal["path"] == "/cog/preview.png"
    server.counted("tilery_requests_total", route="cog.getPreviewWithFormat", status="422")


def test_a_slow_upstream_and_a_full_queue(server: Server, upstream: Upstream) -> None:
    upstream.play(*[Fault(silent=True)] * 8)
    statuses: list[int] = []

    def ask(name: str) -> None:
        statuses.append(server.get("/cog/info", access_token=TOKEN, url=upstream.url(name)))

    names = ["/rgb.tif", *(f"/other-{number}.tif" for number in range(12))]
    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    upstream.play()
    assert {503, 504} <= set(statuses), statuses
    late = server.line(logger=logs.REQUESTS, status=504)
    assert late["fetch"] > 1
    assert late["source"].startswith(upstream.url("/"))
    busy = server.line(logger=logs.REQUESTS, status=503)
    assert (busy["code"], busy["level"]) == ("busy", "warning")
    server.counted("tilery_problems_total", code="busy", parameter="")
    server.until(lambda: any(k[0] == "tilery_upstream_errors_total" and "host=listed" in k for k in server.numbers()))


def test_a_broken_catalog(server: Server) -> None:
    assert server.get("/layers/broken/info", access_token=TOKEN) == 404
    line = server.line(logger="tilery.catalog")
    assert "broken" in line["message"]
    assert line["path"] == "/layers/broken/info"
    server.counted("tilery_catalog_problems")


def test_tiles_are_counted_over_both_workers(server: Server, folder: Path) -> None:
    for number in range(20):
        query = {"access_token": TOKEN, "url": f"{folder}/rgb.tif", "rescale": f"0,{number + 1}"}
        assert server.get(TILE, **query) in (200, 503)
        assert server.get(TILE, **query) in (200, 503)
    server.until(lambda: _all_are_told(server))
    numbers = server.numbers()
    assert {key[1] for key in numbers if key[0] == "tilery_memory_bytes"} == {"worker=1", "worker=2"}
    assert numbers["tilery_workers",] == 2
    assert numbers["tilery_served_total", "how=miss"] > 0
    assert numbers["tilery_served_total", "how=hit"] > 0
    for stage in ("queue", "decode", "sample", "render", "encode"):
        assert numbers["tilery_stage_seconds_count", f"stage={stage}"] > 0


def _all_are_told(server: Server) -> bool:
    """Return True when log and metrics tell of the same number of tiles."""
    lines = [line for line in server.lines() if line.get("route") == "cog.getTile" and line["status"] == 200]
    counted = server.numbers().get(("tilery_requests_total", "route=cog.getTile", "status=200"), 0)
    return len(lines) == counted > 0


def test_a_worker_that_dies(server: Server) -> None:
    before = server.numbers()
    os.kill(server.workers()[0], signal.SIGKILL)
    server.counted("tilery_worker_deaths_total")
    server.until(lambda: any("SIGKILL" in line.get("message", "") for line in server.lines()))
    after = server.numbers()
    lost = [key for key, value in before.items() if key[0].endswith("_total") and after.get(key, 0) < value]
    assert not lost, "what a worker has counted outlives it"


def test_a_slot_that_hangs_and_the_worker_that_is_replaced(folder: Path, tmp_path: Path) -> None:
    environ = {"TILERY_SOURCES": str(folder), "TILERY_DEADLINE": "0.5", "TILERY_RENDER_SLOTS": "2"}
    with running(tmp_path, "tests.observing.hanging:app", **environ) as server:
        assert server.get("/cog/tiles/WebMercatorQuad/9/268/180.png", url=f"{folder}/rgb.tif") == 504
        line = server.line(logger="tilery.watchdog")
        assert "a local compute slot hangs for" in line["message"]
        assert "GET /cog/tiles/WebMercatorQuad/9/268/180.png" in line["message"]
        assert f"{folder}/rgb.tif" in line["message"]
        server.counted("tilery_recycles_total", reason="hanging")
        server.until(lambda: any("to be replaced" in line.get("message", "") for line in server.lines()))


# in one process: what needs no server


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logs.prepare(handler, "json")
    logger = logging.getLogger(logs.NAME)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def stored(folder: Path, store: str, **settings: Any) -> tuple[Any, Any]:
    """Return a client of a service with a tile store and a layer, and its numbers."""
    layer = folder / "catalog" / "rgb"
    layer.mkdir(parents=True)
    document = {
        "id": "rgb", "source": f"{folder}/rgb.tif", "bounds": [8, 46, 9, 47], "minzoom": 0, "maxzoom": 12,
        "revision": "r1",
    }  # fmt: skip
    (layer / "index.json").write_text(json.dumps(document))
    rasters.rgb(folder / "rgb.tif", size=1024)
    found = client(folder, catalog=str(folder / "catalog"), tile_store=store, metrics_port=1, **settings)
    context = found.app.context  # type: ignore[attr-defined]
    return found, context


def tell(context: Any) -> dict[tuple[str, ...], float]:
    context.service.tile_store.settle(10)
    gauges.sample(context.metrics, context.service, context.catalog, 0)
    return parsed(exposition.text(context.metrics.table))


def test_a_store_that_is_down(tmp_path: Path, written: io.StringIO) -> None:
    service, context = stored(tmp_path, "s3://tiles/", s3_endpoint=f"http://127.0.0.1:{free_port()}", s3_anonymous=True)
    for number in range(4):
        assert service.get(f"/rgb/8/{133 + number % 2}/90.png").status_code == 200
    numbers = tell(context)
    assert numbers["tilery_tile_store_total", "operation=read", "outcome=failed"] >= 1
    assert numbers["tilery_tile_store_resting", "worker=0"] == 1
    line = next(
        line for line in map(json.loads, written.getvalue().splitlines()) if line["logger"] == "tilery.tile_store"
    )
    assert line["message"].startswith("tile store: could not read")
    assert (line["layer"], line["method"], line["path"]) == ("rgb", "GET", "/rgb/8/133/90.png")


def test_a_disk_that_is_full(tmp_path: Path, written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    service, context = stored(tmp_path, str(tmp_path / "tiles"))

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(directory, "_new_file", full)  # a disk of ours would need the rights to mount one
    assert service.get("/rgb/8/134/90.png").status_code == 200
    assert tell(context)["tilery_tile_store_total", "operation=write", "outcome=failed"] == 1
    line = next(
        line for line in map(json.loads, written.getvalue().splitlines()) if line["logger"] == "tilery.tile_store"
    )
    assert "No space left" in line["message"]
    assert line["path"] == "/rgb/8/134/90.png"
