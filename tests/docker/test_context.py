"""What the Dockerfiles copy is in the build's context."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker" / "base.Dockerfile"
"""Names the base of the others for Dependabot; nothing is built from it."""
FILES = (ROOT / "Dockerfile", *sorted({*(ROOT / "docker").glob("*Dockerfile")} - {BASE}))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_all_that_is_copied_is_let_in(file: Path) -> None:
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copies = [line.split()[1:-1] for line in file.read_text().splitlines() if line.startswith("COPY ")]
    sources = [source for words in copies if not words[0].startswith("--from") for source in words]
    assert sources
    assert [source for source in sources if source not in allowed] == []
