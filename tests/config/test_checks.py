"""What can be said of the environment before anything is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config import checks
from app.config.environment import WrongVariables
from app.config.settings import Settings
from app.config.shared import joined


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TILERY_SOURCE", "Did you mean 'TILERY_SOURCES'?"),
        ("TILERY_CATALOGUE", "Did you mean 'TILERY_CATALOG'?"),
        ("tilery_sources", "Did you mean 'TILERY_SOURCES'?"),
        ("TILERY_PORT", "It is called PORT."),
        ("TILERY_ZZZZZZZZZZZZ", "there is no such setting."),
    ],
)
def test_a_variable_that_is_no_setting(name: str, said: str) -> None:
    found = checks.unknown({name: "x"})
    assert list(found) == [name]
    assert said in found[name]


def test_variables_of_others_are_left_alone() -> None:
    known = {name for variable in Settings.variables() for name in variable.names}
    others = {"TILERY_STACK_NAME", "TILERY_CONTAINER", "PATH", "TITILER_API_WHATEVER"}
    assert checks.unknown(dict.fromkeys(known | others, "x"), {}) == {}


def test_what_is_written_in_a_file_is_looked_at_too() -> None:
    assert list(checks.unknown({}, {"TILERY_SOURCE": "/x"})) == ["TILERY_SOURCE"]


def test_what_is_there_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    found = settings(
        sources=(f"{tmp_path}/", f"{tmp_path}/a.tif", "s3://bucket/x/", "https://*"),
        catalog=str(tmp_path),
        tile_store=f"{tmp_path}/made/later",
        colormap_directory=str(tmp_path),
    )
    assert checks.problems(found) == {}
    assert checks.problems(settings(catalog="s3://bucket/layers", tile_store="s3://bucket/tiles/")) == {}
    assert checks.problems(settings(tile_store="/dev/shm/tiles")) == {}
    assert checks.checked(found) is found


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("sources", "{folder}/raster/", "there is no {folder}/raster. Did you mean 'rasters'?"),
        ("sources", "{folder}/nowhere/a.tif", "there is no {folder}/nowhere."),
        ("sources", "bucket/x", "'bucket/x' is none of"),
        ("sources", "s3://bucket/*", "has a wildcard"),
        ("sources", "/", "is not a folder of rasters"),
        ("sources", "/proc", "is not a folder of rasters"),
        ("catalog", "{folder}/layer", "there is no {folder}/layer. Did you mean 'layers'?"),
        ("catalog", "{folder}/file", "{folder}/file is a file, and it has to be a directory."),
        ("catalog", "gs://bucket/x", "'gs://bucket/x' is neither a directory nor s3://bucket/prefix/."),
        ("catalog", "s3://", "'s3://': this is not the name of a bucket."),
        ("catalog", "/", "is not a folder of rasters"),
        ("tile_store", "ftp://x", "is neither a directory nor"),
        ("tile_store", "{folder}/file", "is a file"),
        ("template_directory", "{folder}/nowhere", "there is no {folder}/nowhere."),
        ("tile_matrix_set_directory", "{folder}/file", "is a file"),
        ("colormap_directory", "{folder}/colormap", "Did you mean 'colormaps'?"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, field: str, value: str, said: str) -> None:
    for name in ("rasters", "layers", "colormaps"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    chosen = value.format(folder=tmp_path)
    found = settings(**{field: (chosen,) if field == "sources" else chosen})
    (problem,) = checks.problems(found).items()
    assert problem[0] == f"TILERY_{field.upper()}"
    assert said.format(folder=tmp_path) in problem[1]
    with pytest.raises(WrongVariables):
        checks.checked(found)


@pytest.mark.parametrize("field", ["sources", "catalog", "colormap_directory"])
def test_what_the_system_refuses_to_look_for_is_a_problem_and_no_trace(tmp_path: Path, field: str) -> None:
    path = f"{tmp_path}/{'x' * 300}"
    found = settings(**{field: (path,) if field == "sources" else path})
    assert list(checks.problems(found)) == [f"TILERY_{field.upper()}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("public_url", "tiles.example.com"),
        ("public_url", "https://"),
        ("basemap", "osm"),
        ("basemap", "ftp://maps.example.com/style.json"),
        ("basemap", "https://maps.example.com; script-src */style.json"),
        ("tile_store_url", "s3://bucket/tiles"),
        ("s3_endpoint", "127.0.0.1:9000"),
        ("allowed_hosts", "https://tiles.example.com"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("trusted_proxies", "256.1.1.1"),
        ("trusted_proxies", "fe80::/200"),
    ],
)
def test_addresses_that_are_none(field: str, value: str) -> None:
    with pytest.raises(WrongVariables) as caught:
        settings(**{field: value})
    assert list(caught.value.problems) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("public_url", "https://tiles.example.com/maps"),
        ("basemap", "none"),
        ("basemap", "https://maps.example.com:8443/{z}/{x}/{y}.png?key=a"),
        ("s3_endpoint", "http://127.0.0.1:9000"),
        ("allowed_hosts", "*.example.com,tiles.example.com:8443,[::1]:8000"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "10.0.0.0/8,::1,fe80::/10,proxy"),
    ],
)
def test_addresses_that_are_some(field: str, value: str) -> None:
    assert getattr(settings(**{field: value}), field)


@pytest.mark.parametrize("parts", [("/a/", "s3://b/c/"), ("/my rasters, old/", "/b/"), (" /a",), ('["x"]',), ()])
def test_a_list_is_read_as_it_was_written(parts: tuple[str, ...]) -> None:
    assert settings(sources=joined(parts)).sources == parts
