"""JSON Web Tokens of an issuer on a loopback address, and what attackers make of them."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc import jwe, jwk, jwt

from app.api.access import issuer_keys
from app.api.access.issuer_keys import IssuerKeys
from app.api.access.oidc import SKEW, Verifier
from app.config.access import ADMIN, READ, Issuer
from tests.api.access.conftest import PLACE
from tests.support import service
from tests.support.http_server import Handler, HttpServer
from tilery.errors import Busy, Unauthorized

AUDIENCE = "tilery"
TILE = f"/dem/{PLACE}"


class Provider(HttpServer):
    """An issuer: its documents, what they were asked for, and its keys."""

    def __init__(self) -> None:
        self.rsa = jwk.RSAKey.generate_key(2048, {"kid": "rsa"}, auto_kid=False)
        self.ec = jwk.ECKey.generate_key("P-256", {"kid": "ec"}, auto_kid=False)
        self.documents: dict[str, Any] = {}
        self.asked: list[str] = []
        self.down = False
        self.location: str | None = None
        super().__init__(_Publishes)
        self.issuer = self.start().address
        self.publish(self.rsa, self.ec)

    def publish(self, *keys: Any, **more: Any) -> None:
        self.documents = {
            "/.well-known/openid-configuration": {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"},
            "/keys": {"keys": [key.as_dict(private=False) for key in keys]},
            **more,
        }

    def token(self, key: Any = None, alg: str = "RS256", header: Any = None, **changes: Any) -> bytes:
        now = time.time()
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "somebody", "exp": now + 600, "iat": now} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        key = key or self.rsa
        return jwt.encode({"alg": alg, "kid": key.kid} | (header or {}), claims, key, algorithms=[alg]).encode()


class _Publishes(Handler):
    def do_GET(self) -> None:
        self.owner.asked.append(self.path)
        found = self.owner.documents.get(self.path)
        if self.owner.location is not None:
            self.answer(302, headers={"Location": self.owner.location})
            return
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.answer(200 if found is not None and not self.owner.down else 503, body)


@pytest.fixture(scope="module")
def shared() -> Iterator[Provider]:
    found = Provider()
    yield found
    found.close()


@pytest.fixture
def provider(shared: Provider) -> Provider:
    shared.publish(shared.rsa, shared.ec)
    shared.down, shared.location = False, None
    shared.asked.clear()
    return shared


def issuer(provider: Provider, **changes: Any) -> Issuer:
    given = {"issuer": provider.issuer, "audience": AUDIENCE, "algorithms": ("RS256", "ES256")} | changes
    return Issuer(**given)


def looked_at(verifier: Verifier, *tokens: bytes) -> list[set[str] | None]:
    async def ask() -> list[set[str] | None]:
        found = [await verifier.scopes(token) for token in tokens]
        return [None if scopes is None else set(scopes) for scopes in found]

    return asyncio.run(ask())


def part(value: Any) -> bytes:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def by_secret(secret: bytes, body: bytes) -> bytes:
    """Return a token that is signed with a secret, by hand: libraries refuse to sign with what is no secret."""
    text = part({"alg": "HS256", "kid": "rsa"}) + b"." + body
    return text + b"." + urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")


def by_hand(provider: Provider, header: dict[str, Any], body: bytes) -> bytes:
    """Return a token with the issuer's own signature, whatever its header says."""
    text = part({"alg": "RS256", "kid": "rsa"} | header) + b"." + body
    assert provider.rsa.private_key is not None
    signature = provider.rsa.private_key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return text + b"." + urlsafe_b64encode(signature).rstrip(b"=")


def short_key() -> dict[str, Any]:
    """Return a public key of 1024 bits, for which RFC 7518, 3.3 has no use: 2048 are the least."""
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    modulus = urlsafe_b64encode(numbers.n.to_bytes(128, "big")).rstrip(b"=").decode()
    return {"kty": "RSA", "n": modulus, "e": "AQAB"}


