"""All routes below ``/cog``: the verbs of rasters, for the raster that ``url`` names."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import viewer
from app.api.context import AppContext
from app.api.operation import (
    Family,
    Operation,
    RequestContext,
    Resolved,
    Subject,
    no_plan,
)
from app.api.params import groups, table
from app.api.params.parse import Values
from app.api.params.path import PathValues
from app.api.raster import tilesets, verbs
from tilery.reading import source as source_


async def resolve(app: AppContext, path: PathValues, query: bytes) -> Resolved:  # noqa: ARG001 - one of several
    """Return the query as it is; the raster is the one at ``url``."""

    def subject_of(values: Values) -> Subject:
        url = groups.url(values)
        return Subject(
            source=source_.raster(app.locations.of(url)),
            base=FAMILY.path,
            address=url,
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
    """Return a page on which one decides how a raster is shown."""
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
        produces=tilesets.HTML,
    ),
    *verbs.operations(FAMILY),
)
