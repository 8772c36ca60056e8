"""Resources of HTTP servers, as a real one on a loopback address gives them."""

from __future__ import annotations

import os
import time

import pytest

from app.config.settings import Settings
from tests.support.engine import stores_of
from tests.support.upstream import Fault, Upstream
from tilery.errors import SourceDenied, SourceNotFound, UpstreamError
from tilery.storage import stores
from tilery.storage.bytes import ByteSource, SourceChanged
from tilery.storage.bytes.http import WHOLE
from tilery.storage.bytes.remote import HEAD
from tilery.storage.policy import Policy

DATA = os.urandom(3_000_000)
PATH = "/rasters/a.tif"


def opened(upstream: Upstream, settings: Settings, path: str = PATH) -> ByteSource:
    location = Policy.from_sources([upstream.root]).locate(upstream.url(path))
    return stores_of(settings).open(location)


@pytest.fixture
def source(upstream: Upstream, settings: Settings) -> ByteSource:
    upstream.put(PATH, DATA)
    found = opened(upstream, settings)
    upstream.forget()
    return found


def test_opening_is_one_ranged_request(upstream: Upstream, settings: Settings) -> None:
    upstream.put(PATH, DATA)
    source = opened(upstream, settings)
    assert (source.size, source.local_path) == (len(DATA), None)
    assert [request.method for request in upstream.requests] == ["GET"]
    assert upstream.ranges == [(0, HEAD - 1)]
    assert source.read(0, HEAD) == DATA[:HEAD]
    assert source.read(1000, 10) == DATA[1000:1010]
    assert source.read_many([(0, 10), (HEAD - 10, 10)]) == [DATA[:10], DATA[HEAD - 10 : HEAD]]
    assert len(upstream.requests) == 1


def test_what_a_request_says(upstream: Upstream, settings: Settings) -> None:
    upstream.put(f"{PATH}?sig=a%2Fb", DATA)
    opened(upstream, settings, f"{PATH}?sig=a%2Fb").read(HEAD, 10)
    first, second = upstream.requests
    assert first.target == f"{PATH}?sig=a%2Fb"
    assert first.headers["host"] == f"127.0.0.1:{upstream.port}"
    assert first.headers["accept-encoding"] == "identity"
    assert set(second.headers) == {"host", "user-agent", "accept", "accept-encoding", "range", "if-match"}
    assert second.headers["if-match"] == upstream.objects[f"{PATH}?sig=a%2Fb"].etag


def test_reads_ranges(upstream: Upstream, source: ByteSource) -> None:
    assert source.read(HEAD - 5, 10) == DATA[HEAD - 5 : HEAD + 5]
    assert source.read(len(DATA) - 5, 100) == DATA[-5:]
    assert source.read(len(DATA), 10) == b""
    assert source.read(len(DATA) * 2, 10) == b""
    assert source.read(HEAD * 2, 0) == b""
    assert upstream.ranges == [(HEAD - 5, HEAD + 4), (len(DATA) - 5, len(DATA) - 1)]


def test_many_ranges_are_merged_and_fetched_at_the_same_time(upstream: Upstream, source: ByteSource) -> None:
    upstream.latency = 0.2
    near = [(200_000, 1000), (201_000, 1000), (199_000, 100)]
    apart = [(place * 400_000, 5_000) for place in range(1, 7)]
    ranges = [*near, *apart, (10, 10), (len(DATA) - 10, 20), (len(DATA), 5), (500, 0)]
    assert source.read_many(ranges) == [DATA[start : start + length] for start, length in ranges]
    assert (199_000, 201_999) in upstream.ranges
    assert len(upstream.requests) == 1 + len(apart) + 1
    assert upstream.busiest >= 4


def test_one_connection_is_used_again(upstream: Upstream, source: ByteSource) -> None:
    for place in range(10):
        source.read(100_000 * place + HEAD, 10)
    assert len({request.port for request in upstream.requests}) == 1


def test_a_connection_that_the_server_closed_meanwhile_costs_nothing(upstream: Upstream, source: ByteSource) -> None:
    upstream.drop_connections()
    assert source.read(HEAD, 10) == DATA[HEAD : HEAD + 10]
    assert len(upstream.requests) == 1


def test_bodies_in_chunks_or_until_the_end_of_the_connection(upstream: Upstream, source: ByteSource) -> None:
    upstream.play(Fault(chunked=True), Fault(no_length=True), None)
    for _ in range(3):
        assert source.read(HEAD, 100_000) == DATA[HEAD : HEAD + 100_000]


def test_a_server_without_ranges(upstream: Upstream, settings: Settings) -> None:
    upstream.always = Fault(ignore_range=True)
    upstream.put("/small.tif", DATA[:WHOLE])
    source = opened(upstream, settings, "/small.tif")
    assert source.read(WHOLE - 10, 20) == DATA[WHOLE - 10 : WHOLE]
    assert source.refresh()
    upstream.put("/large.tif", DATA[: WHOLE + 1])
    with pytest.raises(UpstreamError, match="range requests"):
        opened(upstream, settings, "/large.tif")
    assert len([request for request in upstream.requests if request.target == "/large.tif"]) == 1


