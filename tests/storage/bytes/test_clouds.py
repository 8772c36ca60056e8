"""Google Cloud Storage and Azure Blob Storage, as scripted servers of their protocols see us: reading is plain HTTP."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.config.engine_options import source_policy, store_options
from app.config.settings import Settings
from tests.support import rasters, service
from tests.support.upstream import Fault, Upstream
from tilery.errors import SourceDenied, SourceNotFound, UpstreamError
from tilery.storage.bytes import ByteSource, SourceChanged
from tilery.storage.bytes.remote import HEAD
from tilery.storage.stores import Stores

DATA = os.urandom(200_000)
GOOGLE = "/bkt/a%2Etif"
"""As obstore writes the path of ``a.tif``."""
AZURE = "/cont/a.tif"


@pytest.fixture
def settings_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes settings whose file has this source."""
    monkeypatch.setenv("TOKEN", "sv=1&sig=t0p%2Fsecret")

    def made(**source: Any) -> Settings:
        file = tmp_path / "sources.json"
        file.write_text(json.dumps({"sources": [source]}))
        return Settings(_env_file=None, sources_file=str(file), deadline=10.0, fetch_retries=1)

    return made


@pytest.fixture(params=["gs", "az"])
def cloud(request: pytest.FixtureRequest, upstream: Upstream, settings_with: Any) -> tuple[Settings, str, str]:
    """Settings, an address, and where the server has it."""
    endpoint = upstream.root.rstrip("/")
    if request.param == "gs":
        return settings_with(url="gs://bkt/", endpoint=endpoint, anonymous=True), "gs://bkt/a.tif", GOOGLE
    settings = settings_with(url="az://cont/", endpoint=endpoint, account="account", anonymous=True)
    return settings, "az://cont/a.tif", AZURE


def opened(settings: Settings, url: str) -> ByteSource:
    return Stores(store_options(settings)).open(source_policy(settings).locate(url))


def test_ranges_of_an_object(upstream: Upstream, cloud: tuple[Settings, str, str]) -> None:
    settings, url, path = cloud
    upstream.put(path, DATA)
    source = opened(settings, url)
    assert (source.size, source.read(HEAD, 10)) == (len(DATA), DATA[HEAD : HEAD + 10])
    assert upstream.ranges == [(0, HEAD - 1), (HEAD, HEAD + 9)]
    assert source.refresh()
    assert not any("authorization" in request.headers for request in upstream.requests)


def test_replaced_missing_and_denied(upstream: Upstream, cloud: tuple[Settings, str, str]) -> None:
    settings, url, path = cloud
    with pytest.raises(SourceNotFound):
        opened(settings, url)
    upstream.put(path, DATA)
    source = opened(settings, url)
    upstream.put(path, DATA[::-1])
    with pytest.raises(SourceChanged):
        source.read(HEAD, 10)
    assert not source.refresh()
    for status, error in ((403, SourceDenied), (500, UpstreamError)):
        upstream.always = Fault(status=status)
        with pytest.raises(error):
            opened(settings, url)


def test_signatures_of_azure(upstream: Upstream, settings_with: Any) -> None:
    own = {"url": "az://cont/", "endpoint": upstream.root.rstrip("/"), "account": "account"}
    upstream.put(f"{AZURE}?sv=1&sig=t0p%2Fsecret", DATA)
    settings = settings_with(**own, query="?${TOKEN}")
    assert opened(settings, "az://cont/a.tif").size == len(DATA)
    upstream.always = Fault(status=404)
    with pytest.raises(SourceNotFound) as caught:
        opened(settings, "az://cont/b.tif")
    assert "t0p" not in str(vars(caught.value))
    upstream.always = None
    upstream.put(AZURE, DATA)
    key = base64.b64encode(b"t0p-secret").decode()
    assert opened(settings_with(**own, account_key=key), "az://cont/a.tif").size == len(DATA)
    assert upstream.requests[-1].headers["authorization"].startswith("SharedKey account:")


def test_what_makes_no_client_is_told(settings_with: Any) -> None:
    with pytest.raises(UpstreamError) as caught:
        opened(settings_with(url="gs://bkt/", service_account="/not/there.json"), "gs://bkt/a.tif")
    assert "there.json" not in caught.value.detail


def test_a_tile_of_each(upstream: Upstream, cloud: tuple[Settings, str, str], tmp_path: Path) -> None:
    settings, url, path = cloud
    upstream.put(path, rasters.constant(tmp_path / "a.tif", 7, size=256).read_bytes())
    gdal = url.replace("gs://", "/vsigs/").replace("az://", "/vsiaz/")
    with service.client(sources_file=settings.sources_file) as client:
        for spelling in (url, gdal):
            assert client.get("/cog/point/8.5,46.5", params={"url": spelling}).json()["values"] == [7]
        other = url.replace("bkt", "other").replace("cont", "other")
        assert client.get("/cog/info", params={"url": other}).status_code == 403
