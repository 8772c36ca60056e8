"""The application, one of whose rasters hangs the thread that makes tiles of it, as native code may."""

from __future__ import annotations

import time
from typing import Any

from app.main import app
from app.serving import render

make = render.tile


def hang(reader: Any, request: Any, *rest: Any) -> Any:
    if request.z == 9:
        time.sleep(20)
    return make(reader, request, *rest)


render.tile = hang  # type: ignore[assignment]  # the same but for its types

__all__ = ["app"]
