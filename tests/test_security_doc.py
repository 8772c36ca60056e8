"""docs/security.md: every attack has a row, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = 55
"""Attacks and faults that a tile server has to survive."""


def named() -> set[tuple[str, str]]:
    return set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT))


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{file}::{test}"
        for file, test in sorted(named())
        if not (ROOT / file).is_file()
        or not re.search(rf"^ *(?:async )?def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert not missing
    assert len(named()) > 45


def test_every_attack_has_a_row_with_a_test() -> None:
    told: set[int] = set()
    for numbers, test in re.findall(r"^\| ([\d–, ]+) \|.*\| `(tests/[^`]+)` \|$", TEXT, re.MULTILINE):
        assert "::" in test
        for part in numbers.split(", "):
            first, _, last = part.partition("–")
            told |= set(range(int(first), int(last or first) + 1))
    assert told == set(range(1, ROWS + 1))
