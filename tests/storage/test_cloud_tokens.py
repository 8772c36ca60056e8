"""Tokens of Google and Azure: asked for where they are, before a tile needs them, and anew before they run out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import pytest

from app.config.engine_options import source_policy, store_options
from app.config.settings import Settings
from tests.support import service
from tests.support.upstream import Fault, Request, Upstream
from tilery.errors import UpstreamError
from tilery.storage import cloud_tokens
from tilery.storage.cloud_tokens import NoToken, look_up_of
from tilery.storage.policy import Policy
from tilery.storage.source_options import SourceOptions
from tilery.storage.stores import Stores

DATA = os.urandom(100_000)
GOOGLE = "/computeMetadata/v1/instance/service-accounts/default/token"
AZURE = "/msi?" + urlencode({"api-version": "2019-08-01", "resource": "https://storage.azure.com"})


def document(token: str, *, seconds: float = 3600) -> bytes:
    return json.dumps({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}).encode()


def until(check: Callable[[], object]) -> None:
    patience = time.monotonic() + 20
    while not check():
        assert time.monotonic() < patience
        time.sleep(0.01)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment without anything that clouds know of."""
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCE_", "AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture(params=["gs", "az"])
def machine(request: pytest.FixtureRequest, bare: pytest.MonkeyPatch, upstream: Upstream) -> tuple[str, str, Any]:
    """A machine with an identity: where its token is, an address in a store, and what is said of its source."""
    endpoint = upstream.root.rstrip("/")
    if request.param == "gs":
        bare.setenv("GCE_METADATA_HOST", upstream.root.split("/")[2])
        upstream.put("/bkt/a%2Etif", DATA)
        return GOOGLE, "gs://bkt/a.tif", {"url": "gs://bkt/", "endpoint": endpoint}
    bare.setenv("IDENTITY_ENDPOINT", upstream.url("/msi"))
    bare.setenv("IDENTITY_HEADER", "t0p-secret")
    upstream.put("/cont/a.tif", DATA)
    return AZURE, "az://cont/a.tif", {"url": "az://cont/", "endpoint": endpoint, "account": "account"}


def settings_of(tmp_path: Path, source: Any) -> Settings:
    (tmp_path / "sources.json").write_text(json.dumps({"sources": [source]}))
    return Settings(_env_file=None, sources_file=str(tmp_path / "sources.json"), deadline=10.0, fetch_retries=0)


def asked(upstream: Upstream, target: str) -> list[Request]:
    return [request for request in upstream.requests if request.target == target]


def test_no_tile_asks_for_a_token(machine: tuple[str, str, Any], upstream: Upstream, tmp_path: Path) -> None:
    target, url, source = machine
    upstream.put(target, document("first", seconds=1.4))
    settings = settings_of(tmp_path, source)
    policy = source_policy(settings)
    stores = Stores(store_options(settings), policy.locate)
    stores.prepare(policy.buckets())
    until(lambda: asked(upstream, target))
    upstream.put(target, document("second"))
    until(lambda: len(asked(upstream, target)) >= 2)
    opened = stores.open(policy.locate(url))
    before = len(asked(upstream, target))
    until(lambda: opened.read(70_000, 10) == DATA[70_000:70_010] and "second" in str(upstream.requests[-1].headers))
    assert upstream.requests[-1].headers["authorization"] == "Bearer second"
    assert len(asked(upstream, target)) == before
    said = asked(upstream, target)[0].headers
    of_google = said.get("metadata-flavor") == "Google"
    assert of_google or (said["metadata"], said["x-identity-header"]) == ("true", "t0p-secret")


def test_a_service_has_a_token_before_the_first_tile_asks(
    machine: tuple[str, str, Any], upstream: Upstream, tmp_path: Path
) -> None:
    target, url, source = machine
    upstream.put(target, document("first"))
    with service.client(sources_file=settings_of(tmp_path, source).sources_file) as client:
        until(lambda: asked(upstream, target))
        assert client.get("/cog/info", params={"url": url}).status_code == 415
    assert [request.headers.get("authorization") for request in upstream.requests] == [None, "Bearer first"]


