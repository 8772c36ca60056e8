"""An answer, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.observing.request import Timing
from app.serving.encoded import Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An answer and how it came about."""

    encoded: Encoded | None
    """None: the caller has it already, or finds it at ``address``."""
    etag: str
    how: Literal["hit", "miss", "wait", "known", "stored"]
    """Found in memory; made now; made now for somebody else; known to the caller; in the tile store."""
    timing: Timing | None = None
    address: str | None = None
    """Where the caller finds it."""
