"""Lists of packages, read."""

from __future__ import annotations

import re
from pathlib import Path

LISTS = Path(__file__).parents[2] / "requirements"


def declared(name: str) -> set[str]:
    """Return packages that a list in ``requirements/`` asks for."""
    lines = (line.partition("#")[0].strip() for line in (LISTS / name).read_text().splitlines())
    return {re.split(r"[<>=~\[]", line)[0].strip() for line in lines if line and not line.startswith("-")}
