"""Tiles: the requests that come by the thousand."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import responses
from app.api.operation import Operation, RequestContext
from app.api.params import options, table
from app.api.params.parameter import Group, optional
from app.api.raster import plans
from app.api.raster.plans import TilePlan
from app.observing import request as request_
from app.serving import render
from app.serving.requests import TileRequest
from app.serving.tile_store import StoredTile
from tilery.errors import TileOutsideBounds

PICTURE: dict[int | str, Any] = {
    200: {"description": "Return an image.", "content": {media_type: {} for media_type in table.picture_types()}}
}

_QUERY = (table.TILESIZE, *table.TILE_EDGES, *table.LAYER, *table.PICTURE)
_SUFFIX = r"(?:@(?P<scale>[0-9]{1,2})x)?(?:\.(?P<format>[a-z0-9]{1,8}))?"

PLACE = rf"/(?P<z>-?[0-9]{{1,3}})/(?P<x>-?[0-9]{{1,10}})/(?P<y>-?[0-9]{{1,10}}){_SUFFIX}"
"""Where a tile is in its set, as a regular expression: ``/7/66/45@2x.png``."""
FAST_ROUTE = rf"/tiles(?:/(?P<tileMatrixSetId>[A-Za-z0-9_]{{1,64}}))?{PLACE}"
"""Every spelling of a tile's path, old ones included."""


async def tile(
    context: RequestContext[TilePlan], stored: StoredTile | None = None, *, missed: bool = False
) -> Response:
    """Return one tile as a picture; out of the tile store, or into it, where it has a place there."""
    request = _request(context)
    record = request_.current()
    if record is not None:
        record.tile = f"{request.matrix_set.id}/{request.z}/{request.x}/{request.y}"
    work = render.TileWork(request)
    if context.family is not None and context.family.admits is not None:
        await context.family.admits(context)
    try:
        return await responses.made(
            context,
            text_of(request),
            work,
            media_type=plans.media_type(request.image),
            check=work.check,
            identify=work.identify,
            stored=stored,
            missed=missed,
        )
    except TileOutsideBounds as error:
        return await outside(context, error)


async def outside(context: RequestContext[TilePlan], error: TileOutsideBounds) -> Response:
    """Return the answer where there is no tile, as the settings want it.

    Raises:
        TileOutsideBounds: they want a 404.
    """
    wish: str = context.app.settings.empty_tile
    if wish == "404" and context.family is not None:
        wish = context.family.empty_tile
    if wish == "404":
        raise error
    if wish == "204":
        return Response(status_code=204)
    request = _request(context)
    encoded = await context.app.service.run(lambda: render.nothing(request))
    return Response(encoded.body, headers=responses.described(encoded))


def text_of(request: TileRequest) -> str:
    """Return what a tile's path says, in the one way that keys of caches have it."""
    return f"tile {request.matrix_set.id}/{request.z}/{request.x}/{request.y}.{request.image.format}@{request.size}"


def _request(context: RequestContext[TilePlan]) -> TileRequest:
    path, plan = context.path, context.plan
    z, x, y = path.tile
    return TileRequest(
        matrix_set=context.app.tile_matrix_sets.get(path.matrix_set or plan.matrix_set),
        z=z,
        x=x,
        y=y,
        size=plan.size.tilesize or _scaled(context),
        buffer=plan.size.buffer,
        padding=plan.size.padding,
        image=plans.image_options(context, plan.pixel_options),
    )


def _scaled(context: RequestContext[TilePlan]) -> int | None:
    """Return the size that ``@2x`` says, or None."""
    scale = context.path.scale
    if scale is None:
        return None
    size, given = 256 * scale, context.plan.size
    options.check_tile(context.app.settings, tilesize=size, buffer=given.buffer, padding=given.padding)
    return size


OPERATIONS: tuple[Operation[TilePlan], ...] = (
    Operation(
        id="getTileWithFormat",
        paths=(
            "/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}",
            "/tiles/{tileMatrixSetId}/{z}/{x}/{y}@{scale}x.{format}",
        ),
        parameters=(*table.TILE, table.MATRIX_SET, table.PATH_FORMAT, table.SCALE, *_QUERY),
        plan=plans.tile_plan,
        answer=tile,
        summary="Tile",
        description="One tile as a picture of the format that its suffix says.",
        produces=PICTURE,
    ),
    Operation(
        id="getTile",
        paths=("/tiles/{tileMatrixSetId}/{z}/{x}/{y}", "/tiles/{tileMatrixSetId}/{z}/{x}/{y}@{scale}x"),
        parameters=(*table.TILE, table.MATRIX_SET, table.FORMAT, table.SCALE, *_QUERY),
        plan=plans.tile_plan,
        answer=tile,
        summary="Tile",
        description="One tile as a picture.",
        produces=PICTURE,
    ),
)

SHORT: Group = (
    *table.TILE,
    optional(table.PATH_FORMAT),
    table.SCALE,
    table.FORMAT,
    *_QUERY,
)
"""Parameters of a tile whose path names no tile matrix set."""

ANY_TILE: Operation[TilePlan] = Operation(
    id="anyTile",
    paths=(
        "/tiles/{z}/{x}/{y}.{format}",
        "/tiles/{z}/{x}/{y}@{scale}x.{format}",
        "/tiles/{z}/{x}/{y}@{scale}x",
        "/tiles/{z}/{x}/{y}",
    ),
    parameters=(optional(table.MATRIX_SET), table.MATRIX_SET_OLD, *SHORT),
    plan=plans.tile_plan,
    answer=tile,
    documented=False,
)
"""A tile in any spelling: what the short way leads to, and the router for old paths without a tile matrix set."""
