"""Names that resolve to what they should not: only the resolver is replaced, everything else is real."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from app.config.settings import Settings
from tests.support.engine import stores_of
from tests.support.upstream import Upstream
from tilery.errors import SourceRefused, UpstreamError
from tilery.storage.bytes import ByteSource
from tilery.storage.policy import Policy

DATA = os.urandom(100_000)
Resolver = Callable[[list[list[str]]], list[str]]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Makes the resolver give these answers in turn, the last one for ever; gives the names that were asked for."""

    def install(answers: list[list[str]]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            addresses = answers[min(len(asked), len(answers) - 1)]
            asked.append(host)
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
                if ":" in address
                else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that was connected to, or would have been."""
    made: list[Any] = []

    def connect(_: socket.socket, place: Any) -> None:
        made.append(place)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return made


def opened(entry: str, url: str) -> ByteSource:
    settings = Settings(deadline=5.0, fetch_retries=0, connect_timeout=1.0)
    return stores_of(settings).open(Policy.from_sources([entry]).locate(url))


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::a9fe:a9fe"],
        ["2002:7f00:1::"],
        ["0.0.0.0"],
        ["9.9.9.9", "127.0.0.1"],
        ["2620:fe::fe", "9.9.9.9", "192.168.0.1"],
    ],
)
def test_a_public_name_with_an_inside_address(resolve: Resolver, connections: list[Any], addresses: list[str]) -> None:
    resolve([addresses])
    with pytest.raises(SourceRefused) as caught:
        opened("https://*", "https://rebinding.example.com/a.tif")
    assert connections == []
    assert not any(address in caught.value.detail for address in addresses)


def test_a_listed_name_never_leads_to_the_metadata_of_the_machine(resolve: Resolver, connections: list[Any]) -> None:
    for address in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "::ffff:a9fe:a9fe"):
        resolve([[address]])
        with pytest.raises(SourceRefused):
            opened("http://data.example.com/", "http://data.example.com/a.tif")
    assert connections == []


def test_only_the_address_that_was_checked_is_connected_to(resolve: Resolver, connections: list[Any]) -> None:
    asked = resolve([["9.9.9.9"], ["127.0.0.1"]])
    with pytest.raises(UpstreamError):
        opened("https://*", "https://rebinding.example.com/a.tif")
    assert asked == ["rebinding.example.com"]
    assert connections == [("9.9.9.9", 443)]


def test_every_new_connection_is_checked_anew(resolve: Resolver) -> None:
    with Upstream() as upstream:
        upstream.put("/a.tif", DATA)
        asked = resolve([["127.0.0.1"], ["169.254.169.254"]])
        name = f"http://data.example.com:{upstream.port}/"
        source = opened(name, f"{name}a.tif")
        assert source.read(70_000, 10) == DATA[70_000:70_010]
        assert len(asked) == 1
        upstream.drop_connections()
        with pytest.raises(SourceRefused):
            source.read(70_000, 10)
        assert len(asked) == 2


def test_a_name_that_is_not_known(resolve: Resolver) -> None:
    resolve([[]])
    with pytest.raises(UpstreamError) as caught:
        opened("https://*", "https://nowhere.example.com/a.tif")
    assert caught.value.status == 502
    assert "nowhere" not in caught.value.detail


def test_the_next_address_is_tried_when_one_does_not_answer(resolve: Resolver) -> None:
    with Upstream() as upstream:
        upstream.put("/a.tif", DATA)
        resolve([["127.0.0.9", "127.0.0.1"]])
        name = f"http://data.example.com:{upstream.port}/"
        assert opened(name, f"{name}a.tif").size == len(DATA)
        assert upstream.requests[0].headers["host"] == f"data.example.com:{upstream.port}"


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Upstream() as upstream, Upstream() as proxy:
        upstream.put("/a.tif", DATA)
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.root)
        assert opened(upstream.root, upstream.url("/a.tif")).size == len(DATA)
        assert proxy.requests == []
