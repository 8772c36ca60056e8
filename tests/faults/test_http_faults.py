"""Servers that fail in every way: what may help is tried again, what cannot be trusted is refused, all waiting ends."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest

from app.config.settings import Settings
from tests.support.engine import stores_of
from tests.support.upstream import Fault, Upstream
from tilery.errors import DeadlineExceeded, UpstreamError, UpstreamTimeout
from tilery.limits import deadline
from tilery.storage.bytes import ByteSource, SourceChanged, fetching, http, retrying, servers
from tilery.storage.bytes.remote import HEAD
from tilery.storage.locations import HttpLocation
from tilery.storage.policy import Policy

DATA = os.urandom(1_000_000)
PLACE = HEAD + 1000
"""A place that opening did not fetch."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        server.put("/a.tif", DATA)
        yield server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "PAUSE", 0.005)


@pytest.fixture
def settings() -> Settings:
    return Settings(deadline=8.0, connect_timeout=1.0, read_timeout=0.4, fetch_retries=2, fetch_threads=8)


@pytest.fixture
def source(upstream: Upstream, settings: Settings) -> ByteSource:
    return opened(upstream, settings)


def opened(upstream: Upstream, settings: Settings) -> ByteSource:
    source = stores_of(settings).open(Policy.from_sources([upstream.root]).locate(upstream.url("/a.tif")))
    upstream.forget()
    return source