def test_an_empty_object(upstream: Upstream, settings: Settings) -> None:
    upstream.put(PATH, b"")
    source = opened(upstream, settings)
    assert (source.size, source.read(0, 10), source.refresh()) == (0, b"", True)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, SourceNotFound),
        (410, SourceNotFound),
        (401, SourceDenied),
        (403, SourceDenied),
        (400, UpstreamError),
        (418, UpstreamError),
        (204, UpstreamError),
    ],
)
def test_what_a_status_means(upstream: Upstream, settings: Settings, status: int, error: type[Exception]) -> None:
    upstream.always = Fault(status=status)
    with pytest.raises(error) as caught:
        opened(upstream, settings)
    assert type(caught.value) is error
    assert len(upstream.requests) == 1
    assert "127.0.0.1" not in str(caught.value)
    assert "nobody should see" not in str(vars(caught.value))


def test_what_is_missing_is_not_asked_for_again_at_once_but_soon(
    upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        with pytest.raises(SourceNotFound):
            opened(upstream, settings)
    assert len(upstream.requests) == 1
    upstream.put(PATH, DATA)
    later = time.monotonic() + stores.FORGET_MISSING
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert opened(upstream, settings).size == len(DATA)


# Versions


def test_identity_follows_the_etag(upstream: Upstream, settings: Settings) -> None:
    upstream.put(PATH, DATA)
    first = opened(upstream, settings)
    assert first.identity == opened(upstream, settings).identity
    upstream.put("/other.tif", DATA)
    assert opened(upstream, settings, "/other.tif").identity != first.identity
    upstream.put(PATH, DATA, etag='"another"')
    assert opened(upstream, settings).identity != first.identity


def test_refresh_is_a_request_without_a_body(upstream: Upstream, source: ByteSource) -> None:
    assert source.refresh()
    assert upstream.ranges == [(0, 0)]
    assert "if-none-match" in upstream.requests[0].headers


@pytest.mark.parametrize("validators", [{}, {"etag": 'W/"weak"'}, {"etag": None}], ids=["strong", "weak", "date"])
def test_a_replaced_object(upstream: Upstream, settings: Settings, validators: dict[str, str | None]) -> None:
    upstream.put(PATH, DATA, **validators)
    source = opened(upstream, settings)
    assert source.refresh()
    assert source.read(HEAD, 10) == DATA[HEAD : HEAD + 10]
    new = {} if not validators or validators["etag"] is None else {"etag": 'W/"other"'}
    upstream.put(PATH, DATA[1:], **{**validators, **new})
    assert not source.refresh()
    with pytest.raises(SourceChanged):
        source.read(HEAD, 10)
    with pytest.raises(SourceChanged):
        source.read_many([(HEAD, 10), (1_000_000, 10)])


def test_a_replaced_object_behind_a_server_that_knows_no_conditions(upstream: Upstream, settings: Settings) -> None:
    upstream.always = Fault(ignore_conditions=True)
    for etag in ("", None, 'W/"weak"'):
        upstream.put(PATH, DATA, etag=etag)
        source = opened(upstream, settings)
        assert source.refresh()
        assert source.read(HEAD, 10) == DATA[HEAD : HEAD + 10]
        upstream.put(PATH, DATA + b"x", etag='W/"weaker"' if etag else etag)
        assert not source.refresh()
        with pytest.raises(SourceChanged):
            source.read(HEAD, 10)


def test_an_object_without_any_validator(upstream: Upstream, settings: Settings) -> None:
    upstream.put(PATH, DATA, etag=None, modified=None)
    source = opened(upstream, settings)
    assert source.refresh()
    assert source.identity == opened(upstream, settings).identity
    upstream.put(PATH, b"x" + DATA[1:], etag=None, modified=None)
    assert opened(upstream, settings).identity != source.identity
    upstream.put(PATH, DATA + b"x", etag=None, modified=None)
    assert not source.refresh()


@pytest.mark.parametrize("status", [404, 410, 412, 416])
def test_an_object_that_is_gone(upstream: Upstream, source: ByteSource, status: int) -> None:
    upstream.always = Fault(status=status)
    with pytest.raises(SourceChanged):
        source.read(HEAD, 10)
    assert not source.refresh()


def test_an_object_that_may_no_longer_be_read(upstream: Upstream, source: ByteSource) -> None:
    upstream.always = Fault(status=403)
    with pytest.raises(SourceDenied):
        source.read(HEAD, 10)
    assert not source.refresh()


def test_a_hostile_etag_does_not_get_into_a_request(upstream: Upstream, settings: Settings) -> None:
    upstream.put(PATH, DATA, etag='"a"\rX-Evil: 1', modified="\x01")
    source = opened(upstream, settings)
    source.read(HEAD, 10)
    assert not {"if-match", "if-unmodified-since", "x-evil"} & set(upstream.requests[1].headers)
