"""Links behind load balancers, CDNs and prefixes; and what a forged header can do, which is nothing to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api.links import FOR_CALLER, Links
from app.config import advice
from app.config.settings import Settings
from tests.support import service


def tiles(client: TestClient, folder: Path, path: str = "", headers: dict[str, str] | None = None) -> str:
    answer = client.get(
        f"{path}/cog/WebMercatorQuad/tilejson.json", params={"url": f"{folder}/rgb.tif"}, headers=headers or {}
    )
    assert answer.status_code == 200, answer.text
    address: str = answer.json()["tiles"][0]
    return address.partition("/cog/")[0]


def with_peer(client: TestClient, peer: str) -> TestClient:
    """Return the client as if its connection came from that address."""
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


LINKED = (
    "/cog/WebMercatorQuad/tilejson.json",
    "/cog/tiles",
    "/cog/tiles/WebMercatorQuad",
    "/cog/WMTSCapabilities.xml",
    "/",
    "/tileMatrixSets",
    "/colorMaps",
    "/algorithms",
    "/layers",
    "/layers/dem",
    "/dem",
    "/dem/wmts",
    "/wmts",
    "/api",
    "/openapi.json",
)
"""Every kind of document with links in it."""
FORGED = (
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
)


@pytest.fixture(scope="module")
def layers(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A catalog with one layer."""
    root = tmp_path_factory.mktemp("layers")
    (root / "dem").mkdir()
    document = {"source": f"{folder}/rgb.tif", "minzoom": 4, "maxzoom": 7, "bounds": [5.0, 45.0, 15.0, 55.0]}
    (root / "dem" / "index.json").write_text(json.dumps(document))
    return f"{root}/"


@pytest.mark.parametrize("host", FORGED)
def test_a_host_that_is_not_listed_never_gets_into_a_link(folder: Path, layers: str, host: str) -> None:
    client = at(folder, allowed_hosts="tiles.example.com", catalog=layers)
    for path in (*LINKED, "/cog/info/"):
        answer = client.get(path, params={"url": f"{folder}/rgb.tif"}, headers={"host": host}, follow_redirects=False)
        assert answer.status_code in (200, 307), answer.text
        assert "evil" not in answer.text + answer.headers.get("location", "")
        if host:
            assert f"//{host}" not in answer.text
        if answer.status_code == 200:  # without a host it would be useless to everybody else
            assert answer.headers["cache-control"].startswith("private"), path


@pytest.mark.parametrize("path", LINKED)
def test_links_name_the_host_asked_for_and_no_shared_cache_keeps_them(folder: Path, layers: str, path: str) -> None:
    client = at(folder, catalog=layers, cache_control="public, max-age=60, s-maxage=600")
    for host in ("tiles.example.com", "my_service:8000", "192.168.1.1", "127.0.0.1:8000", "localhost"):
        answer = client.get(path, params={"url": f"{folder}/rgb.tif"}, headers={"host": host})
        assert answer.status_code == 200, answer.text
        assert f"http://{host}" in answer.text
        assert answer.headers["cache-control"] == "private, max-age=60"
        page = client.get(path, params={"url": f"{folder}/rgb.tif"}, headers={"host": host, "accept": "text/html"})
        assert "public" not in page.headers["cache-control"]


@pytest.mark.parametrize("path", LINKED)
@pytest.mark.parametrize(
    "settings", [{"public_url": "http://tiles.example.com"}, {"allowed_hosts": "other.example,tiles.example.com"}]
)
def test_what_is_set_is_for_everybody(folder: Path, layers: str, path: str, settings: dict[str, str]) -> None:
    client = at(folder, catalog=layers, **settings)
    for _ in range(2):  # made, then out of memory
        answer = client.get(path, params={"url": f"{folder}/rgb.tif"}, headers={"host": "tiles.example.com"})
        assert "http://tiles.example.com" in answer.text
        assert answer.headers["cache-control"] == "public, max-age=3600"


def test_known_documents_stay_private(folder: Path) -> None:
    client = at(folder)
    query = {"url": f"{folder}/rgb.tif"}
    host = {"host": "a.example"}
    tag = client.get(LINKED[0], params=query, headers=host).headers["etag"]
    known = client.get(LINKED[0], params=query, headers=host | {"if-none-match": tag})
    assert known.status_code == 304
    assert known.headers["cache-control"].startswith("private")


def test_what_has_no_links_is_for_everybody(folder: Path) -> None:
    client = at(folder)
    for path in ("/cog/tiles/WebMercatorQuad/0/0/0.png", "/cog/info", "/cog/preview.png", "/colorMaps/viridis"):
        answer = client.get(path, params={"url": f"{folder}/rgb.tif"}, headers={"host": "a.example"})
        assert answer.headers["cache-control"] == "public, max-age=3600", path


def test_any_host_that_a_star_lists_is_no_host_for_everybody(folder: Path) -> None:
    client = at(folder, allowed_hosts="*")
    assert tiles(client, folder, headers={"host": "a.example"}) == "http://a.example"
    answer = client.get("/", headers={"host": "a.example"})
    assert answer.headers["cache-control"].startswith("private")


def test_what_a_trusted_proxy_may_have_let_through_is_told_to_caches(folder: Path) -> None:
    client = at(folder, trusted_proxies="10.0.0.0/8", allowed_hosts="a.example,b.example")
    answer = client.get("/", headers={"host": "a.example", "x-forwarded-host": "b.example"})
    assert "http://b.example/" in answer.text
    assert answer.headers["cache-control"].startswith("public")
    assert {"X-Forwarded-Host", "X-Forwarded-Proto"} <= set(answer.headers["vary"].split(", "))
    # a prefix can be compared with nothing
    answer = client.get("/", headers={"host": "a.example", "x-forwarded-prefix": "/maps"})
    assert "http://a.example/maps/" in answer.text
    assert answer.headers["cache-control"].startswith("private")
    fixed = at(folder, trusted_proxies="10.0.0.0/8", allowed_hosts="a.example", root_path="/maps")
    assert fixed.get("/", headers={"host": "a.example"}).headers["cache-control"].startswith("public")


