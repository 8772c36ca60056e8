"""An application inside of another process takes nothing of the environment that opens or closes it, or tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.isolated import isolated
from app.config.settings import Settings

SET = {
    "TILERY_CATALOG": "s3://layers/",
    "TILERY_TILE_STORE": "s3://tiles/",
    "TILERY_ACCESS_TOKEN": "a-token-that-is-long-enough",
    "TILERY_ACCESS": '{"tokens": [{"name": "a", "token": "another-token-that-is-long-enough"}]}',
    "TILERY_ADMIN_TOKEN": "a-third-token-that-is-long-enough",
    "TILERY_API_DOCS": "admin",
    "TILERY_CLIENT_RATE": "1",
    "TILERY_PUBLIC_URL": "https://tiles.example.com",
    "TILERY_ROOT_PATH": "/tiles",
    "TILERY_ALLOWED_HOSTS": "tiles.example.com",
    "TILERY_DISABLE_COG": "1",
    "TILERY_LOG_REQUESTS": "all",
    "TILERY_METRICS_PORT": "9090",
    "TILERY_EMF_NAMESPACE": "Tilery",
}


def test_nothing_of_the_environment_is_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    apart = isolated((f"{tmp_path}/",), tile_cache_bytes=0)
    sources = tmp_path / "sources.toml"
    sources.write_text('[[sources]]\nurl = "s3://others/"\n')
    for name, value in {**SET, "TILERY_SOURCES": "s3://mine/", "TILERY_SOURCES_FILE": str(sources)}.items():
        monkeypatch.setenv(name, value)
    unlike = Settings(_env_file=None)
    assert isolated((f"{tmp_path}/",), tile_cache_bytes=0) == apart
    given = {name.removeprefix("TILERY_").lower() for name in (*SET, "TILERY_SOURCES", "TILERY_SOURCES_FILE")}
    assert not {name for name in given if getattr(unlike, name) == getattr(apart, name)}, "these were not even set"
