"""TLS: the server has to prove that it is the host of the URL, whatever address it was found at."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import Settings
from tests.support.certificates import certificate
from tests.support.engine import stores_of
from tests.support.upstream import Fault, Upstream
from tilery.errors import SourceRefused, UpstreamError, UpstreamTimeout
from tilery.storage.bytes import ByteSource, connection
from tilery.storage.policy import Policy

DATA = os.urandom(100_000)


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is this machine."""

    def getaddrinfo(_: str, port: int, *__: Any, **___: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trusts an authority for the rest of the test."""

    def install(file: Path) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        connection._tls.cache_clear()

    yield install
    connection._tls.cache_clear()


def opened(upstream: Upstream, host: str) -> ByteSource:
    entry = f"https://{host}:{upstream.port}/"
    settings = Settings(deadline=5.0, fetch_retries=0, connect_timeout=1.0)
    return stores_of(settings).open(Policy.from_sources([entry]).locate(f"{entry}a.tif"))


def test_a_server_that_proves_its_name(tmp_path: Path, trust: Any) -> None:
    context, authority = certificate(tmp_path, "tiles.example", "127.0.0.1")
    trust(authority)
    with Upstream(tls=context) as upstream:
        upstream.put("/a.tif", DATA)
        for host in ("tiles.example", "127.0.0.1"):
            source = opened(upstream, host)
            assert source.read(0, len(DATA)) == DATA
            assert source.read(70_000, 30_000) == DATA[70_000:]
        assert len({request.port for request in upstream.requests}) == 2


def test_a_server_with_another_name(tmp_path: Path, trust: Any) -> None:
    context, authority = certificate(tmp_path, "tiles.example")
    trust(authority)
    with Upstream(tls=context) as upstream:
        upstream.put("/a.tif", DATA)
        for host in ("other.example", "127.0.0.1"):
            with pytest.raises(UpstreamError, match="no valid certificate") as caught:
                opened(upstream, host)
            assert host not in caught.value.detail
        assert upstream.requests == []


def test_a_server_that_nobody_vouches_for(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path, "tiles.example")
    with Upstream(tls=context) as upstream, pytest.raises(UpstreamError, match="no valid certificate"):
        opened(upstream, "tiles.example")
    assert upstream.requests == []


def test_a_server_without_tls(tmp_path: Path) -> None:
    with Upstream() as upstream, pytest.raises(UpstreamError):
        opened(upstream, "tiles.example")


def test_a_handshake_that_stalls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        entry = f"https://tiles.example:{server.getsockname()[1]}/"
        settings = Settings(deadline=5.0, fetch_retries=0, connect_timeout=0.3)
        with pytest.raises(UpstreamTimeout):
            stores_of(settings).open(Policy.from_sources([entry]).locate(f"{entry}a.tif"))


def test_no_downgrade(tmp_path: Path, trust: Any) -> None:
    context, authority = certificate(tmp_path, "tiles.example")
    trust(authority)
    with Upstream(tls=context) as upstream, Upstream() as plain:
        upstream.always = Fault(status=302, location=plain.url("/a.tif"))
        plain.put("/a.tif", DATA)
        with pytest.raises(SourceRefused):
            opened(upstream, "tiles.example")
        assert plain.requests == []


def test_a_redirect_leaves_encryption_only_where_a_plain_address_is_listed(tmp_path: Path, trust: Any) -> None:
    context, authority = certificate(tmp_path, "tiles.example", "127.0.0.1")
    trust(authority)
    with Upstream(tls=context) as upstream, Upstream() as plain:
        plain.put("/a.tif", DATA)
        upstream.always = Fault(location=plain.url("/a.tif"))
        entry = f"https://tiles.example:{upstream.port}/"
        for more in ((), ("https://*",), (f"https://127.0.0.1:{plain.port}/",)):
            settings = Settings(deadline=5.0, fetch_retries=0, sources=(entry, *more))
            with pytest.raises(SourceRefused, match=r"from https to http.*TILERY_SOURCES"):
                stores_of(settings).open(Policy.from_sources([entry]).locate(f"{entry}a.tif"))
        assert plain.requests == []
        settings = Settings(deadline=5.0, fetch_retries=0, sources=(entry, plain.root))
        assert stores_of(settings).open(Policy.from_sources([entry]).locate(f"{entry}a.tif")).size == len(DATA)
