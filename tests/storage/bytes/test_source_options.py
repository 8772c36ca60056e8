"""Sources that are reached in a way of their own, as servers see it; and that nobody else sees it."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.config.engine_options import source_policy, store_options
from app.config.settings import Settings
from tests.support import rasters, service
from tests.support.s3 import S3
from tests.support.upstream import Fault, Upstream
from tilery.errors import UpstreamError
from tilery.storage.bytes import ByteSource, servers, signatures
from tilery.storage.locations import S3Location
from tilery.storage.refreshing import Refreshing
from tilery.storage.s3.client import BucketClient
from tilery.storage.stores import Stores

DATA = os.urandom(100_000)


@pytest.fixture
def other() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def settings_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes settings whose file has these sources."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TOKEN", "t0p-secret")

    def made(*sources: dict[str, Any], **more: Any) -> Settings:
        file = tmp_path / "sources.json"
        file.write_text(json.dumps({"sources": sources}))
        return Settings(_env_file=None, sources_file=str(file), deadline=10.0, fetch_retries=0, **more)

    return made


def opened(settings: Settings, url: str) -> ByteSource:
    policy = source_policy(settings)
    return Stores(store_options(settings), policy.locate).open(policy.locate(url))


def test_headers_go_to_their_own_prefix_alone(upstream: Upstream, other: Upstream, settings_with: Any) -> None:
    for server in (upstream, other):
        server.put("/private/a.tif", DATA)
        server.put("/public/a.tif", DATA)
    headers = {"Authorization": "Bearer ${TOKEN}", "user-agent": "Us"}
    own = {"url": f"{upstream.root}private/", "headers": headers}
    settings = settings_with(own, sources=(upstream.root, other.root))
    opened(settings, upstream.url("/private/a.tif")).read(70_000, 10)
    for request in upstream.requests:
        assert request.headers["authorization"] == "Bearer t0p-secret"
        assert request.headers["user-agent"] == "Us"
    assert len(upstream.requests) == 2
    upstream.forget()
    for server in (upstream, other):
        opened(settings, server.url("/public/a.tif"))
    opened(settings, other.url("/private/a.tif"))
    for request in upstream.requests + other.requests:
        assert "authorization" not in request.headers
        assert request.headers["user-agent"] == "Tilery"


def test_headers_and_signatures_stay_behind_at_a_redirect(
    upstream: Upstream, other: Upstream, settings_with: Any
) -> None:
    """As with tokens of Earthdata: the host that asks for them leads to a signed address that must not see them."""
    other.put("/stored/a.tif?X-Amz-Signature=1", DATA)
    upstream.always = Fault(location=other.url("/stored/a.tif?X-Amz-Signature=1"))
    own = {"url": upstream.root, "headers": {"Authorization": "Bearer ${TOKEN}"}, "query": "sig=${TOKEN}"}
    source = opened(settings_with(own, sources=(other.root,)), upstream.url("/a.tif"))
    assert source.read(70_000, 10) == DATA[70_000:70_010]
    assert upstream.requests[0].headers["authorization"] == "Bearer t0p-secret"
    assert upstream.requests[0].target == "/a.tif?sig=t0p-secret"
    for request in other.requests:
        assert "t0p" not in f"{request.target} {request.headers}"


def test_a_signature_is_put_to_each_query(upstream: Upstream, settings_with: Any) -> None:
    settings = settings_with({"url": upstream.root, "query": "sv=1&sig=${TOKEN}"})
    for asked, target in (("/a.tif", "/a.tif?"), ("/a.tif?snapshot=2", "/a.tif?snapshot=2&")):
        upstream.put(f"{target}sv=1&sig=t0p-secret", DATA)
        assert opened(settings, upstream.url(asked)).size == len(DATA)


def token(query: str) -> bytes:
    """Return a signature of one hour as Planetary Computer hands it out."""
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"msft:expiry": end, "token": query}).encode()


def reached(condition: Callable[[], object]) -> None:
    """Wait until a condition is met."""
    patience = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_signatures_that_run_out_are_handed_out_anew(
    upstream: Upstream, other: Upstream, settings_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background: of the requests for bytes none waits for the service that signs."""
    refresh, due, pauses = Refreshing.refresh, threading.Event(), []

    def soon(held: Refreshing[Any]) -> float:
        """Look up the second signature when the test says so, as if the hour of the first were nearly over."""
        pauses.append(refresh(held))
        return 0.0 if len(pauses) == 1 and due.wait(20) else pauses[-1]

    monkeypatch.setattr(Refreshing, "refresh", soon)
    monkeypatch.setattr(servers, "_SIGNED", 0.0)
    upstream.put("/images/a.tif?v=1&sig=first", DATA)
    other.put("/token/images?key=t0p-secret", token("sig=first"))
    address = f"{other.root}token/images?key=${{TOKEN}}"
    settings = settings_with({"url": f"{upstream.root}images/", "query_from": address}, sources=(upstream.root,))
    policy = source_policy(settings)
    stores = Stores(store_options(settings), policy.locate)
    stores.prepare([])
    source = stores.open(policy.locate(upstream.url("/images/a.tif?v=1")))
    reached(lambda: pauses)
    assert pauses[0] == pytest.approx(3600 - 300, abs=120), "five minutes before it runs out"
    other.put("/token/images?key=t0p-secret", token("sig=second"))
    upstream.put("/images/a.tif?v=1&sig=second", DATA)
    answered = threading.Event()
    other.play(Fault(before=lambda: reached(answered.is_set)))
    due.set()
    reached(lambda: len(other.requests) == 2)
    assert source.read(70_000, 10) == DATA[70_000:70_010]
    assert upstream.requests[-1].target == "/images/a.tif?v=1&sig=first", "while the second is looked up"
    answered.set()
    reached(lambda: len(pauses) == 2)
    del upstream.objects["/images/a.tif?v=1&sig=first"]
    assert source.read(80_000, 10) == DATA[80_000:80_010]
    assert upstream.requests[-1].target == "/images/a.tif?v=1&sig=second"
    assert source.refresh()
    assert len(other.requests) == 2
    upstream.put("/elsewhere.tif", DATA)
    assert stores.open(policy.locate(upstream.url("/elsewhere.tif"))).size == len(DATA)
    assert upstream.requests[-1].target == "/elsewhere.tif"


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"token": 7}', b'{"token": "a b"}', b'{"token": "a", "msft:expiry": "now"}']
)
def test_a_service_that_signs_nothing_is_told_without_its_address(
    upstream: Upstream, other: Upstream, settings_with: Any, body: bytes
) -> None:
    other.put("/t0p-secret", body)
    settings = settings_with({"url": upstream.root, "query_from": f"{other.root}${{TOKEN}}"})
    with pytest.raises(UpstreamError, match="No signature for this source can be had") as caught:
        opened(settings, upstream.url("/a.tif"))
    assert "t0p" not in f"{caught.value.detail}{caught.value.private}"
    assert not upstream.requests


