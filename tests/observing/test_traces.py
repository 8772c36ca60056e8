"""Traces, as a collector on a loopback address gets them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.testclient import TestClient

from app.config.settings import Settings
from app.observing import traces
from app.observing.request import STAGES
from tests.support import rasters, service
from tests.support.http_server import Handler, HttpServer
from tests.support.upstream import Fault, Upstream

ROOT = Path(__file__).parents[2]
TILE = "/cog/tiles/WebMercatorQuad/8/134/90.png"
CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector(HttpServer):
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(_Takes)
        self.requests: list[ExportTraceServiceRequest] = []
        self.status = 200

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resource(self) -> dict[str, str]:
        found = self.requests[0].resource_spans[0].resource.attributes
        return {attribute.key: attribute.value.string_value for attribute in found}


class _Takes(Handler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        if self.owner.status == 200:
            self.owner.requests.append(ExportTraceServiceRequest.FromString(body))
        self.answer(self.owner.status)


def attributes(span: Span) -> dict[str, Any]:
    values = {each.key: each.value for each in span.attributes}
    return {name: getattr(value, str(value.WhichOneof("value"))) for name, value in values.items()}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    with Collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("traced").resolve()
    rasters.rgb(found / "rgb.tif", size=1024)
    return found


def client(*sources: Path | str, **settings: Any) -> TestClient:
    return service.client(*sources, **{"telemetry": True, "log_requests": "none"} | settings)


def asked(collector: Collector, folder: Path, *paths: str, headers: dict[str, str] | None = None) -> list[Span]:
    """Return the spans of some requests to a service that has ended since."""
    with client(folder) as found:
        for path in paths:
            found.get(path, params={"url": f"{folder}/rgb.tif"}, headers=headers)
    return collector.spans


def roots(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.kind == Span.SpanKind.SPAN_KIND_SERVER]


def test_a_span_for_each_stage(collector: Collector, folder: Path) -> None:
    spans = asked(collector, folder, TILE)
    (root,) = roots(spans)
    assert root.name == "GET cog.getTile"
    parts = [span for span in spans if span is not root]
    assert {span.name for span in parts} == set(STAGES)
    assert all(span.parent_span_id == root.span_id and span.trace_id == root.trace_id for span in parts)
    for span in parts:
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    known = attributes(root)
    assert known["http.response.status_code"] == 200
    assert (known["tilery.how"], known["tilery.tile"]) == ("miss", "WebMercatorQuad/8/134/90")
    assert known["tilery.source"] == f"{folder}/rgb.tif"
    total = dict.fromkeys(STAGES, 0.0)
    for span in parts:
        total[span.name] += (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    for name in ("queue", "decode", "render", "encode"):  # which have no other inside
        assert total[name] == pytest.approx(known[f"tilery.seconds.{name}"], rel=0.05, abs=2e-4)
    assert collector.resource()["service.name"] == "Tilery"


def test_a_tile_out_of_memory_has_one_span(collector: Collector, folder: Path) -> None:
    spans = asked(collector, folder, TILE, TILE, "/healthz", "/readyz")
    assert [attributes(span)["tilery.how"] for span in roots(spans)] == ["miss", "hit"]
    hit = roots(spans)[1]
    assert not [span for span in spans if span.parent_span_id == hit.span_id]


class TestContext:
    def test_of_the_caller(self, collector: Collector, folder: Path) -> None:
        headers = {"traceparent": f"00-{CALLER}-{PARENT}-01", "tracestate": "vendor=1"}
        (root,) = roots(asked(collector, folder, "/cog/info", headers=headers))
        assert (root.trace_id.hex(), root.parent_span_id.hex()) == (CALLER, PARENT)
        assert root.trace_state == "vendor=1"

    def test_that_wants_no_spans(self, collector: Collector, folder: Path) -> None:
        assert asked(collector, folder, TILE, headers={"traceparent": f"00-{CALLER}-{PARENT}-00"}) == []

    @pytest.mark.parametrize(
        "text",
        ["", "x", f"00-{CALLER}-{PARENT}", f"00-{'0' * 32}-{PARENT}-01", f"ff-{CALLER}-{PARENT}-01", "00-" * 5000, "é"],
    )
    def test_that_is_none(self, collector: Collector, folder: Path, text: str) -> None:
        headers = {b"traceparent": text.encode("latin-1")}
        (root,) = roots(asked(collector, folder, "/cog/info", headers=headers))  # type: ignore[arg-type]
        assert root.trace_id.hex() != CALLER
        assert not root.parent_span_id

    def test_for_the_servers_of_rasters(self, collector: Collector, folder: Path) -> None:
        with Upstream() as upstream:
            upstream.put("/rgb.tif", (folder / "rgb.tif").read_bytes())
            headers = {"traceparent": f"00-{CALLER}-{PARENT}-01", "tracestate": "vendor=1"}
            with client(upstream.url("/")) as found:
                answer = found.get(TILE, params={"url": upstream.url("/rgb.tif")}, headers=headers)
                assert answer.status_code == 200
            (root,) = roots(collector.spans)
            assert len(upstream.requests) > 1
            for request in upstream.requests:
                assert request.headers["traceparent"] == f"00-{CALLER}-{root.span_id.hex()}-01"
                assert request.headers["tracestate"] == "vendor=1"
            assert "fetch" in {span.name for span in collector.spans}

    def test_nobody_is_told_where_there_are_no_traces(self, folder: Path) -> None:
        with Upstream() as upstream:
            upstream.put("/rgb.tif", (folder / "rgb.tif").read_bytes())
            with client(upstream.url("/"), telemetry=False) as found:
                found.get(
                    TILE, params={"url": upstream.url("/rgb.tif")}, headers={"traceparent": f"00-{CALLER}-{PARENT}-01"}
                )
            assert upstream.requests
            assert not any("traceparent" in request.headers for request in upstream.requests)


def test_the_log_names_the_trace(collector: Collector, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), client(folder, log_requests="all", log_format="json") as found:
        found.get("/cog/info", params={"url": f"{folder}/gone.tif"})
    (root,) = roots(collector.spans)
    assert root.trace_id.hex() in caplog.text


def test_what_failed(collector: Collector, folder: Path) -> None:
    with Upstream() as upstream:
        upstream.put("/rgb.tif", b"x" * 100)
        upstream.play(*[Fault(status=500)] * 9)
        with client(upstream.url("/"), fetch_retries=0) as found:
            assert found.get("/cog/info", params={"url": upstream.url("/rgb.tif")}).status_code == 502
            assert found.get("/cog/info").status_code == 422
            assert found.get("/nothing/at/all").status_code == 404
    failed, refused, lost = roots(collector.spans)
    assert failed.status.code == failed.status.STATUS_CODE_ERROR
    assert attributes(failed)["error.type"] == "upstream_failed"
    assert refused.status.code == lost.status.code == refused.status.STATUS_CODE_UNSET
    assert attributes(lost)["http.response.status_code"] == 404


def test_no_secrets(collector: Collector, folder: Path) -> None:
    with client(folder, access_token="sesame-open") as found:
        signed = "https://user:pw-of-user@example.com/a.tif?X-Amz-Signature=signature-of-it"
        for token in ("sesame-open", "wrong-guess"):
            found.get("/cog/info", params={"url": signed, "access_token": token})
    text = str(collector.requests)
    assert len(roots(collector.spans)) == 2
    assert not [secret for secret in ("sesame", "wrong-guess", "pw-of-user", "signature-of-it") if secret in text]


def test_a_collector_that_is_down(collector: Collector, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "FLUSH_SECONDS", 0.2)
    collector.status = 503
    with client(folder) as found:
        for _ in range(3):
            assert found.get(TILE, params={"url": f"{folder}/rgb.tif"}).status_code == 200
    assert collector.spans == []


def test_spans_of_one_request_are_bounded(collector: Collector, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MOST_SPANS", 0)
    spans = asked(collector, folder, TILE)
    (root,) = roots(spans)
    assert attributes(root)["tilery.spans.dropped"] > 0
    assert {span.name for span in spans if span is not root} <= {"queue", "sample"}


def test_names_by_variables(collector: Collector, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "maps-of-mine")
    asked(collector, folder, "/cog/info")
    assert collector.resource()["service.name"] == "maps-of-mine"


def test_titilers_name_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITILER_API_TELEMETRY_ENABLED", "TRUE")
    assert Settings(_env_file=None).telemetry


def test_its_packages_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.util.find_spec", find_spec)
    with pytest.raises(ValueError, match=r"TILERY_TELEMETRY: .*pip install 'tilery\[telemetry\]'"):
        Settings(_env_file=None, telemetry=True)


OFF = """
import asyncio, json, sys
from app.api.app import create_app
from app.aws_lambda import in_process
from app.config.settings import Settings
app = create_app(Settings(_env_file=None, sources=sys.argv[1]))
status = asyncio.run(in_process.status_of(app, sys.argv[2], f"url={sys.argv[1]}/rgb.tif"))
loaded = [name for name in sys.modules if name.startswith("opentelemetry") or "traces" in name]
print(json.dumps([status, loaded]))
"""


def test_nothing_of_it_is_loaded_where_it_is_off(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OFF, str(folder), TILE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [200, []]
