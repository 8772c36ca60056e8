"""Entity tags: one for each state, one for each request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
