"""Entity tags: one for each state, one for each request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
def test_files_of_the_operator_have_a_say(name: str, tmp_path: Path) -> None:
    folder: dict[str, Any] = {name: str(tmp_path)}
    chosen = Settings(_env_file=None, **folder)
    versions = []
    for content in ("[]", "{}", "[]"):
        (tmp_path / "deeper").mkdir(exist_ok=True)
        (tmp_path / "deeper" / "file.json").write_text(content)
        versions.append(etag.files_version(chosen))
    assert versions[0] == versions[2] != versions[1]
    assert etag.files_version(Settings(_env_file=None)) not in versions
