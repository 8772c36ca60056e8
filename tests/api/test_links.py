"""Links behind load balancers, CDNs and prefixes; and what a forged header can do, which is nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import service


def tiles(client: TestClient, folder: Path, path: str = "", headers: dict[str, str] | None = None) -> str:
    answer = client.get(
        f"{path}/cog/WebMercatorQuad/tilejson.json", params={"url": f"{folder}/rgb.tif"}, headers=headers or {}
    )
    assert answer.status_code == 200, answer.text
    address: str = answer.json()["tiles"][0]
    return address.partition("/cog/")[0]


def with_peer(client: TestClient, peer: str) -> TestClient:
    """The client as if its connection came from that address."""
    client._transport.client = (peer, 4711)  # type: ignore[attr-defined]
    return client


def at(folder: Path, peer: str = "10.0.0.7", **settings: Any) -> TestClient:
    return with_peer(service.client(folder, **settings), peer)


def test_the_public_address_wins_over_everything(folder: Path) -> None:
    client = at(folder, public_url="https://tiles.example.com/maps/", trusted_proxies="*")
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"}
    assert tiles(client, folder, headers=headers) == "https://tiles.example.com/maps"


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7"])
def test_behind_an_application_load_balancer(folder: Path, peer: str) -> None:
    # It passes Host on as the client sent it, and says the client's scheme.
    client = at(folder, peer, trusted_proxies="10.0.0.0/8", allowed_hosts="tiles.example.com")
    headers = {"host": "tiles.example.com", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
    assert tiles(client, folder, headers=headers) == "https://tiles.example.com"
    assert tiles(client, folder, headers=headers | {"host": "evil.example"}) == ""
    # It also passes on what the client claims of other proxies.
    forged = headers | {"x-forwarded-host": "evil.example"}
    assert tiles(client, folder, headers=forged) == ""


def test_behind_cloudfront(folder: Path) -> None:
    # It replaces Host by the origin's name; the viewer's is in X-Forwarded-Host where the operator forwards it.
    client = at(folder, trusted_proxies="10.0.0.0/8", allowed_hosts="*.cloudfront.net,alb.internal")
    headers = {"host": "alb.internal", "x-forwarded-host": "d111.cloudfront.net", "x-forwarded-proto": "https"}
    assert tiles(client, folder, headers=headers) == "https://d111.cloudfront.net"


def test_behind_a_prefix_that_stays(folder: Path) -> None:
    client = at(folder, root_path="/maps", allowed_hosts="example.com")
    headers = {"host": "example.com"}
    assert tiles(client, folder, "/maps", headers) == "http://example.com/maps"


def test_behind_a_prefix_that_the_proxy_strips(folder: Path) -> None:
    client = at(folder, root_path="maps/", allowed_hosts="example.com")
    assert tiles(client, folder, "", {"host": "example.com"}) == "http://example.com/maps"
    client = at(folder, trusted_proxies="10.0.0.7", allowed_hosts="example.com")
    headers = {"host": "example.com", "x-forwarded-prefix": "/maps/"}
    assert tiles(client, folder, "", headers) == "http://example.com/maps"


def test_a_prefix_is_no_part_of_other_paths(folder: Path) -> None:
    client = at(folder, root_path="/maps")
    assert client.get("/maps/healthz").status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/mapsx/healthz").status_code == 404
    assert client.get("/maps").status_code == 200
    assert client.get("/maps/healthz").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", "javascript:", "/x?y", "/a//b"])
def test_prefixes_that_are_none(folder: Path, prefix: str) -> None:
    client = at(folder, trusted_proxies="*")
    assert tiles(client, folder, "", {"host": "localhost", "x-forwarded-prefix": prefix}) == "http://localhost"


def test_nobody_is_trusted_who_is_not_listed(folder: Path) -> None:
    client = at(folder, peer="203.0.113.9", trusted_proxies="10.0.0.0/8", allowed_hosts="example.com")
    headers = {"host": "example.com", "x-forwarded-proto": "https", "x-forwarded-prefix": "/evil"}
    assert tiles(client, folder, headers=headers) == "http://example.com"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "8.8.8.8",
        "evil.example:80",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example/localhost",
        "[2606:4700:4700::1111]",
        "0x7f.1",
        "exa mple",
        "",
    ],
)
def test_a_forged_host_never_gets_into_a_link(folder: Path, host: str) -> None:
    client = at(folder)
    url = f"{folder}/rgb.tif"
    for path in (
        "/cog/WebMercatorQuad/tilejson.json",
        "/cog/tiles",
        "/cog/tiles/WebMercatorQuad",
        "/cog/WMTSCapabilities.xml",
        "/",
        "/tileMatrixSets",
        "/colorMaps",
        "/algorithms",
        "/api",
        "/cog/info/",
    ):
        answer = client.get(path, params={"url": url}, headers={"host": host}, follow_redirects=False)
        assert answer.status_code in (200, 307), answer.text
        assert "evil" not in answer.text + answer.headers.get("location", "")
        if host:
            assert f"//{host}" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "192.168.1.5", "[::1]:8000"])
def test_addresses_that_nobody_could_forge_to_any_use(folder: Path, host: str) -> None:
    assert tiles(at(folder), folder, headers={"host": host}) == f"http://{host}"


def test_answers_for_different_hosts_are_told_apart(folder: Path) -> None:
    client = at(folder, allowed_hosts="a.example,b.example")
    assert tiles(client, folder, headers={"host": "a.example"}) == "http://a.example"
    assert tiles(client, folder, headers={"host": "b.example"}) == "http://b.example"