def test_a_signature_says_itself_when_it_ends(other: Upstream) -> None:
    other.put("/", json.dumps({"token": "?sv=2024&se=2031-02-03T04%3A05%3A06Z&sig=x"}).encode())
    found = signatures.look_up(other.root)
    assert found == signatures.Signature(
        query="sv=2024&se=2031-02-03T04%3A05%3A06Z&sig=x", expires_at=datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    )


def test_secrets_are_in_no_answer_and_no_log(
    upstream: Upstream, settings_with: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = rasters.constant(tmp_path / "a.tif", 7, size=256)
    target = "/a.tif?sig=t0p-secret"
    upstream.put(target, path.read_bytes())
    own = {"url": upstream.root, "headers": {"Authorization": "Bearer ${TOKEN}"}, "query": "sig=${TOKEN}"}
    settings = settings_with(own)
    with service.client(sources_file=settings.sources_file, fetch_retries=0, log_level="debug") as client:
        query = {"url": upstream.url("/a.tif")}
        said = [client.get(route, params=query) for route in ("/cog/info", "/cog/stac", "/cog/validate")]
        assert [answer.status_code for answer in said] == [200] * 3, said
        for fault in (Fault(status=403), Fault(status=404), Fault(status=500), Fault(raw=b"x"), Fault(location="/?")):
            upstream.always = fault
            said.append(client.get("/cog/info", params={"url": upstream.url(f"/{fault.status}{fault.location}.tif")}))
            assert said[-1].status_code >= 400
    assert "t0p" not in "".join(f"{answer.text}{answer.headers}" for answer in said)
    assert "t0p" not in caplog.text


def test_buckets_are_reached_each_in_its_own_way(
    upstream: Upstream, other: Upstream, settings_with: Any, tmp_path: Path
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[office]\naws_access_key_id = KEYOFPROFILE\naws_secret_access_key = B\n"
    )
    for server in (upstream, other):
        for bucket in ("payer", "open", "keyed", "office"):
            server.put(f"/{bucket}/a.tif", DATA)
            server.put(f"/{bucket}/open/a.tif", DATA)
    here, there = upstream.root.rstrip("/"), other.root.rstrip("/")
    keys = {"access_key_id": "KEYOFSOURCE", "secret_access_key": "${TOKEN}"}
    settings = settings_with(
        {"url": "s3://payer/", "requester_pays": True, "region": "eu-west-3", **keys},
        {"url": "s3://payer/open/", "anonymous": True},
        {"url": "s3://keyed/", "endpoint": there, "session_token": "S", **keys},
        {"url": "s3://office/", "profile": "office", "region": "ap-south-1"},
        s3_endpoint=here,
    )
    for url in ("s3://payer/a.tif", "s3://payer/open/a.tif", "s3://keyed/a.tif", "s3://office/a.tif"):
        assert opened(settings, url).size == len(DATA)
    payer, free, office = upstream.requests
    assert payer.headers["x-amz-request-payer"] == "requester"
    assert "KEYOFSOURCE" in payer.headers["authorization"]
    assert "/eu-west-3/s3/" in payer.headers["authorization"]
    assert not {"authorization", "x-amz-request-payer"} & set(free.headers)
    assert "KEYOFPROFILE" in office.headers["authorization"]
    assert "/ap-south-1/s3/" in office.headers["authorization"]
    assert "x-amz-request-payer" not in office.headers
    (keyed,) = other.requests
    assert keyed.headers["x-amz-security-token"] == "S"


def test_a_real_server_of_s3_takes_requests_with_the_keys_of_a_source(s3: S3, settings_with: Any) -> None:
    s3.bucket("rasters")
    s3.put("rasters", "own/a.tif", DATA)
    own = {"url": "s3://rasters/own/", "endpoint": s3.endpoint, "access_key_id": "A", "secret_access_key": "${TOKEN}"}
    assert opened(settings_with(own), "s3://rasters/own/a.tif").read(70_000, 10) == DATA[70_000:70_010]


def test_a_real_server_of_s3_takes_requests_of_a_role(
    s3: S3, settings_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.bucket("rasters")
    s3.put("rasters", "role/a.tif", DATA)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "B")
    own = {"url": "s3://rasters/role/", "endpoint": s3.endpoint, "role": "arn:aws:iam::123456789012:role/readers"}
    settings = settings_with(own)
    stores = Stores(store_options(settings))
    location = source_policy(settings).locate("s3://rasters/role/a.tif")
    assert stores.open(location).read(70_000, 10) == DATA[70_000:70_010]
    assert isinstance(location, S3Location)
    client = stores.buckets.of(location).client
    assert isinstance(client, BucketClient)
    assert isinstance(client._credentials, Refreshing)
    assert client._credentials()["access_key_id"].startswith("ASIA"), "keys of the role, not the process's own"
    assert s3.get("rasters", "role/a.tif") == DATA
