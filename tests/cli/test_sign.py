"""``tilery sign``: what it prints lets in."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.commands.sign import sign
from app.config import settings
from tests.support import rasters, service

KEYS = {"keys": [{"id": "new", "secret": "n" * 32}, {"id": "old", "secret": "o" * 32}]}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILERY_ACCESS", json.dumps(KEYS))
    monkeypatch.setattr(settings, "get", lambda: settings.Settings(_env_file=None))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sign, arguments)


def test_a_source(tmp_path: Path) -> None:
    path = rasters.rgb(tmp_path.resolve() / "ä b.tif")
    found = json.loads(run(str(path), "--json", "--for", "30m", "--base", "https://t.example/maps/").stdout)
    assert found["key"] == "new"
    with service.client(tmp_path.resolve(), access=json.dumps(KEYS), root_path="/maps") as client:
        for name in ("tilejson", "map", "wmts"):
            assert client.get(found[name].removeprefix("https://t.example")).status_code == 200
        tile = found["tiles"].removeprefix("https://t.example").format(z=8, x=134, y=90)
        assert client.get(tile).headers["content-type"] == "image/png"
        assert client.get(tile.replace("access_signature", "x")).status_code == 401


def test_a_layer_and_an_old_key() -> None:
    done = run("dem", "--key", "old", "--for", "7d")
    lines = dict(line.split() for line in done.stdout.splitlines())
    assert set(lines) == {"tilejson", "map", "wmts", "tiles"}
    key, expires, _ = lines["tilejson"].removeprefix("/dem?access_signature=").split(".")
    assert key == "old"
    assert abs(int(expires) - time.time() - 7 * 86400) < 60
    assert "Good until" in done.stderr


def test_until_a_day() -> None:
    text = run("dem", "--until", "2100-01-01", "--parameter").stdout
    assert text.startswith("access_signature=new.4102444800.")
    assert run("dem", "--until", "2100-01-01T02:00:00+02:00", "--parameter").stdout == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dem", "--for", "soon"), "as 12h"),
        (("dem", "--for", "0h"), "as 12h"),
        (("dem", "--until", "yesterday"), "2027-01-31"),
        (("dem", "--until", "2001-01-01"), "has passed"),
        (("dem", "--key", "third"), "there are new, old"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_no_layer_is_called_so() -> None:
    assert run("DEM").exit_code != 0
    assert run("cog").exit_code != 0


def test_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TILERY_ACCESS")
    assert "TILERY_ACCESS lists none" in run("dem").stderr
