"""The log: it can be read, says as much as it should, and names the request that each line is about."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import Settings
from app.observing import logs, request
from app.observing.request import RequestRecord
from app.serving import reports
from tests.support import rasters
from tests.support.service import client
from tilery.errors import TileryError

ROOT = Path(__file__).parents[2]
ASK = """
import asyncio
from app import main
from app.aws_lambda import in_process
asyncio.run(in_process.status_of(main.app, "/healthz"))
asyncio.run(in_process.status_of(main.app, "/nothing"))
"""


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        ({}, ["/nothing"]),
        ({"TILERY_LOG_FORMAT": "json"}, ["/healthz", "/nothing"]),
        ({"TILERY_DEBUG": "1", "LOG_LEVEL": "critical"}, []),
    ],
)
def test_requests_are_logged_as_the_operator_wants_it(
    environ: dict[str, str], lines: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = done.stderr.splitlines()
    if "TILERY_LOG_FORMAT" in environ:
        assert [json.loads(line)["path"] for line in found] == lines
    else:
        assert [line.partition("GET '")[2].partition("' ")[0] for line in found] == lines


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, "failed"),
        ({"log_format": "json"}, "all"),
        ({"log_format": "json", "log_requests": "failed"}, "failed"),
        ({"log_requests": "all"}, "all"),
        ({"log_requests": "none"}, "none"),
        ({"log_requests": "none", "debug": True}, "all"),
    ],
)
def test_which_answers_leave_a_line(settings: dict[str, Any], kept: str) -> None:
    found = Settings(_env_file=None, **settings).logged_requests
    assert found == kept
    log = logs.RequestLog(found, "text")
    assert [status >= log.least for status in (200, 304, 404, 500)] == {
        "all": [True] * 4,
        "failed": [False, False, True, True],
        "none": [False] * 4,
    }[kept]


@pytest.fixture(params=["json", "text"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the service writes in JSON."""
    yield from _written("json")


def _written(kind: Any) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logs.prepare(handler, kind)
    logger, gdal = logging.getLogger(logs.NAME), logging.getLogger(logs.GDAL)
    before = logger.level, gdal.level
    for each in (logger, gdal):
        each.addHandler(handler)
        each.setLevel("INFO")
    yield stream
    for each, level in zip((logger, gdal), before, strict=True):
        each.removeHandler(handler)
        each.setLevel(level)


def lines_of(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rasters.rgb(tmp_path / "rgb.tif", size=1024)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "rgb.tif").read_bytes()[:5000])
    return tmp_path


def test_a_tile_says_where_the_time_went(written: io.StringIO, folder: Path) -> None:
    service = client(folder, log_format="json")
    trace = "Root=1-67891233-abcdef012345678912345678"
    path = "/cog/tiles/WebMercatorQuad/8/134/90.png"
    answer = service.get(path, params={"url": f"{folder}/rgb.tif"}, headers={"x-amzn-trace-id": trace})
    again = service.head(path, params={"url": f"{folder}/rgb.tif"})
    assert (answer.status_code, again.status_code) == (200, 200)
    first, second = lines_of(written)
    assert first["request_id"] == answer.headers["x-request-id"]
    assert (first["trace_id"], first["method"], first["path"]) == (trace, "GET", path)
    assert (first["status"], first["bytes"], first["route"]) == (200, len(answer.content), "cog.getTile")
    assert (first["source"], first["tile"]) == (f"{folder}/rgb.tif", "WebMercatorQuad/8/134/90")
    assert (first["how"], second["how"], second["method"], second["bytes"]) == ("miss", "hit", "HEAD", 0)
    stages = {name: first[name] for name in request.STAGES}
    assert all(stages[name] > 0 for name in ("open", "decode", "sample", "render", "encode")), stages
    assert sum(stages.values()) <= first["seconds"]
    assert "open" not in second, "no work was done for it"


