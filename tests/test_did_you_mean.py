"""Which name a mistyped one was meant to be."""

from __future__ import annotations

import pytest

from tilery.did_you_mean import LONGEST, hint, nearest

NAMES = ("viridis", "viridis_r", "magma", "TILERY_SOURCES", "TILERY_CATALOG")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("virdis", "viridis"),
        ("Viridis", "viridis"),
        ("VIRIDIS_R", "viridis_r"),
        ("TILERY_SOURCE", "TILERY_SOURCES"),
        ("tilery_catalog", "TILERY_CATALOG"),
        ("zzzz", None),
        ("", None),
        ("v" * (LONGEST + 1), None),
    ],
)
def test_the_name_that_was_meant(word: str, found: str | None) -> None:
    assert nearest(word, NAMES) == found


def test_of_many_names_those_with_the_same_letter_are_compared() -> None:
    many = [f"a{number}" for number in range(600)] + ["berlin", "bern"]
    assert nearest("berlim", many) == "berlin"
    assert nearest("a599", many) == "a599"


def test_a_hint_stands_behind_a_sentence() -> None:
    assert f"No.{hint('virdis', NAMES)}" == "No. Did you mean 'viridis'?"
    assert hint("zzzz", NAMES) == ""
