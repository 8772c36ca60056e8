"""Entity tags: one for each state, one for each request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import settings
from app.config.settings import Settings
from app.serving import etag


@given(st.text(), st.text(), st.text(), st.text())
def test_a_tag_stands_for_one_identity_and_one_request(a: str, b: str, c: str, d: str) -> None:
    a, b, c, d = (text.replace("\0", "").encode("utf-8", "ignore").decode() for text in (a, b, c, d))
    assert (etag.make(a, b) == etag.make(c, d)) == ((a, b) == (c, d))


def test_a_tag_is_strong_and_short() -> None:
    tag = etag.make("identity", "request")
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert len(tag) == 34


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("{}", True),
        ("W/{}", True),
        ('"a", {}', True),
        ('"a",W/{} , "b"', True),
        ('"a"', False),
        ("*", False),
        ("", False),
    ],
)
def test_tags_in_a_header(header: str, expected: bool) -> None:
    tag = etag.make("identity", "request")
    assert etag.matches(header.format(tag), tag) is expected


def test_half_a_tag_is_none() -> None:
    tag = etag.make("identity", "request")
    assert not etag.matches(tag.strip('"'), tag)
    assert not etag.matches(f"x{tag}", tag)


@pytest.mark.parametrize("name", ["colormap_directory", "tile_matrix_set_directory", "template_directory"])
def test_files_of_the_operator_count_as_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(etag.code_version.cache_clear)
    chosen = Settings(_env_file=None, **{name: str(tmp_path)})
    monkeypatch.setattr(settings, "get", lambda: chosen)
    versions = []
    for content in ("[]", "{}", "[]"):
        (tmp_path / "file.json").write_text(content)
        etag.code_version.cache_clear()
        versions.append(etag.code_version())
    assert versions[0] == versions[2] != versions[1]


def test_libraries_count_as_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(etag.code_version.cache_clear)
    monkeypatch.setattr(np, "__file__", str(tmp_path / "numpy" / "__init__.py"))
    versions = []
    for names in (["rasterio-1.4.4"], ["rasterio-1.5.0"], ["rasterio-1.5.0", "uvicorn-1.0"], ["rasterio-1.4.4"]):
        for name in names:
            (tmp_path / f"{name}.dist-info").mkdir()
        etag.code_version.cache_clear()
        versions.append(etag.code_version())
        for name in names:
            (tmp_path / f"{name}.dist-info").rmdir()
    assert versions[0] == versions[3] != versions[1] == versions[2]


def test_the_libraries_are_those_that_are_installed() -> None:
    found = [name.partition("-")[0] for name in etag._libraries(Path(np.__file__).parent.parent)]
    assert found == sorted(etag._LIBRARIES)


def test_whatever_decides_where_a_tile_is_counts_as_code() -> None:
    names = {path.relative_to(root).as_posix() for root, path in etag._files(Settings(_env_file=None))}
    assert {"crs.py", "tms.py", "raster.py", "api/templates/wmts.xml", "rendering/pipeline.py"} <= names
