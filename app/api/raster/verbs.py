"""What can be asked about one raster, however it is named: the routes of a family."""

from __future__ import annotations

from typing import Any

from app.api.context import AppContext
from app.api.operation import Family, FastRoute, Operation, bound, fast_route
from app.api.raster import legends, line_profiles, maps, metadata, pictures, stac, statistics, tiles, tilesets
from app.api.wms import service as wms

VERBS: tuple[Operation[Any], ...] = (
    *metadata.OPERATIONS,
    *statistics.OPERATIONS,
    *line_profiles.OPERATIONS,
    *tilesets.OPERATIONS,
    *tiles.OPERATIONS,
    tiles.ANY_TILE,
    *pictures.OPERATIONS,
    *legends.OPERATIONS,
    *maps.OPERATIONS,
    *stac.OPERATIONS,
    wms.SERVICE,
)
"""All of them; a family may have fewer."""


def operations(family: Family) -> tuple[Operation[Any], ...]:
    """Return the routes of a family: those of its verbs, bound to it, and those beside them."""
    verbs = VERBS if family.verbs is None else family.verbs
    return (*family.beside, *(bound(family, verb) for verb in verbs))


def fast_routes(family: Family, app: AppContext) -> list[FastRoute]:
    """Return the short way to a family's tiles, for one whose path names nothing."""
    return [fast_route(family.path + tiles.FAST_ROUTE, bound(family, tiles.ANY_TILE), app)]
