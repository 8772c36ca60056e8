"""How long tries wait for each other, and what a store says of it."""

from __future__ import annotations

import email.utils
import os
import time

import pytest

from app.config.settings import Settings
from tests.support.engine import stores_of
from tests.support.upstream import Fault, Upstream
from tilery.errors import UpstreamError
from tilery.limits import deadline
from tilery.storage.bytes import ByteSource, http, retrying
from tilery.storage.bytes.remote import HEAD
from tilery.storage.policy import Policy

DATA = os.urandom(200_000)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which are not made."""
    made: list[float] = []
    monkeypatch.setattr(http, "sleep", made.append)
    return made


@pytest.fixture
def source(upstream: Upstream) -> ByteSource:
    upstream.put("/a.tif", DATA)
    settings = Settings(deadline=30.0, read_timeout=5.0)
    found = stores_of(settings).open(Policy.from_sources([upstream.root]).locate(upstream.url("/a.tif")))
    upstream.forget()
    return found


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_burst_is_waited_out(upstream: Upstream, source: ByteSource, pauses: list[float], status: int) -> None:
    upstream.play(*[Fault(status=status)] * 4)
    assert source.read(HEAD, 100) == DATA[HEAD : HEAD + 100]
    assert len(pauses) == 4
    for number, pause in enumerate(pauses):
        assert retrying.PAUSE / 2 * 2**number <= pause <= retrying.PAUSE * 2**number


def test_no_two_callers_wait_equally_long() -> None:
    assert len({retrying.pause(3, None) for _ in range(20)}) > 10
    assert max(retrying.pause(100, None) for _ in range(20)) <= retrying.LONGEST


def test_what_the_store_asks_for_is_kept_to(upstream: Upstream, source: ByteSource, pauses: list[float]) -> None:
    upstream.play(Fault(status=503, headers={"Retry-After": "3"}), Fault(status=429, headers={"Retry-After": "2"}))
    assert source.read(HEAD, 100) == DATA[HEAD : HEAD + 100]
    assert [int(pause) for pause in pauses] == [3, 2]


def test_who_cannot_wait_so_long_is_told_how_long(upstream: Upstream, source: ByteSource, pauses: list[float]) -> None:
    upstream.always = Fault(status=503, headers={"Retry-After": "20"})
    with deadline.limit(10), pytest.raises(UpstreamError) as caught:
        source.read(HEAD, 100)
    assert caught.value.retry_after == 20
    assert (pauses, len(upstream.requests)) == ([], 1)


def test_times_to_come_back() -> None:
    assert retrying.seconds_of("120") == 120
    later = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert 98 <= (retrying.seconds_of(later) or 0) <= 100
    assert retrying.seconds_of("Fri, 31 Dec 1999 23:59:59 GMT") == 0
    assert retrying.seconds_of("9" * 40) == 3600
    for nothing in (None, "", "soon", "-1", "1.5", "²", "Fri, 99 Dec 1999 23:59:59 GMT"):
        assert retrying.seconds_of(nothing) is None
