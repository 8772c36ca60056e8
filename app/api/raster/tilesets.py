"""The raster's tilesets, its WMTS document, and the pages that show it on a map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.responses import Response

from app.api import answers, kvp, responses, tilesets, viewer, wmts, wmts_tile
from app.api.access import credentials
from app.api.context import AppContext
from app.api.links import query_of
from app.api.operation import Operation, RequestContext, bound, no_plan
from app.api.params import options, table
from app.api.params.groups import BoundsCrs, LinkedTiles, Wmts, Zooms
from app.api.params.parameter import Group, with_default
from app.api.params.parse import Values
from app.api.raster import plans, tiles
from app.api.raster.plans import PixelOptions, TilePlan
from app.api.tilesets import Addresses, Extent
from app.serving.encoded import Encoded
from tilery.errors import UnsupportedRaster
from tilery.geo import tms as tms_
from tilery.geo.crs import WGS84
from tilery.geo.tms import TileMatrixSet
from tilery.reading.reader import Reader
from tilery.rendering import algorithms
from tilery.rendering.encoding import formats

Json = dict[str, Any]

_OF_TILES = ("f", "crs", "minzoom", "maxzoom", "tile_format", "use_epsg", "zooms", "TileMatrixSetId", "tile_scale")
"""Parameters of these documents that are none of the tiles'."""


def place_of(reader: Reader) -> Extent:
    """Return where a raster is.

    Raises:
        UnsupportedRaster: it has no place.
    """
    geographic, _ = reader.whereabouts()
    profile = reader.profile
    return Extent(bounds=profile.bounds, crs=profile.crs or WGS84, geographic=geographic)


def _addresses(
    context: RequestContext[Any], tms: TileMatrixSet, query: list[tuple[str, str]], suffix: str = ""
) -> Addresses:
    to, scope = context.app.links.to, context.request.scope
    base = f"{context.subject.base}/tiles/{tms.id}"
    zooms = [pair for pair in query_of(scope) if pair[0] in ("minzoom", "maxzoom")]
    return Addresses(
        tileset=to(scope, base, [*query, *zooms]),
        tiles=to(scope, f"{base}/{{z}}/{{x}}/{{y}}{suffix}", query),
        items=tuple(
            (row.media_type, to(scope, f"{base}/{{tileMatrix}}/{{tileCol}}/{{tileRow}}.{row.name}", query))
            for row in _item_formats(context)
        ),
        scheme=to(scope, f"/tileMatrixSets/{tms.id}"),
        viewer=to(scope, f"{context.subject.base}/{tms.id}/map.html", [*query, *zooms]),
    )


def _item_formats(context: RequestContext[Any]) -> list[formats.Format]:
    """Return the formats that clients are offered tiles in: the one asked for, else those for looking at.

    PNG is the first, which some clients take, and the only one for numbers that are packed into colours.
    """
    layer, query = context.subject.layer, dict(query_of(context.request.scope))
    wanted = formats.FORMATS.get(query.get("tile_format", ""))
    if wanted is not None:
        return [wanted]
    algorithm = query.get("algorithm") or dict(layer.render if layer else ()).get("algorithm")
    return [formats.get(name) for name in (("png",) if algorithms.packs(algorithm) else ("png", "jpeg", "webp"))]


async def tileset_list(context: RequestContext[None]) -> Response:
    """Return every tile matrix set that the raster's tiles may be asked for in."""
    crs = context.values.to(BoundsCrs).crs
    query = kvp.without(query_of(context.request.scope, without=_OF_TILES))
    known = context.app.tile_matrix_sets

    def work(reader: Reader) -> Json:
        return tilesets.tileset_list(
            map(known.get, known.names()),
            addresses=lambda tms: _addresses(context, tms, query),
            bounds=reader.geographic_bounds(crs),
            crs=crs,
            attribution=context.app.settings.default_attribution,
        )

    return await _document(context, "tilesets", work, title="Tilesets")


async def tileset(context: RequestContext[None]) -> Response:
    """Return the raster's tiles in one tile matrix set: zooms, limits, links."""
    tms = context.app.tile_matrix_sets.get(context.path.name("tileMatrixSetId"))
    query = kvp.without(query_of(context.request.scope, without=_OF_TILES))

    def work(reader: Reader) -> Json:
        return tilesets.tileset(
            tms,
            addresses=_addresses(context, tms, query),
            place=place_of(reader),
            zooms=context.values.to(Zooms).over(reader.zooms(tms)),
            attribution=context.app.settings.default_attribution,
        )

    return await _document(context, f"tileset {tms.id}", work, title=tms.title or tms.id)


