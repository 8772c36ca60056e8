"""Redirects: followed where the policy permits it, remembered for a while, and never a way around the policy."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config.settings import Settings
from tests.support.engine import stores_of
from tests.support.upstream import Fault, Upstream
from tilery.errors import SourceDenied, SourceNotFound, SourceRefused, UpstreamError
from tilery.storage.bytes import ByteSource, SourceChanged, redirects
from tilery.storage.bytes.remote import HEAD
from tilery.storage.policy import Policy

DATA = os.urandom(400_000)
ASKED = "/releases/a.tif"
STORED = "/stored/a.tif"


@pytest.fixture
def other() -> Iterator[Upstream]:
    """Where the address leads."""
    with Upstream() as server:
        yield server


def opened(settings: Settings, upstream: Upstream, path: str = ASKED) -> ByteSource:
    return stores_of(settings).open(Policy.from_sources([upstream.root]).locate(upstream.url(path)))


def settings_of(*allowed: Upstream | str, read_timeout: float = 5.0) -> Settings:
    sources = tuple(one if isinstance(one, str) else one.root for one in allowed)
    return Settings(
        sources=sources, deadline=20.0, connect_timeout=5.0, read_timeout=read_timeout, fetch_threads=8, fetch_retries=2
    )


class Signer:
    """Leads from the address that is asked for to a signed one, another one each time."""

    def __init__(self, upstream: Upstream, other: Upstream) -> None:
        self.upstream, self.other = upstream, other
        self.signed = 0

    def sign(self) -> None:
        """Let the next redirect lead to a new signature; those before it are no longer good."""
        self.signed += 1
        self.other.objects.clear()
        target = f"{STORED}?X-Amz-Signature={self.signed}"
        self.other.put(target, DATA)
        self.upstream.always = Fault(location=self.other.url(target))


@pytest.fixture
def signer(upstream: Upstream, other: Upstream) -> Signer:
    made = Signer(upstream, other)
    made.sign()
    return made


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_is_followed(upstream: Upstream, other: Upstream, status: int) -> None:
    other.put(STORED, DATA)
    upstream.always = Fault(status=status, location=other.url(STORED))
    source = opened(settings_of(upstream, other), upstream)
    assert (source.size, source.read(0, 10)) == (len(DATA), DATA[:10])
    assert source.read(HEAD, 1000) == DATA[HEAD : HEAD + 1000]
    assert [request.range for request in other.requests] == [(0, HEAD - 1), (HEAD, HEAD + 999)]
    assert len(upstream.requests) == 1, "the second range knows where it is"


@pytest.mark.parametrize("target", ["/stored/a.tif", "../stored/a.tif", "//{}/stored/a.tif", "/stored/a.tif#part"])
def test_relative_addresses(upstream: Upstream, target: str) -> None:
    upstream.put(STORED, DATA)
    upstream.play(Fault(location=target.format(f"127.0.0.1:{upstream.port}")))
    assert opened(settings_of(upstream), upstream).size == len(DATA)


def test_no_more_than_five(upstream: Upstream) -> None:
    upstream.put(STORED, DATA)
    upstream.play(*(Fault(location=f"/{number}") for number in range(4)), Fault(location=STORED))
    assert opened(settings_of(upstream), upstream).size == len(DATA)
    upstream.forget()
    upstream.always = Fault(location="/again")
    with pytest.raises(UpstreamError, match="more than 5"):
        opened(settings_of(upstream), upstream, "/other.tif")
    assert len(upstream.requests) == 6


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{}/stored/a.tif",
        "http://169.254.169.254/latest/meta-data/",
        "http://example.com/a.tif",
        "http://user:secret@example.com/a.tif",
        "file://{folder}/a.tif",
        "file:///etc/passwd",
        "s3://secret/a.tif",
        "/vsicurl/http://example.com/a.tif",
        "../../../releases/%2e%2e/secret",
        "ftp://example.com/a.tif",
    ],
)
def test_what_the_policy_does_not_permit_is_refused(
    upstream: Upstream, other: Upstream, target: str, tmp_path: Path
) -> None:
    other.put(STORED, DATA)
    (tmp_path / "a.tif").write_bytes(DATA)
    upstream.always = Fault(location=target.format(other.port, folder=tmp_path))
    settings = settings_of(f"{upstream.root}releases/", f"{tmp_path}/", "s3://secret/")  # those are not of HTTP
    with pytest.raises(SourceRefused) as caught:
        opened(settings, upstream)
    assert "TILERY_SOURCES" in caught.value.detail
    assert not {"127.0.0.1", "secret", "passwd"} & set(caught.value.detail.split("/"))
    assert "secret@" not in str(caught.value.private)
    assert other.requests == []
    assert len(upstream.requests) == 1


def test_each_hop_is_checked_as_it_is_connected_to(
    upstream: Upstream, other: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public name may lead to an address within, after a redirect as before one."""

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        server = other if host == "inside.example.com" else upstream
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    upstream.always = Fault(location="https://inside.example.com/a.tif")
    with pytest.raises(SourceRefused):
        opened(settings_of(upstream, "https://*"), upstream)
    assert other.requests == []


