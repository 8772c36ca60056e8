"""Several tokens with scopes, who may see the API's description, and how fast requests may come."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.config.settings import Settings
from tests.api.access.conftest import KEY, PLACE, access, ask, signed
from tests.support import service

READER, ADMIN, SLOW = "a-token-that-may-read", "a-token-that-may-all", "a-token-that-is-slow"
TILE = f"/dem/{PLACE}"
DOCS = ("/api", "/api.html", "/openapi.json", "/docs", "/redoc")
DIGEST = hashlib.sha256(ADMIN.encode()).hexdigest()
TOKENS: list[dict[str, Any]] = [
    {"name": "reader", "token": READER},
    {"name": "chief", "sha256": DIGEST, "scopes": ["admin"]},
    {"name": "slow", "token": SLOW, "rate": 0.001, "burst": 3},
]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses do not wait, as in a function of Lambda."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tiles")


def rules(**more: Any) -> str:
    return json.dumps({"tokens": TOKENS, **more})


@pytest.fixture
def client(catalog: Path) -> Iterator[TestClient]:
    with service.client(catalog, catalog=str(catalog), access=rules(), access_token="sesame") as found:
        yield found


class TestScopes:
    @pytest.mark.parametrize("token", [READER, ADMIN, SLOW, "sesame"])
    def test_each_token_reads(self, client: TestClient, token: str) -> None:
        assert client.get(TILE, headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert client.get(TILE, params={"access_token": token}).status_code == 200

    @pytest.mark.parametrize("token", [READER[:-1], READER + "x", READER.upper(), "reader", DIGEST, " "])
    def test_no_other_does(self, client: TestClient, token: str) -> None:
        assert client.get(TILE, params={"access_token": token}).status_code == 401
        assert client.get(TILE, headers={"authorization": f"Basic {READER}"}).status_code == 401

    def test_a_wrong_token_beside_a_good_signature(self, catalog: Path) -> None:
        """As where a proxy puts tokens of its own into requests."""
        with service.client(catalog, catalog=str(catalog), access=access(KEY)) as client:
            headers = {"authorization": "Bearer of-somebody-else"}
            params = {"access_signature": signed("layer:dem")}
            assert client.get(TILE, params=params, headers=headers).status_code == 200
            assert client.get("/other", params=params, headers=headers).status_code == 401


class TestDocs:
    @pytest.mark.parametrize("path", DOCS)
    def test_for_admins(self, catalog: Path, path: str) -> None:
        with service.client(catalog, catalog=str(catalog), access=rules(), api_docs="admin") as client:
            for token, status in ((None, 401), ("wrong", 401), (READER, 403), (ADMIN, 200)):
                params = {} if token is None else {"access_token": token}
                answer = client.get(path, params=params)
                assert answer.status_code == status
                if status == 403:
                    assert answer.json()["code"] == "forbidden"
            encoded = f"/%{ord(path[1]):x}{path[2:]}"
            for odd in (f"{path}/", f"/{path}", encoded, f"/static/..{path}", f"/static/%2e%2e{path}", path.upper()):
                assert ask(client, odd, f"access_token={READER}") in {403, 404, 307}
            assert ask(client, encoded, f"access_token={READER}") == 403
            assert ask(client, encoded, f"access_token={ADMIN}") == 200

    @pytest.mark.parametrize("path", DOCS)
    def test_for_nobody(self, catalog: Path, path: str) -> None:
        with service.client(catalog, catalog=str(catalog), api_docs="off") as client:
            assert client.get(path).status_code == 404
            links = [link["href"] for link in client.get("/").json()["links"]]
            assert not [href for href in links if href.endswith(path)]
            assert "api.html" not in client.get("/?f=html").text
            assert "api.html" not in client.get("/map").text

    def test_for_an_admin_where_everybody_may_read(self, catalog: Path) -> None:
        with service.client(catalog, catalog=str(catalog), admin_token=ADMIN, api_docs="admin") as client:
            assert client.get(TILE).status_code == 200
            for path in DOCS:
                assert client.get(path).status_code == 401
                assert client.get(path, params={"access_token": ADMIN}).status_code == 401, "it is for headers"
                assert client.get(path, headers={"authorization": f"Bearer {ADMIN}"}).status_code == 200

    def test_open_by_default(self, client: TestClient) -> None:
        assert all(client.get(path).status_code == 200 for path in DOCS)

    def test_admins_must_be_somebody(self) -> None:
        with pytest.raises(ValueError, match="TILERY_API_DOCS"):
            Settings(_env_file=None, api_docs="admin")


class TestAdmins:
    CHANGES = (("DELETE", "/layers/dem"), ("PATCH", "/layers/dem"), ("PUT", "/layers/dem"), ("POST", "/layers"))

    def statuses(self, client: TestClient, **given: Any) -> set[int]:
        shown = client.get("/layers/dem/document", **given).status_code
        return {shown, *(client.request(method, path, **given).status_code for method, path in self.CHANGES)}

    def test_who_may_change_layers(self, catalog: Path) -> None:
        keys = json.loads(access(KEY))["keys"]
        settings = {"catalog": str(catalog), "access": rules(keys=keys), "access_token": "sesame"}
        with service.client(catalog, **settings) as client:
            assert self.statuses(client) == {401}
            for token in (READER, "sesame", SLOW):
                assert self.statuses(client, headers={"authorization": f"Bearer {token}"}) <= {403, 429}
            assert self.statuses(client, params={"access_token": ADMIN}) == {403}, "it is in an address"
            signed_ = self.statuses(client, params={"access_signature": signed("layer:dem")})
            assert signed_ == {403, 401}, "POST /layers is no layer's"
            assert client.get("/layers/dem/document", headers={"authorization": f"Bearer {ADMIN}"}).status_code == 200
            lacking = client.delete("/layers/dem", headers={"authorization": f"Bearer {ADMIN}"})
            assert lacking.json()["code"] == "precondition_required"
            assert client.get("/dem", headers={"authorization": f"Bearer {ADMIN}"}).status_code == 200

    def test_where_there_is_no_admin(self, catalog: Path) -> None:
        with service.client(catalog, catalog=str(catalog), access=access(KEY)) as client:
            query = {"access_signature": signed("layer:dem")}
            assert client.delete("/layers/dem", params=query).status_code == 405


class TestRates:
    @pytest.fixture
    def limited(self, catalog: Path) -> Iterator[TestClient]:
        settings = {"client_rate": 0.001, "client_burst": 3, "trusted_proxies": "10.0.0.0/8"}
        with service.client(catalog, catalog=str(catalog), **settings) as found:
            yield found

    def statuses(self, client: TestClient, count: int, **given: Any) -> list[int]:
        return [client.get(TILE, **given).status_code for _ in range(count)]

    def test_a_burst_and_no_more(self, limited: TestClient) -> None:
        assert self.statuses(limited, 5) == [200, 200, 200, 429, 429]
        for path in ("/healthz", "/ping", "/readyz"):
            assert self.statuses(limited, 1) == [429]
            assert limited.get(path).status_code == 200

    def test_what_a_refusal_says(self, limited: TestClient) -> None:
        first = limited.get(TILE, headers={"origin": "https://map.example"})
        assert first.headers["ratelimit-policy"] == '"client";q=3;w=3000'
        assert first.headers["ratelimit"] == '"client";r=2;t=1000'
        assert "RateLimit" in first.headers["access-control-expose-headers"]
        self.statuses(limited, 2)
        last = limited.get(TILE, headers={"origin": "https://map.example"})
        assert (last.status_code, last.json()["code"]) == (429, "rate_limited")
        assert last.headers["cache-control"] == "no-store"
        assert last.headers["access-control-allow-origin"] == "*"
        assert 900 < int(last.headers["retry-after"]) <= 1000
        assert re.fullmatch(r'"client";r=0;t=\d{4}', last.headers["ratelimit"])

    def test_every_method_counts_but_preflights(self, limited: TestClient) -> None:
        wish = {"origin": "https://a.example", "access-control-request-method": "GET"}
        assert {limited.options(TILE, headers=wish).status_code for _ in range(9)} == {204}
        assert [limited.request(method, TILE).status_code for method in ("HEAD", "DELETE", "GET")] == [200, 405, 200]
        assert limited.head(TILE).status_code == 429
        assert limited.get("/nothing/here").status_code == 429
        assert limited.get("/static/0/common.js").status_code == 429

    def test_nobody_gives_himself_another_address(self, limited: TestClient) -> None:
        """The client of these requests is no proxy that is trusted."""
        names = ("x-forwarded-for", "forwarded", "x-real-ip", "x-viewer-address", "x-client-ip", "true-client-ip")
        found = []
        for number in range(6):
            found += self.statuses(limited, 1, headers=dict.fromkeys(names, f"203.0.113.{number}"))
        assert found == [200, 200, 200, 429, 429, 429]

    def test_behind_a_trusted_proxy(self, catalog: Path) -> None:
        settings = {"client_rate": 0.001, "client_burst": 2, "trusted_proxies": "10.0.0.0/8,testclient"}
        with service.client(catalog, catalog=str(catalog), **settings) as client:
            forged = [f"198.51.100.{number}, 192.0.2.1" for number in range(3)]
            found = [self.statuses(client, 1, headers={"x-forwarded-for": text})[0] for text in forged]
            assert found == [200, 200, 429], "who is nearest to the proxy counts, not what he says of others"
            assert self.statuses(client, 1, headers={"x-forwarded-for": "192.0.2.2"}) == [200]
            same = [f"2001:db8:1:2::{number}" for number in range(3)]
            assert [self.statuses(client, 1, headers={"x-forwarded-for": text})[0] for text in same] == [200, 200, 429]

    def test_a_tokens_own_rate(self, catalog: Path) -> None:
        settings = {"access": rules(), "client_rate": 0.001, "client_burst": 5}
        with service.client(catalog, catalog=str(catalog), **settings) as client:
            slow = {"access_token": SLOW}
            answer = client.get(TILE, params=slow)
            assert answer.headers["ratelimit-policy"] == '"token";q=3;w=3000'
            assert self.statuses(client, 4, params=slow) == [200, 200, 429, 429]
            assert self.statuses(client, 6, params={"access_token": READER}) == [200] * 5 + [429]

    def test_a_wrong_token_counts_for_its_address(self, catalog: Path) -> None:
        settings = {"access": rules(), "client_rate": 0.001, "client_burst": 5}
        with service.client(catalog, catalog=str(catalog), **settings) as client:
            assert self.statuses(client, 3, params={"access_token": "wrong"}) == [401] * 3
            assert self.statuses(client, 2) == [401] * 2
            assert self.statuses(client, 2, params={"access_token": READER}) == [429] * 2
            assert self.statuses(client, 1, params={"access_token": SLOW}) == [200], "who has a right one of his own"

    def test_one_address_does_not_use_up_what_a_token_has(self, catalog: Path) -> None:
        token = {"name": "map", "token": READER, "rate": 0.001, "burst": 4, "client_rate": 0.001, "client_burst": 2}
        settings = {"access": json.dumps({"tokens": [token]}), "trusted_proxies": "testclient"}
        with service.client(catalog, catalog=str(catalog), **settings) as client:
            query = {"access_token": READER}

            def ask(address: str, count: int) -> list[int]:
                return self.statuses(client, count, params=query, headers={"x-forwarded-for": address})

            assert ask("192.0.2.1", 9) == [200] * 2 + [429] * 7
            assert ask("192.0.2.2", 3) == [200] * 2 + [429]
            assert ask("192.0.2.3", 1) == [429], "now it is the token that has nothing left"

    def test_signed_addresses_count_for_their_callers(self, catalog: Path) -> None:
        settings = {"access": access(KEY), "client_rate": 0.001, "client_burst": 2}
        with service.client(catalog, catalog=str(catalog), **settings) as client:
            found = []
            for seconds in range(4):
                text = signed("layer:dem", seconds=500 + seconds)
                found += self.statuses(client, 1, params={"access_signature": text})
            assert found == [200, 200, 429, 429]

    def test_no_header_where_nothing_is_limited(self, client: TestClient) -> None:
        names = client.get(TILE, params={"access_token": "sesame"}).headers
        assert not {name for name in names if name.startswith("ratelimit")}
