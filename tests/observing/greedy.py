"""The application, one of whose rasters takes more memory than its task has, as a library with a fault may."""

from __future__ import annotations

from typing import Any

from app.main import app
from app.serving import render

TAKEN = 1 << 30
"""Bytes, each of them written to."""

make = render.tile


def take(reader: Any, request: Any, *rest: Any) -> Any:
    if request.z == 9:
        b"x" * TAKEN
    return make(reader, request, *rest)


render.tile = take  # type: ignore[assignment]  # the same but for its types

__all__ = ["app"]
