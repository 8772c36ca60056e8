"""Sources that only a proxy leads to: https through our own connections, S3 through its client."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config import sources_file
from app.config.engine_options import source_policy, store_options
from app.config.environment import WrongVariables
from app.config.settings import Settings
from tests.support.certificates import certificate
from tests.support.proxy import Proxy
from tests.support.s3 import S3
from tests.support.upstream import Upstream
from tilery.errors import TileryError, UpstreamError, UpstreamTimeout
from tilery.storage.bytes import ByteSource, connection
from tilery.storage.stores import Stores

DATA = os.urandom(100_000)
HOST = "rasters.internal.example"


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """An https server that has a certificate for the host."""
    context, authority = certificate(tmp_path, HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    connection._tls.cache_clear()
    with Upstream(tls=context) as upstream:
        upstream.put("/a.tif", DATA)
        yield upstream
    connection._tls.cache_clear()


def settings_of(folder: Path, **source: Any) -> Settings:
    file = folder / "sources.json"
    file.write_text(json.dumps({"sources": [source]}))
    return Settings(_env_file=None, sources_file=str(file), deadline=5.0, fetch_retries=0, connect_timeout=0.5)


def opened(settings: Settings, url: str) -> ByteSource:
    policy = source_policy(settings)
    return Stores(store_options(settings), policy.locate).open(policy.locate(url))


def test_https_through_a_proxy(secure: Upstream, tmp_path: Path) -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(HOST, 443)  # none but the proxy knows it
    entry = f"https://{HOST}:{secure.port}/"
    with Proxy(login="us:p%40ss") as proxy, Proxy(login="us:p@ss") as other:
        source = opened(settings_of(tmp_path, url=entry, proxy=other.url.replace("p@ss", "p%40ss")), f"{entry}a.tif")
        assert source.read(70_000, 30_000) == DATA[70_000:]
        assert other.asked == [("CONNECT", f"{HOST}:{secure.port}")], "one tunnel for all requests"
        assert len(secure.requests) == 2
        assert not any("proxy" in name for request in secure.requests for name in request.headers)
        with pytest.raises(UpstreamError, match="lets nobody through") as caught:
            opened(settings_of(tmp_path, url=entry, proxy=proxy.url), f"{entry}a.tif")
        assert "127.0.0.1" not in caught.value.detail


def test_a_proxy_that_fails(secure: Upstream, tmp_path: Path) -> None:
    entry = f"https://{HOST}:{secure.port}/"
    with Proxy(status=403) as refuses, Proxy(rests=True) as rests:
        for proxy, kind in ((refuses, UpstreamError), (rests, UpstreamTimeout)):
            with pytest.raises(kind):
                opened(settings_of(tmp_path, url=entry, proxy=proxy.url), f"{entry}a.tif")
    with pytest.raises(TileryError):
        opened(settings_of(tmp_path, url=entry, proxy="http://127.0.0.1:9"), f"{entry}a.tif")
    assert secure.requests == []


def test_s3_through_a_proxy(s3: S3, tmp_path: Path) -> None:
    s3.bucket("proxied")
    s3.put("proxied", "a.tif", DATA)
    with Proxy() as proxy:
        source = {"url": "s3://proxied/", "endpoint": s3.endpoint, "region": "eu-central-1", "proxy": proxy.url}
        keys = {"access_key_id": "test", "secret_access_key": "test"}
        found = opened(settings_of(tmp_path, **source, **keys), "s3://proxied/a.tif")
        assert found.read(70_000, 30_000) == DATA[70_000:]
        assert proxy.asked
        assert {method for method, _ in proxy.asked} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("url", "proxy", "said"),
    [
        ("https://a.example/", "socks5://p:1", "address of a proxy"),
        ("https://a.example/", "http://user:s3cret@p", "address of a proxy"),
        ("https://a.example/", "http://us%0Aer:s3cret@p:1", "address of a proxy"),
        ("https://*", "http://p:1", "named hosts only"),
        ("http://127.0.0.1:9000/", "http://p:1", "for https"),
    ],
)
def test_what_is_no_proxy_is_said_without_its_password(tmp_path: Path, url: str, proxy: str, said: str) -> None:
    file = tmp_path / "sources.json"
    file.write_text(json.dumps({"sources": [{"url": url, "proxy": proxy}]}))
    with pytest.raises(WrongVariables, match=said) as caught:
        sources_file.read(str(file))
    assert "s3cret" not in str(caught.value)