@pytest.mark.parametrize(
    ("method", "path", "query", "status", "code"),
    [
        ("GET", "/cog/info", "access_token=wrong&url=/a.tif", 401, "unauthorized"),
        ("DELETE", "/cog/info", "access_token=s3cr3t&url=/a.tif", 405, "method_not_allowed"),
        ("GET", "/nothing/there/is", "access_token=s3cr3t", 404, "not_found"),
        ("GET", "/cog/info", "access_token=s3cr3t&url=/elsewhere/a.tif", 403, "source_refused"),
        ("GET", "/cog/info", "access_token=s3cr3t", 422, "invalid_parameter"),
        ("GET", "/cog/preview.png", "access_token=s3cr3t&width=100000&url={folder}/rgb.tif", 400, "over_limit"),
        ("GET", "/cog/preview.png", "access_token=s3cr3t&url={folder}/cut.tif", 422, "broken_raster"),
        ("GET", "/cog/preview.png", "access_token=s3cr3t&url={folder}/gone.tif", 404, "source_not_found"),
    ],
)
def test_every_failure_leaves_a_line(
    written: io.StringIO, folder: Path, method: str, path: str, query: str, status: int, code: str
) -> None:
    service = client(folder, access_token="s3cr3t")
    query = query.format(folder=folder)
    assert service.request(method, f"{path}?{query}").status_code == status
    assert "s3cr3t" not in written.getvalue()
    line = written.getvalue().splitlines()[-1]
    for part in (method, repr(path), f" {status} ", code, *(query.partition("url=")[2],)):
        assert part in line


def test_warnings_name_method_path_and_source(written: io.StringIO, folder: Path) -> None:
    service = client(folder, log_format="json")
    answer = service.get("/cog/preview.png", params={"url": f"{folder}/cut.tif"})
    found = [line for line in lines_of(written) if line["logger"] != logs.REQUESTS]
    assert {line["logger"] for line in found} >= {"tilery.request", "rasterio._env"}, "GDAL's errors are among them"
    for line in found:
        assert line["request_id"] == answer.headers["x-request-id"]
        assert (line["method"], line["path"], line["source"]) == ("GET", "/cog/preview.png", f"{folder}/cut.tif")


SIGNED = "https://me:s3cr3t@example.com/a.tif?sig=s3cr3t&whatever=s3cr3t"


@pytest.mark.parametrize("kind", ["json", "text"])
@pytest.mark.parametrize("sources", ["https://*", "/nowhere/"])
def test_no_secret_of_an_address_is_written(kind: Any, sources: str, tmp_path: Path) -> None:
    for written in _written(kind):
        sources = sources if sources.startswith("https") else str(tmp_path)
        service = client(sources, log_format=kind, log_requests="all")
        for url in (SIGNED, SIGNED.replace("me:s3cr3t@", ""), "s3://s3cr3t:s3cr3t@bucket/a.tif"):
            service.get("/cog/info", params={"url": url})
            service.get("/cog/tiles/0/0/0", params={"url": url})
            service.get("/cog/nothing", params={"url": url})
        assert written.getvalue().count("example.com") >= 6
        assert "s3cr3t" not in written.getvalue()


def test_nobody_writes_a_line_of_his_own(kind: str, tmp_path: Path) -> None:
    for written in _written(kind):
        service = client(tmp_path, log_format=kind, log_requests="all")
        service.get("/cog/in%0afo%0d%1b[31m\u2028", params={"url": "/x\n[2026] forged\u2028\x85"})
        service.get("/cog/info", params={"url": "/x\n[2026] forged"})
        assert len(written.getvalue().splitlines()) == 2


FORGED = "a.tif\n[2026-01-01 00:00:00 +0000] [1] [ERROR] forged\r\x1b[2K\x85\u2028\u202e\x00"


def test_no_text_begins_a_line_of_its_own(kind: str) -> None:
    for written in _written(kind):
        token = request.begin(RequestRecord(request_id="abc", method="GET", path="/", source=FORGED))
        for name in ("tilery.request", "tilery.watchdog", "rasterio._env"):
            log = logging.getLogger(name)
            log.warning("cannot read %s", FORGED)
            log.warning("cannot read %(what)s", {"what": FORGED})
            log.warning("cannot read " + FORGED)  # noqa: G003 - as some libraries write it
            log.warning("%s", TileryError(FORGED, private=FORGED))
            error = ValueError(FORGED)
            log.error("cannot read %r", error, exc_info=error)
        request.end(token)
        found = written.getvalue()
        lines = found.split("\n")[:-1]
        assert len(lines) == len(found.splitlines()), "nothing else ends a line"
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("[2026-01-01") for line in lines)
        begun = [line for line in lines if not line.startswith(" ")]
        assert len(begun) == 15
        for line in begun:
            assert line.startswith("{" if kind == "json" else "["), line
        if kind == "text":
            assert r"    [2026-01-01 00:00:00 +0000] [1] [ERROR] forged\r\x1b[2K\x85\u2028\u202e\x00" in lines