class TestGood:
    def test_each_kind_of_key(self, provider: Provider) -> None:
        verifier = Verifier(issuer(provider))
        tokens = [provider.token(), provider.token(provider.ec, "ES256"), provider.token(aud=["a", AUDIENCE])]
        assert looked_at(verifier, *tokens, *tokens) == [{READ}] * 6
        assert provider.asked == ["/.well-known/openid-configuration", "/keys"], "asked once for all"

    def test_scopes(self, provider: Provider) -> None:
        verifier = Verifier(issuer(provider, read="tiles", admin="tiles:admin"))
        found = looked_at(
            verifier,
            provider.token(),
            provider.token(scope="openid tiles"),
            provider.token(scp=["tiles"]),
            provider.token(roles=["tiles:admin"]),
            provider.token(scope="tiles:admin2 admin read"),
            provider.token(scope={"tiles": 1}, scp=[1, None]),
        )
        assert found == [set(), {READ}, {READ}, {READ, ADMIN}, set(), set()]

    def test_keys_at_an_address_of_their_own(self, provider: Provider) -> None:
        provider.documents = {"/k": provider.documents["/keys"]}
        verifier = Verifier(issuer(provider, jwks=f"{provider.issuer}/k"))
        assert looked_at(verifier, provider.token()) == [{READ}]

    def test_a_token_without_an_id_is_by_the_only_key(self, provider: Provider) -> None:
        token = jwt.encode({"alg": "RS256"}, _claims(provider), provider.rsa, algorithms=["RS256"]).encode()
        assert looked_at(Verifier(issuer(provider)), token) == [None]
        provider.publish(provider.rsa)
        assert looked_at(Verifier(issuer(provider)), token) == [{READ}]


def _claims(provider: Provider) -> dict[str, Any]:
    return {"iss": provider.issuer, "aud": AUDIENCE, "exp": time.time() + 600}