def test_the_way_is_remembered_for_a_while_only(
    upstream: Upstream, other: Upstream, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(settings_of(upstream, other), upstream)
    for place in range(5):
        source.read(HEAD + place, 10)
    assert (len(upstream.requests), len(other.requests)) == (1, 6)
    later = time.monotonic() + redirects.REMEMBERED
    monkeypatch.setattr(time, "monotonic", lambda: later)
    source.read(HEAD, 10)
    assert (len(upstream.requests), len(other.requests)) == (2, 7)


def test_checks_find_the_way_anew_before_tiles_have_to(
    upstream: Upstream, other: Upstream, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(settings_of(upstream, other), upstream)
    now = time.monotonic()
    for half in range(1, 6):
        monkeypatch.setattr(time, "monotonic", lambda half=half: now + half * redirects.REMEMBERED / 2 + 0.1)
        assert source.refresh()
        upstream.forget()
        assert source.read(HEAD, 10) == DATA[HEAD : HEAD + 10]
        assert upstream.requests == []


def test_signatures_that_run_out_are_renewed(upstream: Upstream, other: Upstream, signer: Signer) -> None:
    source = opened(settings_of(upstream, other), upstream)
    for status in (400, 401, 403, 404, 410):
        signer.sign()
        other.play(Fault(status=status))
        upstream.forget()
        assert source.read(HEAD, 10) == DATA[HEAD : HEAD + 10]
        assert source.read(HEAD + 10, 10) == DATA[HEAD + 10 : HEAD + 20]
        assert source.refresh()
        assert len(upstream.requests) == 1


def test_what_may_no_longer_be_read_is_told(upstream: Upstream, other: Upstream, signer: Signer) -> None:
    source = opened(settings_of(upstream, other), upstream)
    other.always = Fault(status=403)
    with pytest.raises(SourceDenied):
        source.read(HEAD, 10)
    assert not source.refresh()
    other.always = Fault(status=404)
    with pytest.raises(SourceChanged):
        source.read(HEAD, 10)
    with pytest.raises(SourceNotFound):
        opened(settings_of(upstream, other), upstream)


def test_signed_addresses_that_change_are_one_source(upstream: Upstream, other: Upstream, signer: Signer) -> None:
    first = opened(settings_of(upstream, other), upstream)
    signer.sign()
    anew = settings_of(upstream, other, read_timeout=4.9)  # stores of their own, which remember nothing
    second = opened(anew, upstream)
    assert {request.target for request in other.requests} == {f"{STORED}?X-Amz-Signature={n}" for n in (1, 2)}
    assert first.identity == second.identity
    assert first.read(HEAD, 10) == second.read(HEAD, 10)


def test_an_object_that_changes_behind_a_redirect(upstream: Upstream, other: Upstream) -> None:
    other.put(STORED, DATA)
    upstream.always = Fault(location=other.url(STORED))
    source = opened(settings_of(upstream, other), upstream)
    other.put(STORED, DATA[::-1])
    assert not source.refresh()
    with pytest.raises(SourceChanged):
        source.read(HEAD, 10)
    assert opened(settings_of(upstream, other), upstream).identity != source.identity


def test_nothing_that_names_the_first_host_goes_to_the_next(upstream: Upstream, other: Upstream) -> None:
    other.put(STORED, DATA)
    upstream.always = Fault(location=other.url(STORED), headers={"Set-Cookie": "a=b"})
    opened(settings_of(upstream, other), upstream, f"{ASKED}?sig=secret").read(HEAD, 10)
    for request in other.requests:
        assert set(request.headers) <= {"host", "user-agent", "accept", "accept-encoding", "range", "if-match"}
        assert request.headers["host"] == f"127.0.0.1:{other.port}"
        assert request.target == STORED


def test_redirects_to_nowhere(upstream: Upstream) -> None:
    for headers in ({}, {"Location": ""}, {"Location": "http://[bad"}, {"Location": "http://a b/"}):
        upstream.always = Fault(status=302, headers=headers)
        with pytest.raises(UpstreamError):
            opened(settings_of(upstream), upstream)


def test_faults_on_the_way_are_tried_again(upstream: Upstream, other: Upstream) -> None:
    other.put(STORED, DATA)
    good = Fault(location=other.url(STORED))
    upstream.play(Fault(status=503), good, good)
    other.play(Fault(drop_after=10), None)
    assert opened(settings_of(upstream, other), upstream).size == len(DATA)
    assert (len(upstream.requests), len(other.requests)) == (3, 2)