@pytest.mark.parametrize("kind", ["json", "text"])
def test_half_a_character_can_be_written(kind: Any) -> None:
    record = logging.LogRecord("tilery.request", logging.WARNING, __file__, 1, "cannot read %s", ("a\ud800.tif",), None)
    line = logs.formatter(kind).format(record)
    assert r"a\ud800.tif" in line
    line.encode()


def test_a_name_in_a_mosaic_forges_no_line(tmp_path: Path) -> None:
    name = "a.tif\n[2026-01-01 00:00:00 +0000] [1] [ERROR] forged"
    quadkeys = [f"{number}" for number in range(4)]
    document = {"mosaicjson": "0.0.3", "minzoom": 1, "maxzoom": 9, "bounds": [-180, -85, 180, 85]}
    document |= {"quadkey_zoom": 1, "tiles": {quadkey: [name] for quadkey in quadkeys}}
    (tmp_path / "mosaic.json").write_text(json.dumps(document))
    for written in _written("text"):
        service = client(tmp_path)
        url = f"{tmp_path}/mosaic.json"
        assert service.get("/mosaicjson/tiles/WebMercatorQuad/3/4/2.png", params={"url": url}).status_code >= 400
        assert written.getvalue().count(r"a.tif\n[2026-01-01 00:00:00 +0000] [1] [ERROR] forged") >= 1
        assert "\n[2026-01-01" not in written.getvalue()


def test_the_servers_own_lines_are_ours_too(tmp_path: Path) -> None:
    asked = """
import logging, sys
from gunicorn.config import Config
from app.process import server_log
config = Config()
config.set("errorlog", "-")
log = getattr(server_log, sys.argv[1])(config)
log.error("no %s", "a\\n[2026] forged")
"""
    for which in ("TextLog", "JsonLog"):
        command = [sys.executable, "-c", asked, which]
        done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=True)
        (line,) = done.stderr.splitlines()
        assert r"no a\n[2026] forged" in line


def test_a_thousand_complaints_of_gdal_leave_few_lines(written: io.StringIO) -> None:
    logging.getLogger(logs.GDAL).handlers[-1].addFilter(logs._few_of_gdal)
    token = request.begin(RequestRecord(request_id="a", method="GET", path="/"))
    for _ in range(1000):
        logging.getLogger("rasterio._env").warning("a complaint")
    request.end(token)
    assert len(lines_of(written)) == 5


def test_text_names_the_request_once() -> None:
    for written in _written("text"):
        token = request.begin(RequestRecord(request_id="abc", method="GET", path="/a\nb", source="s3://b/a.tif"))
        logging.getLogger("tilery.request").warning("%s went wrong", "abc")
        logging.getLogger("tilery.request").warning("went wrong")
        request.end(token)
        first, second = written.getvalue().splitlines()
        assert first.endswith(r"abc went wrong [GET '/a\nb' s3://b/a.tif]")
        assert second.endswith(r"went wrong [abc GET '/a\nb' s3://b/a.tif]")


NASTY = 'a"b\\c\nd\x00é\ud800'


def test_whatever_a_request_says_its_line_is_json() -> None:
    """The line is put together by hand: each field, alone and with all others, reads back as it was."""
    own = ("trace_id", "source", "layer", "client", "access", "tile")
    always: dict[str, Any] = {"request_id": NASTY, "method": NASTY, "path": NASTY}
    first = None
    for some in ((), *((name,) for name in own), own):
        texts: dict[str, Any] = dict.fromkeys(some, NASTY)
        record = RequestRecord(**always, **texts, route="cog.getTile", how="hit", code="busy")
        line = json.loads(logs.json_line((record, 503, 12, 0.25, 1764432608.0625), logging.WARNING))
        assert {name: line.pop(name) for name in (*always, *some)} == always | texts
        first = first or line
        assert line == first
    assert first == {
        "time": "2025-11-29T16:10:08.062Z", "level": "warning", "logger": "tilery.requests", "pid": os.getpid(),
        "status": 503, "bytes": 12, "seconds": 0.25, "route": "cog.getTile", "how": "hit", "code": "busy",
    }  # fmt: skip


