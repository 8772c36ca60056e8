"""All routes below ``/cog``."""

from __future__ import annotations

from typing import Any

from app.api.cog import facts, pictures, sets, stac, statistics, tiles
from app.api.operation import Operation

OPERATIONS: tuple[Operation[Any], ...] = (
    *facts.OPERATIONS,
    *statistics.OPERATIONS,
    *sets.OPERATIONS,
    *tiles.OPERATIONS,
    tiles.ANY_TILE,
    *pictures.OPERATIONS,
    *stac.OPERATIONS,
)
