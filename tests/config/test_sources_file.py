"""The file of sources: what it says reaches its sources, mistakes are told without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.config import checks, sources_file
from app.config import settings as settings_
from app.config.engine_options import engine_options, source_policy
from app.config.environment import WrongVariables
from app.config.provenance import rows
from app.config.settings import Settings
from tilery.storage.locations import HttpLocation, S3Location
from tilery.storage.policy import WrongSourcesError
from tilery.storage.source_options import Keys

TOML = """
[[sources]]
url = "s3://landsat/collection02/"
region = "us-west-2"
requester_pays = true

[[sources]]
url = "s3://landsat/collection02/level-2/"
role = "arn:aws:iam::123456789012:role/readers"
external_id = "${EXTERNAL}"

[[sources]]
url = "https://data.example.com/cogs/"
headers = { Authorization = "Bearer ${TOKEN}" }

[[sources]]
url = "https://account.blob.core.windows.net/container/"
query = "?${SAS}"
"""
VARIABLES = {"TOKEN": "t0p-secret\n", "SAS": "sv=2024&sig=t0p%2Fsecret", "EXTERNAL": "t0p-id"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sources.toml"
    path.write_text(TOML)
    return path


def test_what_a_file_says(file: Path) -> None:
    landsat, level, bearer, azure = sources_file.read(str(file), VARIABLES)
    assert (landsat.region, landsat.requester_pays, landsat.anonymous) == ("us-west-2", True, None)
    assert (level.role, level.external_id) == ("arn:aws:iam::123456789012:role/readers", "t0p-id")
    assert bearer.headers == {"Authorization": "Bearer t0p-secret"}
    assert azure.query == "sv=2024&sig=t0p%2Fsecret"


def test_keys_and_another_endpoint(tmp_path: Path) -> None:
    keys = {"access_key_id": "${ID}", "secret_access_key": "${KEY}", "session_token": "${SESSION}"}
    entries = [{"url": "s3://bkt/", "endpoint": "http://[::1]:9000/"} | keys, {"url": "s3://other/"}]
    path = tmp_path / "sources.json"
    path.write_text(json.dumps({"sources": entries}))
    found, other = sources_file.read(str(path), {"ID": "AKIA1", "KEY": "t0p", "SESSION": "short"})
    assert found.endpoint == "http://[::1]:9000"
    assert found.keys == Keys(access_key_id="AKIA1", secret_access_key="t0p", session_token="short")
    assert "t0p" not in repr(found)
    assert (other.endpoint, other.keys) == (None, None)


def test_json_means_the_same(file: Path, tmp_path: Path) -> None:
    import tomllib

    other = tmp_path / "sources.json"
    other.write_text(json.dumps(tomllib.loads(TOML)))
    assert sources_file.read(str(other), VARIABLES) == sources_file.read(str(file), VARIABLES)


@pytest.mark.parametrize("begin", ["", "\n# ours\n"])
def test_the_variable_may_hold_what_would_be_in_the_file(
    file: Path, begin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tomllib

    wanted = sources_file.read(str(file), VARIABLES)
    assert sources_file.read(begin + TOML, VARIABLES) == wanted
    assert sources_file.read(begin.replace("# ours", "") + json.dumps(tomllib.loads(TOML)), VARIABLES) == wanted
    monkeypatch.setenv("TILERY_SOURCES_FILE", '{"sources": [{"url": "https://a.example/", "query": "sig=t0p"}]}')
    settings_.get.cache_clear()
    assert {row.value for row in rows() if row.variable == "TILERY_SOURCES_FILE"} == {"********"}
    assert "t0p" not in repr(Settings(_env_file=None))
    settings_.get.cache_clear()
    for wrong in ('{"sources": "t0p"', "[[sources]]\nurl = t0p", '{"sources": [{"url": "s3://a/", "t0p": 1}]}'):
        with pytest.raises(WrongVariables) as caught:
            sources_file.read(wrong, VARIABLES)
        assert "t0p'" not in str(caught.value)


def test_the_longest_address_counts_and_all_are_listed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None, sources="/tmp/", sources_file=str(file))
    options, policy = engine_options(settings), source_policy(settings)
    assert options.policy == policy
    for url, number in (
        ("s3://landsat/collection02/a.tif", 0),
        ("s3://landsat/collection02/level-2/a.tif", 1),
        ("https://data.example.com/cogs/a.tif", 2),
    ):
        assert options.stores.of(policy.locate(url)) is options.stores.sources[number]
    assert options.stores.of(S3Location(bucket="landsat", key="other.tif")) is None
    elsewhere = HttpLocation(
        scheme="https", host="data.example.com.evil.example", port=443, path="/cogs/a.tif", query="", listed=False
    )
    assert options.stores.of(elsewhere) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[sources]]\nurl = 's3://bkt/'\nheaders = { X = 't0p' }", "'headers' is for https sources"),
        ("[[sources]]\nurl = 'https://h.example/'\nregion = 'us-east-1'", "'region' is for s3"),
        ("[[sources]]\nurl = 'https://*'\nheaders = { Authorization = 't0p' }", "named hosts only"),
        ("[[sources]]\nurl = 'https://h.example/'\nheaders = { Host = 't0p' }", "no header that can be set"),
        ("[[sources]]\nurl = 'https://h.example/'\nheaders = { 'If-Match' = 't0p' }", "no header that can be set"),
        ("[[sources]]\nurl = 'https://h.example/'\nheaders = { A = \"t0p\\r\\nB: c\" }", "on one line"),
        ("[[sources]]\nurl = 'https://h.example/'\nheaders = { 'A\\r\\n' = 't0p' }", "no header that can be set"),
        ("[[sources]]\nurl = 'https://h.example/'\nquery = 't0p sig'", "not a query"),
        ("[[sources]]\nurl = 'https://h.example/'\nquery = '${NOT_THERE}'", "variable NOT_THERE is not set"),
        ("[[sources]]\nurl = 'https://h.example/'\nquery_from = 't0p'", "not an address"),
        (
            "[[sources]]\nurl = 'https://h.example/'\nquery = 't0p'\nquery_from = 'https://t0p.example'",
            "two ways to sign",
        ),
        ("[[sources]]\nurl = 'az://cont/'\nquery_from = 'https://t0p.example'", "'query_from' is for https"),
        ("[[sources]]\nurl = 'https://*'\nquery_from = 'https://t0p.example'", "named hosts only"),
        ("[[sources]]\nurl = '/tmp/'\nheaders = { A = 't0p' }", "'headers' is for https sources"),
        ("[[sources]]\nurl = '/tmp/'\nregion = 't0p'", "'region' is for s3 sources"),
        ("[[sources]]\nurl = 'gs://bkt/'\nregion = 't0p'", "'region' is for s3"),
        ("[[sources]]\nurl = 'az://cont/'\naccount = 'T0p t0p'", "account"),
        ("[[sources]]\nurl = 'az://cont/'\naccount_key = 't0p'\nquery = 't0p'", "two ways to sign"),
        ("[[sources]]\nurl = 'gs://bkt/'\nanonymous = true\nservice_account = 't0p'", "'anonymous' goes with no"),
        ("[[sources]]\nurl = 's3://bkt/'\naccess_key_id = 't0p'", "go together"),
        ("[[sources]]\nurl = 's3://bkt/'\nanonymous = true\nprofile = 't0p'", "'anonymous' goes with no"),
        ("[[sources]]\nurl = 's3://bkt/'\nrole = 't0p'", "ARN of a role"),
        ("[[sources]]\nurl = 's3://bkt/'\nexternal_id = 't0p'", "goes with 'role'"),
        ("[[sources]]\nurl = 's3://bkt/'\nendpoint = 't0p'", "not an address"),
        ("[[sources]]\nurl = 'http://h.example/'\nproxy = 'http://me:t0p@proxy.example:3128'", "'proxy' is for https"),
        ("[[sources]]\nurl = 's3://bkt/'\nsession_token = 't0p'", "go together"),
        ("[[sources]]\nurl = 's3://bkt/'\nrequester_pays = 't0p'", "requester_pays"),
        ("[[sources]]\nurl = 's3://bkt/'\nregoin = 't0p'", "regoin"),
        ("[[sources]]\nurl = 'nothing'", "is none of s3://"),
        ("[[sources]]\nregion = 'us-east-1'", "url"),
        ("sources = 't0p'", "sources"),
        ("[[source]]\nurl = 's3://bkt/'", "source"),
        ("= t0p", "not TOML"),
        (None, "cannot be read"),
    ],
)
def test_mistakes_end_the_start_and_name_no_secret(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "wrong.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WrongVariables) as caught:
        Settings(_env_file=None, sources_file=str(path))
    (problem,) = caught.value.problems.items()
    assert problem[0] == "TILERY_SOURCES_FILE"
    assert why in problem[1]
    assert "t0p" not in problem[1]


def test_no_secret_is_printed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TILERY_SOURCES_FILE", str(file))
    settings = Settings(_env_file=None)
    settings_.get.cache_clear()
    printed = f"{settings!r} {engine_options(settings)!r} {rows()!r}"
    assert next(row.value for row in rows() if row.variable == "TILERY_SOURCES_FILE") == str(file)
    settings_.get.cache_clear()
    assert "t0p" not in printed


def test_variables_may_be_in_the_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOKEN", raising=False)
    (tmp_path / ".env").write_text("TILERY_SOURCES_FILE=sources.toml\nTOKEN=from-file\n")
    (tmp_path / "sources.toml").write_text(
        "[[sources]]\nurl = 'https://h.example/'\nheaders = { Authorization = 'Bearer ${TOKEN}' }"
    )
    (found,) = engine_options(Settings()).stores.sources
    assert found.headers == {"Authorization": "Bearer from-file"}


@pytest.mark.parametrize(
    "url",
    [
        "https://user:${PW}@h.example/",
        "https://user:t0p@h.example/",
        "https://user:t0p/@h.example/",
        "https://h.example/a/?sig=t0p",
        "https://h.example/${PW}/../",
        "https://h.example/%25${PW}/*",
        "https://h.example.${PW}:0/",
        "${PW}",
        "s3://${PW}/*/",
        "${PW}://h.example/",
    ],
)
def test_a_wrong_address_is_told_without_what_its_variables_stand_for(tmp_path: Path, url: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f"[[sources]]\nurl = '{url}'")
    for secret in ("t0p", "0xt0p", "T%740p T0P t0p"):
        with pytest.raises(WrongVariables) as caught:
            sources_file.read(str(path), {"PW": secret})
        assert "source 1: " in str(caught.value)
        assert "t0p" not in str(caught.value).lower()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("sources", "https://user:t0p@h.example/"),
        ("sources", "https://h.example/?sig=t0p"),
        ("catalog", "https://user:t0p@h.example/"),
        ("catalog", "s3://user:t0p@layers/"),
        ("tile_store", "https://user:t0p@h.example/?sig=t0p"),
    ],
)
def test_what_is_told_of_settings_has_no_password(variable: str, value: str) -> None:
    said: dict[str, Any] = {variable: value}
    with pytest.raises((WrongVariables, WrongSourcesError)) as caught:
        checks.checked(Settings(_env_file=None, **said))
    assert variable.upper() in str(caught.value)
    assert "t0p" not in str(caught.value)
