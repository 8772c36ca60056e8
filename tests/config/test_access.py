"""What ``TILERY_ACCESS`` says, and how its mistakes are told without secrets."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from app.config import access
from app.config.access import Rate
from app.config.environment import WrongVariables
from app.config.provenance import rows
from app.config.settings import Settings

SECRET = "a-secret-of-forty-characters-and-more-0123"
TOML = """
[[tokens]]
name = "map"
token = "${MAP}"
rate = 2.5

[[tokens]]
name = "chief"
sha256 = "DIGEST"
scopes = ["read", "admin"]
client_rate = 10
client_burst = 30

[[keys]]
id = "2026-11"
secret = "${KEY}"

[oidc]
issuer = "https://login.example.com/realms/maps"
audience = "tilery"
admin = "tiles:admin"
""".replace("DIGEST", hashlib.sha256(b"chief").hexdigest().upper())
VARIABLES = {"MAP": "the token of the map\n", "KEY": SECRET}


def document(**parts: Any) -> str:
    return json.dumps(parts)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "access.toml"
    path.write_text(TOML)
    found = access.read(str(path), VARIABLES)
    map_, chief = found.tokens
    assert map_.digest == hashlib.sha256(b"the token of the map").digest()
    assert map_.scopes == {"read"}
    assert (map_.rate, map_.client_rate) == (Rate(a_second=2.5, burst=25), None)
    assert chief.digest == hashlib.sha256(b"chief").digest()
    assert chief.scopes == {"read", "admin"}
    assert (chief.rate, chief.client_rate) == (None, Rate(a_second=10, burst=30))
    assert [(key.id, key.secret) for key in found.keys] == [("2026-11", SECRET.encode())]
    assert found.issuer is not None
    assert (found.issuer.algorithms, found.issuer.read) == (("RS256", "ES256"), None)
    assert found.guarded


def test_the_same_as_json(tmp_path: Path) -> None:
    import tomllib

    path = tmp_path / "access.toml"
    path.write_text(TOML)
    text = json.dumps(tomllib.loads(TOML))
    other = tmp_path / "access.json"
    other.write_text(text)
    assert access.read(str(path), VARIABLES) == access.read(str(other), VARIABLES) == access.read(text, VARIABLES)
    assert access.read(TOML, VARIABLES) == access.read(text, VARIABLES)


TOKEN = {"name": "a", "token": "t" * 16}
KEY = {"id": "k", "secret": SECRET}
OIDC = {"issuer": "https://a.example", "audience": "tilery"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("{}", "everybody would be let in"),
        (document(tokens=[]), "everybody would be let in"),
        (document(token=[TOKEN]), "token: Extra inputs"),
        (document(tokens=[TOKEN | {"scope": ["read"]}]), "tokens.0.scope: Extra inputs"),
        (document(tokens=[TOKEN | {"scopes": ["write"]}]), "tokens.0.scopes.0: Input should be 'read' or 'admin'"),
        (document(tokens=[TOKEN | {"scopes": []}]), "tokens.0.scopes: List should have at least 1"),
        (document(tokens=[TOKEN | {"token": "short"}]), "tokens.0.token: String should have at least 16"),
        (document(tokens=[TOKEN | {"sha256": "0" * 64}]), "give 'token' or the 'sha256'"),
        (document(tokens=[{"name": "a"}]), "give 'token' or the 'sha256'"),
        (document(tokens=[{"name": "a", "sha256": "xyz"}]), "tokens.0.sha256"),
        (document(tokens=[TOKEN, TOKEN]), "two tokens are called 'a'"),
        (document(tokens=[TOKEN | {"rate": 0}]), "tokens.0.rate: Input should be greater than 0"),
        (document(tokens=[TOKEN | {"rate": "5"}]), "tokens.0.rate"),
        (document(tokens=[TOKEN | {"token": "${MISSING}"}]), "the variable MISSING is not set"),
        (document(keys=[KEY | {"secret": "short"}]), "keys.0.secret: String should have at least 32"),
        (document(keys=[KEY | {"id": "a.b"}]), "keys.0.id"),
        (document(keys=[KEY, KEY]), "two keys are called 'k'"),
        (document(oidc=OIDC | {"issuer": "login.example.com"}), "oidc.issuer: it is an address"),
        (document(oidc=OIDC | {"issuer": "https://user:pw@a.example"}), "oidc.issuer: it is an address"),
        (document(oidc=OIDC | {"algorithms": ["HS256"]}), "oidc.algorithms: it lists some of RS256"),
        (document(oidc=OIDC | {"algorithms": ["none"]}), "oidc.algorithms: it lists some of RS256"),
        (document(oidc={"issuer": "https://a.example"}), "oidc.audience: Field required"),
        ("/nowhere/access.toml", "No such file"),
    ],
)
def test_what_has_no_meaning(text: str, said: str) -> None:
    with pytest.raises(WrongVariables) as wrong:
        Settings(_env_file=None, access=text)
    assert said in wrong.value.problems["TILERY_ACCESS"]
    assert not any(secret in str(wrong.value) for secret in (SECRET, "t" * 16, "short", "user:pw"))


def test_an_issuer_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(WrongVariables, match=r"pip install 'tilery\[oidc\]'"):
        access.read(document(oidc=OIDC), {})


def test_all_settings_together() -> None:
    settings = Settings(_env_file=None, access_token="sesame", access=document(keys=[KEY]), client_rate=5)
    rules = access.rules_of(settings)
    assert [(token.name, sorted(token.scopes)) for token in rules.tokens] == [("TILERY_ACCESS_TOKEN", ["read"])]
    assert rules.client_rate == Rate(a_second=5, burst=50)
    assert rules.guarded
    assert rules.limited
    free = access.rules_of(Settings(_env_file=None))
    assert not free.guarded
    assert not free.limited


def test_an_admin_closes_nothing_to_others() -> None:
    rules = access.rules_of(Settings(_env_file=None, admin_token="an-admin-of-the-tests"))
    assert rules.has_admins
    assert not rules.guarded
    listed = document(tokens=[TOKEN | {"scopes": ["admin"]}])
    rules = access.rules_of(Settings(_env_file=None, access=listed))
    assert rules.has_admins
    assert rules.guarded, "who lists tokens wants them"


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_ACCESS", document(keys=[KEY]))
    assert SECRET not in repr(Settings(_env_file=None))
    from app.config import settings

    settings.get.cache_clear()
    try:
        shown = {row.variable: row.value for row in rows()}
    finally:
        settings.get.cache_clear()
    assert shown["TILERY_ACCESS"] == "********"