def test_a_line_names_the_process_that_wrote_it() -> None:
    answer = (RequestRecord(request_id="a", method="GET", path="/"), 200, 1, 0.1, 1.0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, logs.json_line(answer, logging.INFO).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert json.loads(pipe.read())["pid"] == child
    os.waitpid(child, 0)


def test_lines_stay_in_order_and_a_pipe_takes_each_piece_at_once(written: io.StringIO) -> None:
    pieces: list[str] = []
    stream = logging.getLogger(logs.NAME).handlers[-1]
    stream.addFilter(lambda record: pieces.append(record.getMessage()) or True)  # type: ignore[func-returns-value]
    records = [RequestRecord(request_id=str(number), method="GET", path="/" + "a" * 300) for number in range(40)]
    answers = [(record, 500 if number == 20 else 200, 1, 0.1, 1.0) for number, record in enumerate(records)]
    logs.RequestLog("all", "json").write(answers)
    found = lines_of(written)
    assert [line["request_id"] for line in found] == [str(number) for number in range(40)]
    assert [line["level"] for line in found].count("warning") == 1
    assert 3 < len(pieces) < 12
    assert max(len(piece) + 1 for piece in pieces) <= 4096, "what other workers write would stand in between"


def test_what_waits_is_written_when_the_server_stops(
    written: io.StringIO, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> int:
        return sum(line["logger"] == logs.REQUESTS for line in lines_of(written))

    monkeypatch.setattr(reports, "DELAY", 3600.0)
    with client(folder, log_format="json") as service:
        for number in range(3):
            service.get(f"/healthz?{number}")
        assert service.get("/nothing").status_code == 404
        assert asked() == 0, "they are put off"
    assert asked() == 4


def test_lines_for_other_programs_are_left_as_they_are() -> None:
    record = logging.LogRecord(logs.RAW, logging.INFO, "a.py", 1, '{"a": "%s"}', ("b\nc",), None)
    assert logs.formatter("text").format(record) == '{"a": "b\nc"}'
    record.msg, record.args = '{"a": 1}', ()
    assert logs.formatter("json").format(record) == '{"a": 1}'


def test_a_trace_is_a_field_of_its_line() -> None:
    """Also where no filter was asked to hide what is secret in it, as of a handler that somebody else has set."""
    try:
        json.loads("{}")["a\nb"]
    except KeyError:
        record = logging.LogRecord("tilery.a", logging.ERROR, "a.py", 1, "it broke", (), sys.exc_info())
    token = request.begin(RequestRecord(request_id="a", trace_id="Root=1-2", method="GET", path="/"))
    line = json.loads(logs.formatter("json").format(record))
    request.end(token)
    assert line["traceback"].endswith("KeyError: 'a\\nb'")
    assert (line["message"], line["trace_id"]) == ("it broke", "Root=1-2")
    assert json.loads(logs.formatter("json").format(record))["traceback"] == line["traceback"]


def test_a_handler_hides_secrets_once() -> None:
    handler = logging.StreamHandler()
    for kind in ("text", "json"):
        logs.prepare(handler, kind)
    assert [type(one).__name__ for one in handler.filters] == ["HideSecrets"]
    assert isinstance(handler.formatter, logs.JsonFormatter)


def test_a_log_of_failures_alone_has_no_lines_of_warnings(written: io.StringIO) -> None:
    logger = logging.getLogger(logs.REQUESTS)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        record = RequestRecord(request_id="a", method="GET", path="/")
        logs.RequestLog("all", "json").write([(record, status, 1, 0.1, 1.0) for status in (200, 503, 404)])
    finally:
        logger.setLevel(level)
    assert lines_of(written) == []


def test_gdal_may_say_what_it_likes_where_there_is_no_request() -> None:
    line = logging.makeLogRecord({"msg": "a complaint"})
    assert all(logs._few_of_gdal(line) for _ in range(100))


def test_failures_of_the_service_are_written_at_once(
    written: io.StringIO, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "DELAY", 3600.0)
    with client(folder, log_format="json", deadline=0.0001) as service:
        assert service.get("/healthz").status_code == 200
        assert service.get("/cog/preview.png", params={"url": f"{folder}/rgb.tif"}).status_code == 504
        found = [line for line in lines_of(written) if line["logger"] == logs.REQUESTS]
    assert [(line["path"], line["level"]) for line in found] == [("/healthz", "info"), ("/cog/preview.png", "warning")]