def test_who_has_no_identity_is_told(machine: tuple[str, str, Any], upstream: Upstream, tmp_path: Path) -> None:
    target, url, source = machine
    upstream.put(target, b"<html>")
    settings = settings_of(tmp_path, source)
    with pytest.raises(UpstreamError, match="There are no credentials to reach this store with") as caught:
        Stores(store_options(settings)).open(source_policy(settings).locate(url))
    assert "t0p" not in f"{caught.value.detail}{caught.value.private}"


def token(service_: str, variables: dict[str, str], **said: Any) -> cloud_tokens.Token | None:
    url = f"{service_}://bucket/"
    own = SourceOptions(address=url, where=Policy.from_sources([url]), **said)
    look_up = look_up_of(service_, variables, own)
    return None if look_up is None else look_up()


def test_of_who_has_logged_in(bare: pytest.MonkeyPatch, upstream: Upstream, tmp_path: Path) -> None:
    upstream.put("/token", document("of a person"))
    keys = {"client_id": "C", "client_secret": "S", "refresh_token": "R"}
    file = tmp_path / ".config/gcloud/application_default_credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"type": "authorized_user", "token_uri": upstream.url("/token"), **keys}))
    found = token("gs", {})
    assert found is not None
    assert found["token"] == "of a person"
    (request,) = upstream.requests
    assert dict(parse_qsl(request.body.decode())) == keys | {"grant_type": "refresh_token"}


@pytest.mark.parametrize("secret", [True, False])
def test_of_an_application(upstream: Upstream, tmp_path: Path, secret: bool) -> None:
    (tmp_path / "token").write_text("of the pod\n")
    upstream.put("/tenant/oauth2/v2.0/token", document("of an application"))
    own = {"AZURE_CLIENT_SECRET": "S"} if secret else {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    variables = {"AZURE_CLIENT_ID": "C", "AZURE_TENANT_ID": "tenant", "AZURE_AUTHORITY_HOST": upstream.root}
    found = token("az", variables | own)
    assert found is not None
    assert found["token"] == "of an application"
    form = parse_qs(upstream.requests[0].body.decode())
    assert (form["client_id"], form["scope"]) == (["C"], ["https://storage.azure.com/.default"])
    assert form["client_secret" if secret else "client_assertion"] == ["S" if secret else "of the pod"]


@pytest.mark.parametrize(
    ("service_", "variables", "said"),
    [
        ("gs", {}, {"anonymous": True}),
        ("gs", {}, {"service_account": "/key.json"}),
        ("gs", {"GOOGLE_SERVICE_ACCOUNT": "/key.json"}, {}),
        ("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "/not/there.json"}, {}),
        ("az", {}, {"account_key": "K"}),
        ("az", {}, {"query": "sig=1"}),
        ("az", {"AZURE_STORAGE_ACCOUNT_KEY": "K"}, {}),
        ("az", {"AZURE_STORAGE_SAS_TOKEN": "sig=1"}, {}),
    ],
)
def test_what_signs_by_itself_asks_nobody(
    bare: pytest.MonkeyPatch, service_: str, variables: dict[str, str], said: dict[str, Any]
) -> None:
    assert token(service_, variables, **said) is None


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"access_token": "t0p", "expires_in": "soon"}', None])
def test_answers_that_are_no_tokens(upstream: Upstream, answer: bytes | None) -> None:
    if answer is None:
        upstream.always = Fault(status=400)
    else:
        upstream.put(GOOGLE, answer)
    with pytest.raises(NoToken) as caught:
        token("gs", {"GCE_METADATA_HOST": upstream.root.split("/")[2]})
    assert "t0p" not in str(caught.value)