class TestAttacks:
    def forged(self, provider: Provider) -> dict[str, bytes]:
        good = provider.token()
        head, body, signature = good.split(b".")
        other = jwk.RSAKey.generate_key(2048, {"kid": "rsa"}, auto_kid=False)
        public = provider.rsa.as_pem(private=False)
        document = json.dumps(provider.rsa.as_dict(private=False)).encode()
        claims = part(_claims(provider) | {"roles": ["admin"]})
        return {
            "no algorithm": part({"alg": "none", "kid": "rsa"}) + b"." + body + b".",
            "no algorithm in capitals": part({"alg": "NONE", "kid": "rsa"}) + b"." + body + b"." + signature,
            "no algorithm named": part({"kid": "rsa"}) + b"." + body + b"." + signature,
            "an algorithm that is a list": part({"alg": ["RS256"], "kid": "rsa"}) + b"." + body + b"." + signature,
            "the public key as a secret": by_secret(public, body),
            "the document of keys as a secret": by_secret(document, body),
            "an algorithm that is not listed": provider.token(alg="RS512"),
            "another kind of key": part({"alg": "ES256", "kid": "rsa"}) + b"." + body + b"." + signature,
            "other claims": head + b"." + claims + b"." + signature,
            "another's signature": provider.token(other),
            "a key of its own": provider.token(other, header={"jwk": other.as_dict(private=False)}),
            "keys at its own address": provider.token(other, header={"jku": "http://127.0.0.1:1/keys"}),
            "an unknown key": provider.token(other, header={"kid": "nobody's"}),
            "a key's id that is none": part({"alg": "RS256", "kid": {"a": 1}}) + b"." + body + b"." + signature,
            "a critical extension": by_hand(provider, {"crit": ["x"], "x": 1}, body),
            "cut off": good[:-4],
            "without a signature": head + b"." + body + b".",
            "encrypted": jwe.encrypt_compact(
                {"alg": "RSA-OAEP", "enc": "A128GCM", "kid": "rsa"}, json.dumps(_claims(provider)), provider.rsa
            ).encode(),
            "not base64": b"a.b.c",
            "of dots": b"..",
            "not JSON": part([1]) + b"." + body + b"." + signature,
            "very long": good + b"A" * (16 << 10),
            "deep": part({"alg": "RS256"})[:-2] + b"." + urlsafe_b64encode(b"[" * 9000) + b".AAAA",
        }

    def test_none_is_taken(self, provider: Provider) -> None:
        verifier = Verifier(issuer(provider))
        body = provider.token().split(b".")[1]
        assert looked_at(verifier, provider.token(), by_hand(provider, {}, body)) == [{READ}] * 2
        forged = self.forged(provider)
        found = looked_at(verifier, *forged.values())
        assert dict(zip(forged, found, strict=True)) == dict.fromkeys(forged)
        assert "http://127.0.0.1:1/keys" not in provider.asked

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"exp": -1}, "expired"),
            ({"exp": 0}, "expired"),
            ({"exp": None}, "not for this service"),
            ({"exp": "tomorrow"}, "not for this service"),
            ({"exp": True}, "not for this service"),
            ({"exp": float("nan")}, "not for this service"),
            ({"exp": float("inf")}, "not for this service"),
            ({"nbf": SKEW + 5}, "not for this service"),
            ({"iat": SKEW + 5}, "not for this service"),
            ({"aud": "another"}, "not for this service"),
            ({"aud": None}, "not for this service"),
            ({"aud": []}, "not for this service"),
            ({"aud": {"tilery": 1}}, "not for this service"),
            ({"iss": "http://127.0.0.1"}, "not for this service"),
            ({"iss": None}, "not for this service"),
        ],
    )
    def test_what_a_token_must_say(self, provider: Provider, changes: dict[str, Any], said: str) -> None:
        moment = 1_800_000_000.0
        verifier = Verifier(issuer(provider), now=lambda: moment)
        timed = {"exp": 600, "iat": 0} | changes
        for name in ("exp", "nbf", "iat"):
            value = timed.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                timed[name] = int(moment) + value
        with pytest.raises(Unauthorized, match=said):
            looked_at(verifier, provider.token(**timed))

    def test_a_clock_may_be_ahead_by_so_much(self, provider: Provider) -> None:
        moment = 1_800_000_000
        verifier = Verifier(issuer(provider), now=lambda: float(moment))
        ahead = provider.token(exp=moment + 600, iat=moment + SKEW, nbf=moment + SKEW)
        assert looked_at(verifier, ahead) == [{READ}]

    def test_the_second_of_its_end(self, provider: Provider) -> None:
        moment = [1_800_000_000.0]
        verifier = Verifier(issuer(provider), now=lambda: moment[0])
        token = provider.token(exp=1_800_000_002, iat=1_800_000_000)
        assert looked_at(verifier, token) == [{READ}]
        moment[0] += 1.999
        assert looked_at(verifier, token) == [{READ}]
        moment[0] = 1_800_000_002.0
        with pytest.raises(Unauthorized, match="expired"):
            looked_at(verifier, token)

    def test_what_is_remembered_is_bounded(self, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.api.access.oidc._KEPT", 3)
        verifier = Verifier(issuer(provider))
        looked_at(verifier, *(provider.token(provider.ec, "ES256", sub=str(number)) for number in range(9)))
        assert len(verifier._good) == 3

    @pytest.mark.filterwarnings("ignore:Key size should be")
    def test_keys_that_are_none(self, provider: Provider) -> None:
        weak = {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"}
        secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}
        used = provider.rsa.as_dict(private=False) | {"kid": "used", "use": "enc"}
        short = short_key() | {"kid": "short"}
        named = provider.ec.as_dict(private=False) | {"kid": 7}
        good = provider.ec.as_dict(private=False)
        document = {"keys": [weak, secret, used, short, named, 7, None, {"kty": "RSA"}, good]}
        assert set(issuer_keys._keys(document)) == {"ec"}
        assert issuer_keys._keys({"keys": "none"}) == {}


class TestTheIssuer:
    """What it publishes, and whether it can be reached."""

    def made(self, provider: Provider, **changes: Any) -> tuple[Verifier, list[float]]:
        clock = [1000.0]
        found = issuer(provider, **changes)
        return Verifier(found, keys=IssuerKeys(found, clock=lambda: clock[0])), clock

    def test_new_keys_are_found_and_unknown_ones_let_nobody_ask_more_often(self, provider: Provider) -> None:
        verifier, clock = self.made(provider)
        new = jwk.ECKey.generate_key("P-256", {"kid": "new"}, auto_kid=False)
        token = provider.token(new, "ES256")
        assert looked_at(verifier, *[token] * 20) == [None] * 20
        assert provider.asked.count("/keys") == 1
        provider.publish(new)
        clock[0] += issuer_keys.PAUSE - 1
        assert looked_at(verifier, token) == [None]
        clock[0] += 2
        assert looked_at(verifier, token) == [{READ}]
        assert provider.asked.count("/keys") == 2

    def test_a_key_that_is_withdrawn(self, provider: Provider) -> None:
        verifier, clock = self.made(provider)
        assert looked_at(verifier, provider.token(provider.ec, "ES256")) == [{READ}]
        provider.publish(provider.rsa)
        clock[0] += issuer_keys.KEPT + 1
        assert looked_at(verifier, provider.token(provider.ec, "ES256", sub="another")) == [None]

    def test_one_that_is_down(self, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
        verifier, clock = self.made(provider)
        provider.down = True
        for _ in range(3):
            with pytest.raises(Busy) as busy:
                looked_at(verifier, provider.token())
        assert (busy.value.status, busy.value.retry_after) == (503, issuer_keys.PAUSE)
        asked = len(provider.asked)
        assert asked <= 2, "and is not asked again at once"
        provider.down = False
        clock[0] += issuer_keys.PAUSE + 1
        assert looked_at(verifier, provider.token()) == [{READ}]
        provider.down = True
        clock[0] += issuer_keys.KEPT + 1
        assert looked_at(verifier, provider.token(sub="another")) == [{READ}], "its keys are good for a while"
        clock[0] += issuer_keys.KEPT_WITHOUT
        with pytest.raises(Busy):
            looked_at(verifier, provider.token(sub="a third"))
        assert "cannot be had" in caplog.text

    @pytest.mark.parametrize(
        "document",
        [b"{", b"[1]", b"[" * 100_000, b'{"keys": ' + b" " * issuer_keys._LONGEST + b"[]}", b"\xff"],
        ids=["cut off", "a list", "deep", "long", "no text"],
    )
    def test_documents_that_are_none(self, provider: Provider, document: bytes) -> None:
        for path in ("/keys", "/.well-known/openid-configuration"):
            provider.publish(provider.rsa, **{path: document})
            with pytest.raises(Busy):
                looked_at(self.made(provider)[0], provider.token())

    def test_anothers_discovery(self, provider: Provider) -> None:
        provider.documents["/.well-known/openid-configuration"]["issuer"] = "https://evil.example"
        with pytest.raises(Busy):
            looked_at(self.made(provider)[0], provider.token())

    def test_it_leads_to_no_address_of_this_network(self, provider: Provider) -> None:
        with Away() as away:
            provider.documents["/.well-known/openid-configuration"]["jwks_uri"] = f"{away.address}/keys"
            with pytest.raises(Busy):
                looked_at(self.made(provider)[0], provider.token())
            provider.location = f"{away.address}/keys"
            with pytest.raises(Busy):
                looked_at(self.made(provider)[0], provider.token())
            assert not away.asked

    def test_many_wait_for_one_answer(self, provider: Provider) -> None:
        verifier, _ = self.made(provider)

        async def ask() -> list[frozenset[str] | None]:
            tokens = [provider.token(sub=str(number)) for number in range(5)]
            return await asyncio.gather(*map(verifier.scopes, tokens))

        assert asyncio.run(ask()) == [frozenset({READ})] * 5
        assert provider.asked.count("/keys") == 1


class Away(HttpServer):
    """A server that nobody should be led to."""

    def __init__(self) -> None:
        super().__init__(_Refuses, "127.0.0.2")
        self.asked: list[str] = []


class _Refuses(Handler):
    def do_GET(self) -> None:
        self.owner.asked.append(self.path)
        self.answer(404)


def test_a_service_with_an_issuer(provider: Provider, catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tiles")
    rules = {"oidc": {"issuer": provider.issuer, "audience": AUDIENCE, "admin": "chief"}}
    settings = {"catalog": str(catalog), "access": json.dumps(rules), "api_docs": "admin"}
    with service.client(catalog, **settings) as client:

        def status(path: str, token: bytes) -> int:
            return client.get(path, headers={b"authorization": b"Bearer " + token}).status_code

        good, chief = provider.token(), provider.token(scope="chief")
        assert [status(TILE, good), status("/api", good), status("/api", chief)] == [200, 403, 200]
        assert client.get(TILE, params={"access_token": good.decode()}).status_code == 200
        assert status(TILE, provider.token(exp=time.time() - 1)) == 401
        assert status(TILE, TestAttacks().forged(provider)["the public key as a secret"]) == 401
        assert client.get(TILE).status_code == 401
        answer = client.get(TILE, headers={b"authorization": b"Bearer " + good})
        assert answer.headers["cache-control"].startswith("private")
