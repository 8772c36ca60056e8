"""All routes below ``/cog``: the verbs of rasters, for the raster that ``url`` names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.api import viewer
from app.api.context import AppContext
from app.api.operation import (
    Family,
    FastRoute,
    Operation,
    RequestContext,
    Resolved,
    Subject,
    bound,
    fast_route,
    no_plan,
)
from app.api.params import table
from app.api.params.parse import Values
from app.api.raster import facts, maps, pictures, sets, stac, statistics, tiles
from app.api.wms import service as wms

VERBS: tuple[Operation[Any], ...] = (
    *facts.OPERATIONS,
    *statistics.OPERATIONS,
    *sets.OPERATIONS,
    *tiles.OPERATIONS,
    tiles.ANY_TILE,
    *pictures.OPERATIONS,
    *maps.OPERATIONS,
    *stac.OPERATIONS,
    wms.SERVICE,
)
"""What can be asked about one raster, however it is named."""


async def resolve(app: AppContext, path: Mapping[str, Any], query: bytes) -> Resolved:  # noqa: ARG001 - one of several
    """The query as it is; the raster is the one at ``url``."""

    def subject_of(values: Values) -> Subject:
        url: str = values["url"]
        return Subject(
            location=app.locations.of(url),
            base=FAMILY.path,
            source=url,
            name=url.partition("?")[0].rstrip("/").rpartition("/")[2],
            title=url,
        )

    return query, subject_of


FAMILY = Family(
    name="cog",
    path="/cog",
    tag="Cloud Optimized GeoTIFF",
    parameters=table.DATASET,
    resolve=resolve,
)


async def viewer_page(context: RequestContext[None]) -> Response:
    """A page on which one decides how a raster is shown."""
    return viewer.viewer_of_raster(context.request)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        id=".cog.getViewer",
        paths=("/cog/viewer",),
        parameters=(),
        plan=no_plan,
        answer=viewer_page,
        tag=FAMILY.tag,
        summary="Viewer",
        description="A page on which one decides how a raster is shown.",
        produces=sets.HTML,
    ),
    *(bound(FAMILY, verb) for verb in VERBS),
)


def fast_routes(app: AppContext) -> list[FastRoute]:
    """The short way to tiles."""
    return [fast_route(FAMILY.path + tiles.LANE, bound(FAMILY, tiles.ANY_TILE), app)]
