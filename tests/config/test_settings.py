"""Settings are read from the environment as they always were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.config import advice
from app.config import settings as settings_module
from app.config.environment import WrongVariables
from app.config.settings import Settings


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def problems(**given: Any) -> dict[str, str]:
    with pytest.raises(WrongVariables) as caught:
        Settings(**given)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("TILERY_SOURCES", "/a/, s3://b/ ,,", "sources", ("/a/", "s3://b/")),
        ("TILERY_SOURCES", "", "sources", ()),
        ("TILERY_CATALOG", "/c", "catalog", "/c"),
        ("TILERY_MAX_SIZE", "12", "max_size", 12),
        ("TILERY_RENDER_SLOTS", "3", "render_slots", 3),
        ("TILERY_DEADLINE", "2.5", "deadline", 2.5),
        ("TILERY_DEADLINE", "2", "deadline", 2.0),
        ("TILERY_DEBUG", "Yes", "debug", True),
        ("TILERY_DEBUG", "0", "debug", False),
        ("TILERY_EMPTY_TILE", "204", "empty_tile", "204"),
        ("LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("TITILER_API_NAME", "Mine", "name", "Mine"),
        ("TILERY_ROOT_PATH", "maps/", "root_path", "/maps"),
        ("TILERY_ROOT_PATH", "/", "root_path", ""),
        ("TILERY_PUBLIC_URL", "https://a.example/maps/", "public_url", "https://a.example/maps"),
        ("TILERY_PUBLIC_URL", "", "public_url", None),
        ("TILERY_MAX_SIZE", "", "max_size", 4096),
        ("TILERY_DEBUG", " ", "debug", False),
        ("TILERY_RENDER_SLOTS", "", "render_slots", None),
        ("TILERY_CACHE_CONTROL", "", "cache_control", "public, max-age=3600"),
        ("TILERY_CORS_ORIGINS", "", "cors_origins", ()),
        ("LOG_LEVEL", "", "log_level", "info"),
    ],
)
def test_texts_become_values(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)
    found = getattr(Settings(), field)
    assert (found, type(found)) == (value, type(value))


def test_what_is_given_wins_then_the_environment_then_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TILERY_NAME='from file'\nTILERY_MAX_SIZE=9\nTILERY_MAX_BANDS=8\n")
    monkeypatch.setenv("TILERY_MAX_SIZE", "10")
    monkeypatch.setenv("TILERY_MAX_BANDS", "11")
    found = Settings(max_bands=12)
    assert (found.name, found.max_size, found.max_bands) == ("from file", 10, 12)
    assert Settings(_env_file=None).name == "Tilery"


def test_our_name_comes_before_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITILER_API_NAME", "theirs")
    monkeypatch.setenv("TILERY_NAME", "ours")
    assert Settings().name == "ours"


def test_an_empty_variable_hides_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TILERY_MAX_BANDS=8\nTILERY_SOURCES=/a/\n")
    for name in ("TILERY_ACCESS_TOKEN", "TILERY_MAX_BANDS", "TILERY_SOURCES"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("TITILER_API_GLOBAL_ACCESS_TOKEN", "theirs")
    found = Settings()
    assert (found.access_token, found.max_bands, found.sources) == ("theirs", 8, ())


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("TILERY_MAX_SIZE", "many", "integer"),
        ("TILERY_MAX_SIZE", "0", "greater than 0"),
        ("TILERY_QUEUE_LENGTH", "-1", "greater than or equal to 0"),
        ("TILERY_DEADLINE", "soon", "number"),
        ("TILERY_DEADLINE", "nan", "finite"),
        ("TILERY_DEBUG", "perhaps", "boolean"),
        ("TILERY_EMPTY_TILE", "403", "'404', '204' or 'transparent'"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, said: str
) -> None:
    monkeypatch.setenv(variable, text)
    found = problems()
    assert list(found) == [variable]
    assert said in found[variable]


def test_everything_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_MAX_SIZE", "a")
    monkeypatch.setenv("TILERY_MAX_BANDS", "b")
    assert set(problems(deadline=-1.0)) == {"TILERY_MAX_SIZE", "TILERY_MAX_BANDS", "deadline"}


def test_secrets_are_not_printed() -> None:
    assert "hush" not in repr(Settings(access_token="hush"))


def test_settings_are_values() -> None:
    assert Settings(name="a") == Settings(name="a")
    assert hash(Settings(name="a")) == hash(Settings(name="a"))
    with pytest.raises(ValidationError, match="frozen"):
        Settings().name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"frame_ancestors": ("https://maps.example.com", "javascript:alert(1)")}, "TILERY_FRAME_ANCESTORS"),
        ({"frame_ancestors": ("'self'", "self;")}, "TILERY_FRAME_ANCESTORS"),
        ({"api_docs": "admin"}, "TILERY_API_DOCS"),
        ({"tile_store_first": True, "tile_store_url": "https://t.example.com"}, "TILERY_TILE_STORE_FIRST"),
        ({"tile_store": "/t/", "tile_store_mode": "redirect"}, "TILERY_TILE_STORE_URL"),
        (
            {
                "tile_store": "/t/",
                "tile_store_mode": "redirect",
                "tile_store_url": "https://t.example.com/",
                "public_url": "https://t.example.com",
            },
            "TILERY_TILE_STORE_URL",
        ),
    ],
)
def test_what_does_not_go_together_is_said_by_the_variable_to_change(given: dict[str, Any], variable: str) -> None:
    assert list(problems(_env_file=None, **given)) == [variable]


@pytest.mark.parametrize(
    "given",
    [
        {"frame_ancestors": ("'self'", "https://maps.example.com", "*")},
        {"api_docs": "admin", "admin_token": "a-token-of-enough-characters"},
        {"tile_store": "/t/", "tile_store_mode": "redirect", "tile_store_url": "https://t.example.com/"},
    ],
)
def test_what_goes_together(given: dict[str, Any]) -> None:
    assert Settings(_env_file=None, **given)


def test_traces_need_packages_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "_is_installed", lambda name: not name.startswith("opentelemetry."))
    assert list(problems(_env_file=None, telemetry=True)) == ["TILERY_TELEMETRY"]
    assert not Settings(_env_file=None, telemetry=False).telemetry


@pytest.mark.parametrize(
    ("given", "logged"),
    [
        ({}, "failed"),
        ({"log_format": "json"}, "all"),
        ({"log_format": "json", "log_requests": "failed"}, "failed"),
        ({"log_requests": "none"}, "none"),
        ({"log_requests": "none", "debug": True}, "all"),
    ],
)
def test_which_requests_are_logged(given: dict[str, Any], logged: str) -> None:
    assert Settings(_env_file=None, **given).logged_requests == logged


def test_an_operator_is_advised_once_and_only_where_he_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "_advised", False)
    said: list[str] = []
    for given in ({"public_url": "https://t.example.com"}, {"allowed_hosts": ("t.example.com",)}):
        advice.advise(Settings(_env_file=None, **given), said.append)
    advice.advise(Settings(_env_file=None), said.append, private=True)
    assert said == []
    advice.advise(Settings(_env_file=None), said.append)
    assert said == [], "nor by the processes that are forked off this one"
    monkeypatch.setattr(advice, "_advised", False)
    for _ in range(2):
        advice.advise(Settings(_env_file=None), said.append)
    assert len(said) == 1
    assert "TILERY_PUBLIC_URL" in said[0]