async def _document(context: RequestContext[None], place: str, work: Any, *, title: str) -> Response:
    """Return the document as JSON, or as a page for a person."""
    if not answers.wants_page(context):
        response = await responses.document(context, place, work, links=True)
        response.headers.add_vary_header("Accept")
        return response
    body = await context.app.service.run_with_reader(context.subject.source, work)
    return answers.document(context, body, title=title)


@dataclass(frozen=True, slots=True, kw_only=True)
class WmtsPlan:
    """What a WMTS document is made of."""

    pixel_options: PixelOptions
    wmts: Wmts
    linked: LinkedTiles
    zooms: dict[str, tuple[int, int]]


def plan_wmts(app: AppContext, values: Values) -> WmtsPlan:
    """Return the rendering of the tiles, checked so that no link leads to an error, and the zooms that the caller
    wants.
    """
    linked, wanted = values.to(LinkedTiles), values.to(Wmts)
    if (tilesize := linked.tilesize) is not None:
        options.check_tile(app.settings, tilesize=tilesize, buffer=linked.size.buffer, padding=linked.size.padding)
    return WmtsPlan(
        pixel_options=plans.pixel_options(app, values),
        wmts=wanted,
        linked=linked,
        zooms=wmts.parse_zooms(wanted.zooms, app.tile_matrix_sets.names()),
    )


async def capabilities(context: RequestContext[WmtsPlan]) -> Response:
    """Return a WMTS document with a layer for each tile matrix set, or for the one in the path."""
    plan = context.plan
    only = context.path.matrix_set or plan.wmts.matrix_set
    if (tile := await _by_keys(context, only)) is not None:
        return tile
    row = formats.get(plans.format_of_tiles(plan.linked.tile_format, plan.pixel_options) or "png")
    to, scope, layer = context.app.links.to, context.request.scope, context.subject.layer
    tilesize = plan.linked.tilesize
    query = kvp.without(query_of(scope, without=(*_OF_TILES, "tilesize")))
    if tilesize is not None:
        query.append(("tilesize", str(tilesize)))
    settings, known = context.app.settings, context.app.tile_matrix_sets
    address = to(scope, scope["path"], kvp.without(query_of(scope)))

    def addresses(tms: TileMatrixSet, query: list[tuple[str, str]]) -> str:
        path = f"{context.subject.base}/tiles/{tms.id}/{{TileMatrix}}/{{TileCol}}/{{TileRow}}.{row.name}"
        return to(scope, path, query)

    def zooms(reader: Reader, tms: TileMatrixSet) -> tuple[int, int]:
        return plan.linked.zooms.over(plan.zooms.get(tms.id) or reader.zooms(tms))

    def work(reader: Reader) -> Encoded:
        sets = [known.get(name) for name in ([only] if only else known.names())]
        if not any(reader.can_show(tms) for tms in sets):
            raise UnsupportedRaster("No tile matrix set has a place for the raster's coordinate reference system.")
        family, called = context.family, layer.name if layer is not None else context.subject.name
        shown = [("default", query)] if family is None else family.layers(context, reader, query)
        layers = [
            found
            for render, asked in shown
            for found in wmts.layers(
                sets,
                title=context.subject.title,
                place=place_of(reader),
                zooms=lambda tms: zooms(reader, tms),
                tiles=partial(addresses, query=asked),
                media_type=row.media_type,
                render=render,
                old_names=only is not None,
                name=called if render == "default" else f"{called}: {render}",
                abstract=layer.description if layer is not None else None,
                tilesize=tilesize,
            )
        ]
        text = wmts.capabilities(
            layers,
            address=address,
            title=settings.name,
            provider=settings.name,
            use_epsg=plan.wmts.use_epsg,
            templates=settings.template_directory,
        )
        return Encoded(body=text.encode(), media_type=wmts.MEDIA_TYPE)

    key = f"wmts {only} {context.app.links.base(scope)} {scope['path']} {scope['query_string']!r}"
    return await responses.made(context, key, work, media_type=wmts.MEDIA_TYPE)