PASSING = [
    Fault(status=500),
    Fault(status=502),
    Fault(status=503, headers={"Retry-After": "0"}),
    Fault(status=504),
    Fault(status=429),
    Fault(reset=True),
    Fault(drop_after=0),
    Fault(drop_after=100),
    Fault(drop_after=49_999),
    Fault(raw=b""),
    Fault(raw=b"HTTP/1.1 206 Partial"),
    Fault(raw=b"HTTP/1.1 206 Partial Content\r\nContent-"),
    Fault(raw=b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    Fault(raw=b"HTTP/1.1 abc\r\n\r\n"),
    Fault(raw=b"HTTP/2 200\r\n\r\n"),
    Fault(raw=b"HTTP/1.1 20\xb2 OK\r\n\r\n"),
    Fault(raw=b"HTTP/1.1 206 OK\r\nContent-Length: 50000\r\n\r\n" + bytes(50_000)),
    Fault(short_by=1),
    Fault(shift=1),
    Fault(content_range=f"bytes 0-49999/{len(DATA)}"),
    Fault(content_range=f"bytes {PLACE}-{PLACE + 49_998}/{len(DATA)}"),
    Fault(content_range=f"bytes {PLACE}-{PLACE + 49_999}/*"),
    Fault(no_length=True, content_range=f"bytes {PLACE}-{PLACE - 2}/{PLACE - 1}"),
    Fault(no_length=True, content_range=f"bytes {PLACE}-{PLACE - 3}/{PLACE - 2}"),
    Fault(no_length=True, content_range=f"bytes {PLACE}-{PLACE - 9}/{PLACE - 8}"),
    Fault(content_range="bytes=1-2/3"),
    Fault(content_range="pages 1-2/3"),
    Fault(content_range=f"bytes {'9' * 30}-{'9' * 31}/{'9' * 32}"),
    Fault(chunked=True, short_by=1, content_range=f"bytes {PLACE}-{PLACE + 49_999}/{len(DATA)}"),
    Fault(no_length=True, short_by=1, content_range=f"bytes {PLACE}-{PLACE + 49_999}/{len(DATA)}"),
    Fault(chunked=True, shift=-1, content_range=f"bytes {PLACE}-{PLACE + 49_998}/{len(DATA)}"),
    Fault(headers={"Content-Length": "49999"}),
    Fault(headers={"Content-Length": "50001"}),
    Fault(headers={"Content-Length": "-1"}),
    Fault(headers={"Content-Length": "5e4"}),
    Fault(headers={"Content-Length": "9" * 40}),
    Fault(headers={"Content-Encoding": "gzip"}),
    Fault(headers={f"X-{number}": "x" for number in range(200)}),
    Fault(headers={"X-Long": "x" * 20_000}),
    Fault(headers={"Transfer-Encoding": "chunked"}),
    Fault(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
]


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_a_passing_fault_is_survived(upstream: Upstream, source: ByteSource, fault: Fault) -> None:
    upstream.play(fault)
    assert source.read(PLACE, 50_000) == DATA[PLACE : PLACE + 50_000]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_a_lasting_fault_is_told_and_never_taken_for_data(upstream: Upstream, source: ByteSource, fault: Fault) -> None:
    upstream.always = fault
    with pytest.raises(UpstreamError) as caught:
        source.read(PLACE, 50_000)
    assert caught.value.status == 502
    assert "127.0.0.1" not in caught.value.detail
    # A kept connection that ends without a word may have been idle for too long: that is not counted as a try.
    assert len(upstream.requests) == 3 + (fault.reset or fault.raw == b"")
    upstream.always = None
    assert source.read(PLACE, 10) == DATA[PLACE : PLACE + 10]


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_opening_survives_the_same(upstream: Upstream, settings: Settings, fault: Fault) -> None:
    upstream.play(fault)
    try:
        source = opened(upstream, settings)
    except UpstreamError:
        return  # told
    assert source.size == len(DATA)
    assert source.read(0, HEAD) == DATA[:HEAD]


def test_good_interim_answers_are_skipped(upstream: Upstream, source: ByteSource) -> None:
    body = DATA[PLACE : PLACE + 10]
    head = f"HTTP/1.1 206 OK\r\nContent-Range: bytes {PLACE}-{PLACE + 9}/{len(DATA)}\r\nContent-Length: 10\r\n"
    etag = f"ETag: {upstream.objects['/a.tif'].etag}\r\n"
    upstream.play(Fault(raw=b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + (head + etag).encode() + b"\r\n" + body))
    assert source.read(PLACE, 10) == body


def test_what_a_server_says_unasked_is_not_an_answer(upstream: Upstream, source: ByteSource) -> None:
    """A second answer right behind the first would be taken for that of the next request on the connection."""
    false = DATA[:10][::-1]
    head = f"HTTP/1.1 206 OK\r\nETag: {upstream.objects['/a.tif'].etag}\r\nContent-Length: 10\r\n"
    here = f"Content-Range: bytes {PLACE}-{PLACE + 9}/{len(DATA)}\r\n\r\n"
    first = (head + here).encode() + DATA[PLACE : PLACE + 10]
    upstream.play(Fault(raw=first + (head + here).encode() + false, keep_open=True))
    for _ in range(2):
        assert source.read(PLACE, 10) == DATA[PLACE : PLACE + 10]
    assert len({request.port for request in upstream.requests}) == 2


def test_the_body_of_an_error_is_not_waited_for(upstream: Upstream, source: ByteSource) -> None:
    upstream.always = Fault(raw=b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n", keep_open=True)
    for _ in range(3):
        with pytest.raises(SourceChanged):
            source.read(PLACE, 10)
    assert not source.refresh()


def test_five_of_a_hundred_requests_failing_disturbs_nobody(upstream: Upstream, source: ByteSource) -> None:
    bad = [Fault(status=503), Fault(reset=True), Fault(drop_after=10)]
    upstream.play(*(bad[place // 20 % 3] if place % 20 == 0 else None for place in range(300)))
    for place in range(250):
        assert source.read(PLACE + place, 100) == DATA[PLACE + place : PLACE + place + 100]


def test_a_busy_store_says_when_to_come_back(upstream: Upstream, source: ByteSource) -> None:
    upstream.always = Fault(status=503)
    with pytest.raises(UpstreamError) as caught:
        source.read(PLACE, 10)
    assert caught.value.retry_after is not None


def test_silence_is_not_waited_out_again(upstream: Upstream, source: ByteSource) -> None:
    upstream.always = Fault(silent=True)
    with pytest.raises(UpstreamTimeout) as caught:
        source.read(PLACE, 10)
    assert caught.value.status == 504
    assert len(upstream.requests) == 1


def test_a_drip_ends_with_the_deadline(upstream: Upstream, source: ByteSource) -> None:
    upstream.always = Fault(drip=0.05)
    with deadline.limit(0.5), pytest.raises(DeadlineExceeded):
        source.read(PLACE, 10_000)
    assert len(upstream.requests) == 1


def test_a_drip_in_the_head_ends_with_the_deadline(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_drip_head, args=(server,), daemon=True).start()
        root = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with deadline.limit(0.5), pytest.raises(DeadlineExceeded):
            stores_of(settings).open(Policy.from_sources([root]).locate(f"{root}a.tif"))


def _drip_head(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        try:
            for byte in b"HTTP/1.1 206 Partial Content\r\nX: " + b"x" * 1000:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        except OSError:
            return


def test_a_request_without_a_deadline_ends_too(upstream: Upstream) -> None:
    settings = Settings(deadline=0.5, read_timeout=0.4, fetch_retries=0)
    source = opened(upstream, settings)
    upstream.always = Fault(drip=0.05)
    with pytest.raises(DeadlineExceeded):
        source.read(PLACE, 10_000)


def test_many_ranges_end_with_the_deadline(upstream: Upstream, source: ByteSource) -> None:
    upstream.play(None, None, *[Fault(delay=5.0)] * 10)
    with deadline.limit(0.3), pytest.raises(DeadlineExceeded):
        source.read_many([(PLACE + place * 100_000, 10) for place in range(8)])


def test_tries_end_with_the_deadline(upstream: Upstream) -> None:
    source = opened(upstream, Settings(fetch_retries=1000, deadline=8.0))
    upstream.always = Fault(status=503)
    with deadline.limit(0.4), pytest.raises((DeadlineExceeded, UpstreamError)):
        source.read(PLACE, 10)
    assert len(upstream.requests) < 50


def test_no_time_left_means_no_request(upstream: Upstream, source: ByteSource) -> None:
    with deadline.limit(0.0):
        for read in (lambda: source.read(PLACE, 10), lambda: source.read_many([(PLACE, 1), (500_000, 1)])):
            with pytest.raises(DeadlineExceeded):
                read()
    assert upstream.requests == []


def test_nobody_there(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        root = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(UpstreamError) as caught:
        stores_of(settings).open(Policy.from_sources([root]).locate(f"{root}a.tif"))
    assert caught.value.status == 502


def test_a_host_that_takes_no_connections(settings: Settings) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        waiting = [_knock(place) for _ in range(4)]
        root = f"http://127.0.0.1:{place[1]}/"
        with pytest.raises(UpstreamTimeout):
            stores_of(settings).open(Policy.from_sources([root]).locate(f"{root}a.tif"))
        for connection in waiting:
            connection.close()


def _knock(place: tuple[str, int]) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex(place)
    return connection


def test_a_slow_resolver_holds_up_only_its_own_host(
    upstream: Upstream, source: ByteSource, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        answered.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        with pytest.raises(UpstreamTimeout):
            stores_of(settings).open(Policy.from_sources(["https://*"]).locate("https://slow.example.com/a.tif"))
        assert source.read(PLACE, 10) == DATA[PLACE : PLACE + 10]
    finally:
        answered.set()


def test_a_change_between_two_reads_never_mixes(upstream: Upstream, source: ByteSource) -> None:
    """Half of the ranges are asked for after the object was replaced: either all are of one version, or it is told."""
    other = os.urandom(len(DATA))
    ranges = [(PLACE + place * 100_000, 1000) for place in range(8)]
    upstream.latency = 0.02
    for _ in range(5):
        upstream.put("/a.tif", DATA)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(source.read_many, ranges)
            time.sleep(0.01)
            upstream.put("/a.tif", other)
            with suppress(SourceChanged):
                assert reading.result() == [DATA[start : start + length] for start, length in ranges]


# Bulkheads


def test_a_store_gets_its_share_of_the_threads_and_no_more(upstream: Upstream, source: ByteSource) -> None:
    upstream.latency = 0.05
    ranges = [(PLACE + place * 50_000, 10) for place in range(18)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: source.read_many(ranges), range(4)))
    assert 2 <= upstream.busiest <= fetching.share(8)


def test_a_store_that_hangs_does_not_hold_up_another(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "STUCK", 0.3)
    settings = Settings(deadline=20.0, read_timeout=2.5, fetch_retries=0, fetch_threads=4)
    source = opened(upstream, settings)
    upstream.always = Fault(silent=True)
    with Upstream() as healthy, ThreadPoolExecutor(12) as pool:
        healthy.put("/a.tif", DATA)
        other = opened(healthy, settings)
        stuck = [pool.submit(source.read, PLACE + place, 10) for place in range(12)]
        done, held = wait(stuck, 1.5)
        assert len(held) == fetching.share(4)
        assert all(isinstance(future.exception(), UpstreamTimeout) for future in done)
        ranges = [(PLACE + place * 100_000, 10) for place in range(8)]
        assert other.read_many(ranges) == [DATA[start : start + length] for start, length in ranges]


def test_failures_give_their_places_back(upstream: Upstream) -> None:
    """More failures of every kind than a store has places, and still it is asked."""
    source = opened(upstream, Settings(fetch_threads=2, fetch_retries=0, read_timeout=0.1, deadline=5.0))
    for fault in [Fault(status=404), Fault(status=500), Fault(drop_after=3), Fault(raw=b"x\n"), Fault(silent=True)] * 3:
        upstream.play(fault)
        with pytest.raises((SourceChanged, UpstreamError)):
            source.read(PLACE, 10)
    upstream.play(*[Fault(drip=0.05)] * 4)
    for _ in range(4):
        with deadline.limit(0.1), pytest.raises(DeadlineExceeded):
            source.read(PLACE, 10_000)
    assert source.read(PLACE, 10) == DATA[PLACE : PLACE + 10]


def test_idle_connections_do_not_add_up(
    upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host of many names, each of which leaves connections behind, must not take all open files of the process."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", upstream.port))]
    monkeypatch.setattr(servers, "_CONNECTIONS", 5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    stores = stores_of(settings)
    sources = []
    for number in range(20):
        root = f"http://host{number}.example:{upstream.port}/"
        sources.append(stores.open(Policy.from_sources([root]).locate(f"{root}a.tif")))
    assert len({request.port for request in upstream.requests}) == 20
    patience = time.monotonic() + 5
    while len(upstream._open) > 5 and time.monotonic() < patience:
        time.sleep(0.01)
    assert len(upstream._open) == 5
    for source in sources:
        assert source.read(PLACE, 10) == DATA[PLACE : PLACE + 10]
    assert len({request.port for request in upstream.requests}) == 40
    for source in sources[-5:]:
        assert source.read(PLACE, 10) == DATA[PLACE : PLACE + 10]
    assert len({request.port for request in upstream.requests}) == 40
    stores.close()


def test_no_connection_outlives_its_stores(upstream: Upstream, settings: Settings) -> None:
    """One with which something was fetched as they were closed."""
    stores = stores_of(settings)
    source = stores.open(Policy.from_sources([upstream.root]).locate(upstream.url("/a.tif")))
    upstream.play(Fault(delay=0.3))
    reading = threading.Thread(target=source.read, args=(PLACE, 10))
    reading.start()
    until(lambda: upstream.busy)
    stores.close()
    reading.join()
    until(lambda: not upstream._open)


def test_connections_that_nobody_closes_are_closed(upstream: Upstream, settings: Settings) -> None:
    places = servers.Servers(stores_of(settings).options)
    location = Policy.from_sources([upstream.root]).locate(upstream.url("/a.tif"))
    assert isinstance(location, HttpLocation)
    with ThreadPoolExecutor(1) as threads:
        source = http.open_http(location, places, threads)
        assert source.read(PLACE, 10) == DATA[PLACE : PLACE + 10]
    assert upstream._open
    ring: list[object] = [source, places]
    ring.append(ring)  # collected in any order
    del places, source, ring
    gc.collect()
    until(lambda: not upstream._open)


def until(check: Callable[[], object]) -> None:
    patience = time.monotonic() + 5
    while not check():
        assert time.monotonic() < patience
        time.sleep(0.01)