def test_the_name_in_an_event_of_aws_is_for_everybody() -> None:
    links = Links(Settings(_env_file=None))
    name = "abc.lambda-url.eu-central-1.on.aws"
    for server, shared in ((name, True), ("10.0.0.5", False), (None, False)):
        scope: dict[str, Any] = {
            "headers": [(b"host", name.encode())],
            "scheme": "https",
            "server": None if server is None else (server, 443),
            "state": {},
        }
        assert links.base(scope) == f"https://{name}"
        assert (FOR_CALLER not in scope["state"]) is shared
    # an address by number is no name, also where it is the socket's own: there may be a proxy before it
    scope = {"headers": [(b"host", b"93.184.216.34")], "server": ("93.184.216.34", 80), "state": {}}
    assert links.base(scope) == "http://93.184.216.34"
    assert FOR_CALLER in scope["state"]


@pytest.mark.parametrize(
    ("settings", "lines"), [({}, 1), ({"public_url": "https://a"}, 0), ({"allowed_hosts": "a.example"}, 0)]
)
def test_the_operator_is_told_once(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], lines: int) -> None:
    monkeypatch.setattr(advice, "_advised", False)
    said: list[str] = []
    for _ in range(3):
        advice.advise(Settings(_env_file=None, **settings), said.append)
    assert len(said) == lines
    assert all("TILERY_PUBLIC_URL" in line and "TILERY_ALLOWED_HOSTS" in line for line in said)


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "192.168.1.5", "[::1]:8000"])
def test_addresses_near_by_work_beside_a_list(folder: Path, host: str) -> None:
    client = at(folder, allowed_hosts="tiles.example.com")
    assert tiles(client, folder, headers={"host": host}) == f"http://{host}"
    assert client.get("/", headers={"host": host}).headers["cache-control"].startswith("private")


def test_answers_for_different_hosts_are_told_apart(folder: Path) -> None:
    client = at(folder, allowed_hosts="a.example,b.example")
    assert tiles(client, folder, headers={"host": "a.example"}) == "http://a.example"
    assert tiles(client, folder, headers={"host": "b.example"}) == "http://b.example"


@pytest.mark.parametrize(
    ("allowed", "host", "kept"),
    [
        ("tiles.example.com", "tiles.example.com", "public"),
        ("tiles.example.com", "tiles.example.com:80", "public"),  # where we listen
        ("tiles.example.com", "tiles.example.com:1337", "private"),
        ("*.example.com", "tiles.example.com:1337", "private"),
        ("*,tiles.example.com", "tiles.example.com:1337", "private"),
        ("tiles.example.com:8443", "tiles.example.com:8443", "public"),
        ("*.example.com:8443", "tiles.example.com:8443", "public"),
        ("tiles.example.com:8443,tiles.example.com", "tiles.example.com:1337", "private"),
    ],
)
def test_a_port_that_nobody_listed_is_for_its_caller_only(folder: Path, allowed: str, host: str, kept: str) -> None:
    # A cache that tells answers apart by the host's name would hand the link to everybody: the port is the caller's.
    client = at(folder, allowed_hosts=allowed)
    assert tiles(client, folder, headers={"host": host}) == f"http://{host}"
    assert client.get("/", headers={"host": host}).headers["cache-control"].startswith(kept)


def test_a_listed_port_lists_no_other(folder: Path) -> None:
    client = at(folder, allowed_hosts="tiles.example.com:8443")
    assert tiles(client, folder, headers={"host": "tiles.example.com:1337"}) == ""
    assert tiles(client, folder, headers={"host": "tiles.example.com"}) == ""


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "client"),
    [
        ("10.0.0.0/8", "10.0.0.7", ["198.51.100.9, 10.0.0.3"], "198.51.100.9"),
        ("10.0.0.0/8", "10.0.0.7", ["1.1.1.1", "198.51.100.9, 10.0.0.3"], "198.51.100.9"),
        ("10.0.0.0/8", "10.0.0.7", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.0/8", "10.0.0.7", [], "10.0.0.7"),
        ("10.0.0.0/8", "192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
        ("gateway,10.0.0.0/8", "gateway", ["198.51.100.9"], "198.51.100.9"),
        ("gateway,10.0.0.0/8", "other", ["198.51.100.9"], "other"),
        ("gateway,10.0.0.0/8", "192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
    ],
)
def test_who_asked_is_the_nearest_that_is_no_proxy(proxies: str, peer: str, forwarded: list[str], client: str) -> None:
    links = Links(Settings(_env_file=None, trusted_proxies=proxies))
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded]
    assert links.client({"client": (peer, 1), "headers": headers}) == client
    assert Links(Settings(_env_file=None)).client({"headers": headers}) == "?"


@pytest.mark.parametrize(
    ("settings", "to"),
    [
        ({}, "/healthz?a=1"),
        ({"root_path": "/maps"}, "/maps/healthz?a=1"),
        ({"public_url": "https://tiles.example.com/maps/"}, "/maps/healthz?a=1"),
        ({"public_url": "https://tiles.example.com"}, "/healthz?a=1"),
    ],
)
def test_a_slash_at_the_end_is_taken_off_below_the_prefix(folder: Path, settings: dict[str, str], to: str) -> None:
    answer = at(folder, **settings).get("/healthz/?a=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, to)