async def _by_keys(context: RequestContext[WmtsPlan], only: str | None) -> Response | None:
    """Return the tile that a request by keys and values means; None where the document is wanted."""
    layer, family = context.subject.layer, context.family
    if family is None:
        return None
    return await wmts_tile.answer(
        context,
        bound(family, tiles.ANY_TILE),
        styles=() if layer is None else [style.name for style in layer.styles],
        path={"layer": layer.id} if layer is not None else {},
        without=_OF_TILES,
        only=only,
    )


async def map_page(context: RequestContext[TilePlan]) -> Response:
    """Return a page that shows the raster's tiles on a map."""
    known = context.app.tile_matrix_sets
    tms, mercator = known.get(context.path.matrix_set or tms_.DEFAULT), known.get(tms_.DEFAULT)

    def work(reader: Reader) -> tuple[Extent, tuple[int, int], tuple[int, int]]:
        return place_of(reader), reader.zooms(tms), reader.zooms(mercator)

    place, in_set, in_mercator = await context.app.service.run_with_reader(context.subject.source, work)
    linked = context.values.to(LinkedTiles)
    tile_format = plans.format_of_tiles(linked.tile_format, context.plan.pixel_options)
    own = (*_OF_TILES, "tilesize")
    query = [*kvp.without(query_of(context.request.scope, without=own)), ("tilesize", str(linked.size.tilesize))]
    query += credentials.carried(context.request.scope["query_string"])
    # where it is in the set is asked of PROJ, and the page is a template: no work for the event loop
    return await context.app.service.run(
        lambda: viewer.map_of_raster(
            context.request,
            tms,
            title=context.app.settings.name,
            base=context.subject.base.strip("/"),
            query=query,
            place=place,
            zooms=linked.zooms.over(in_set),
            fallback_zooms=in_mercator,
            suffix=f".{tile_format}" if tile_format else "",
            attribution=context.app.settings.default_attribution,
        )
    )


HTML: dict[int | str, Any] = {
    200: {"description": "A page.", "content": {answers.HTML: {"schema": {"type": "string"}}}}
}
_XML: dict[int | str, Any] = {200: {"description": "A WMTS document.", "content": {wmts.MEDIA_TYPE: {}}}}
_WMTS_QUERY: Group = (
    *table.WMTS,
    table.WMTS_ZOOMS,
    replace(table.TILESIZE, hidden=True),
    table.TILE_SCALE,
    *table.TILE_EDGES,
    *table.LAYER,
    *table.PICTURE,
)
_OLD_ZOOMS: Group = tuple(replace(parameter, hidden=True) for parameter in table.ZOOMS)
"""TiTiler before 1.0 took these where it now takes ``zooms``."""

OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        id="getTileSetList",
        paths=("/tiles",),
        parameters=(table.PAGE_FORMAT, table.CRS),
        plan=no_plan,
        answer=tileset_list,
        summary="Retrieve a list of available raster tilesets for the specified dataset.",
        produces=answers.PRODUCES,
    ),
    Operation(
        id="getTileSet",
        paths=("/tiles/{tileMatrixSetId}",),
        parameters=(
            table.MATRIX_SET,
            *table.ZOOMS,
            table.PAGE_FORMAT,
        ),
        plan=no_plan,
        answer=tileset,
        summary="Retrieve the raster tileset metadata for the specified dataset and tiling scheme.",
        produces=answers.PRODUCES,
    ),
    Operation(
        id="getMapViewer",
        paths=("/{tileMatrixSetId}/map.html", "/{tileMatrixSetId}/map"),
        parameters=(
            table.MATRIX_SET,
            table.TILE_FORMAT,
            with_default(table.TILESIZE, 256),
            *table.ZOOMS,
            *table.TILE_EDGES,
            *table.LAYER,
            *table.PICTURE,
        ),
        plan=plans.tile_plan,
        answer=map_page,
        summary="Map Viewer",
        description="The raster's tiles on a map.",
        produces=HTML,
    ),
    Operation(
        id="getWMTS",
        paths=("/WMTSCapabilities.xml",),
        parameters=(*_WMTS_QUERY, table.MATRIX_SET_OLD, *_OLD_ZOOMS),
        plan=plan_wmts,
        answer=capabilities,
        summary="WMTS",
        description="A WMTS document of the raster.",
        produces=_XML,
    ),
    Operation(
        id="getWMTSOfMatrixSet",
        paths=("/{tileMatrixSetId}/WMTSCapabilities.xml",),
        parameters=(table.MATRIX_SET, *_WMTS_QUERY, *_OLD_ZOOMS),
        plan=plan_wmts,
        answer=capabilities,
        documented=False,
    ),
)
