"""Layers: rasters that the catalog names, with short addresses and everything that ``/cog`` offers.

A layer brings its render parameters along, and its styles further ones; what the request says wins over both. So the
query that is parsed is the layer's, then the style's, then the request's, and no verb knows the difference.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from app.api import answers, json_documents, kvp, layer_pages, responses, stored_tiles, viewer, wmts, wmts_tile
from app.api.context import AppContext
from app.api.families import layer_dimensions, layer_sources
from app.api.links import query_of
from app.api.operation import (
    LONGEST_KEPT_QUERY,
    Family,
    FastRoute,
    Operation,
    RequestContext,
    Resolved,
    Subject,
    bound,
    fast_route,
    no_plan,
    with_bands,
)
from app.api.params import groups, mosaics, options, table, zarrs
from app.api.params.groups import TileSize
from app.api.params.kinds import Text
from app.api.params.merging import over
from app.api.params.parameter import Group, Parameter, optional
from app.api.params.parse import Values, pairs
from app.api.params.path import PathValues
from app.api.raster import metadata, tiles, tilesets, verbs
from app.api.raster.plans import TilePlan
from app.api.wms import service as wms
from app.serving.encoded import Encoded
from tilery.catalog import ids
from tilery.catalog import listing as listing_
from tilery.catalog.layer import Layer, LayerSummary, Query
from tilery.errors import InvalidParameter, LayerNotFound, TileOutsideBounds
from tilery.geo import tms as tms_
from tilery.limits import deadline
from tilery.rendering.encoding import formats

Json = dict[str, Any]

TAG = "Layers"

_OF_LIST = tuple(parameter.name for parameter in table.PAGING)
"""Parameters of documents of many layers that are none of the tiles'."""

LAYER = Parameter(
    name="layer",
    kind=Text(longest=ids.LONGEST),
    description="Id of the layer; one in folders is written with them, as `alps/2024/ortho`.",
    where="path",
    required=True,
)
REVISION = Parameter(
    name="revision",
    kind=Text(longest=64),
    description="An earlier revision of a published layer, of those that `revisions` of its TileJSON names.",
)
_VARIABLE: Group = (
    replace(optional(zarrs.VARIABLE), description="Of a layer that is a Zarr. Name of the variable."),
    *zarrs.VARIABLE_PARAMETERS[1:],
)
_BANDS: Group = (
    *mosaics.MOSAIC_BANDS,
    replace(optional(table.ASSETS), description=f"Of a layer that is a STAC Item. {table.ASSETS.description}"),
    table.ASSET_AS_BAND,
    *_VARIABLE,
)
"""What chooses bands of layers of every kind."""


async def of(app: AppContext, layer_id: str) -> Layer:
    """Return the layer of that id.

    Raises:
        LayerNotFound: there is none.
    """
    catalog = app.catalog
    if catalog is None:
        raise LayerNotFound(parameter="layer")
    layer = catalog.fresh(layer_id)
    if layer is None:
        layer = await app.service.run(lambda: catalog.get(layer_id))
    return layer


async def resolve(app: AppContext, path: PathValues, query: bytes) -> Resolved:
    """Return the layer's query with the request's over it; the raster is the layer's."""
    current = await of(app, path.name("layer"))

    def subject_of(values: Values) -> Subject:
        layer = revised(current, values)
        return Subject(
            source=layer_sources.source_of(app, layer, values),
            base=f"/layers/{layer.id}",
            address=f"/layers/{layer.id}",
            name=layer.id,
            title=layer.id,
            key=f"{layer.id} {layer.revision}",
            layer=layer,
        )

    return merged(current.render, current.styles, query), subject_of


def revised(layer: Layer, values: Values) -> Layer:
    """Return the layer with the data of the revision that the request names.

    Raises:
        RevisionNotFound: there is none of that name.
    """
    revision = groups.revision(values)
    return layer if revision is None else layer.at(revision)


def merged(render: Query, styles: tuple[Any, ...], query: bytes) -> bytes:
    """Return a layer's parameters, those of the style that the query names, and the query's own, encoded.

    Raises:
        InvalidParameter: there is no such style.
        OverLimit: the query is longer than any real one.
    """
    return (_merged_before if len(query) <= LONGEST_KEPT_QUERY else _merged)(render, styles, query)


def _merged(render: Query, styles: tuple[Any, ...], query: bytes) -> bytes:
    own = pairs(query)
    name = dict(own).get("style")
    chosen: Query = ()
    if name:
        found = next((style for style in styles if style.name == name), None)
        if found is None and name != wmts_tile.DEFAULT_STYLE:
            known = ", ".join(style.name for style in styles) or "none"
            raise InvalidParameter(f"The layer has no style of that name. Its styles: {known}.", parameter="style")
        chosen = found.render if found else ()
    return urlencode(over(tuple(own), over(chosen, render))).encode("ascii")


_merged_before = lru_cache(maxsize=1024)(_merged)


LISTED = 60
"""Layers that the landing page shows."""


async def listing(context: RequestContext[None]) -> Response:
    """Return the layers of the catalog, a page of them at a time."""
    is_page = answers.wants_page(context)
    found, links = await layer_pages.requested_page(context, layer_pages.CARDS if is_page else table.MOST_LAYERS)

    beside: Json = {}
    if len(links) > 1:  # not all are here
        beside["links"] = [{"href": href, "rel": rel, "type": answers.JSON} for rel, href in links.items()]

    words = " ".join(context.values.to(groups.Paging).words)
    token = context.request.query_params.get("access_token")

    def body() -> Json:
        return {"layers": [described(context, layer) for layer in found.layers], **beside}

    def encoded() -> Encoded:
        listed = b",".join(json_documents.encode(described(context, layer)) for layer in deadline.paced(found.layers))
        rest = json_documents.encode(beside)[1:]
        return Encoded(body=b'{"layers":[%b]%b%b' % (listed, b"," if beside else b"", rest), media_type=answers.JSON)

    if is_page:
        response = await context.app.service.run(
            lambda: answers.document(
                context, body(), title="Layers", template="layers.html", beside=links, words=words, token=token
            )
        )
    else:
        served = await context.app.service.document(
            _key(context, "layers", found.state), encoded, known=responses.if_none_match(context.request)
        )
        response = responses.response(served, answers.JSON)
        response.headers.add_vary_header("Accept")
    return layer_pages.with_links(response, links)


def _key(context: RequestContext[Any], name: str, state: str) -> str:
    """Return everything that a document of layers is made of."""
    scope = context.request.scope
    base, store = context.app.links.base(scope), stored_tiles.address(context.app, "")
    return f"{name} {state} {base} {store} {scope['path']} {scope['query_string']!r}"


async def first(context: RequestContext[Any]) -> list[Json]:
    """Return the TileJSON documents of the first layers."""
    found = await layer_pages.page(context, listing_.Query(offset=0, limit=LISTED))
    return [described(context, layer) for layer in found.layers]


def described(context: RequestContext[Any], layer: LayerSummary, query: Query = ()) -> Json:
    """Return a layer as a TileJSON document."""
    to, scope = context.app.links.to, context.request.scope
    document: Json = {
        "tilejson": "3.0.0",
        "id": layer.id,
        "name": layer.name,
        "kind": layer.kind,
        "description": layer.description,
        "attribution": layer.attribution or context.app.settings.default_attribution,
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [
            stored_tiles.address(context.app, f"/{layer.id}/{{z}}/{{x}}/{{y}}@2x.png", query)
            or to(scope, f"/{layer.id}/{{z}}/{{x}}/{{y}}@2x.png", query)
        ],
        "minzoom": layer.minzoom,
        "maxzoom": layer.maxzoom,
        "bounds": list(metadata.unwrapped(layer.bounds)),
        "center": [*metadata.centre(layer.bounds), layer.minzoom],
        "revision": layer.revision,
        "revisions": list(layer.revisions) if isinstance(layer, Layer) and len(layer.revisions) > 1 else None,
        "styles": [{"name": style.name, "title": style.title or style.name} for style in layer.styles],
        "published": layer.published,
        "statistics": (dict(layer.statistics) or None) if isinstance(layer, Layer) else None,
    }
    return {name: value for name, value in document.items() if value is not None}


async def tilejson(context: RequestContext[None]) -> Response:
    """Return the layer as a TileJSON document."""
    layer = revised(await of(context.app, context.path.name("layer")), context.values)
    merged(
        layer.render, layer.styles, context.request.scope["query_string"]
    )  # a style that is not there is said so here
    return answers.as_json(
        described(context, layer, tuple(kvp.without(query_of(context.request.scope, without=("f",)))))
    )


async def short_tile(context: RequestContext[TilePlan]) -> Response:
    """Return one tile of a layer by its short address."""
    return await _tile(context, missed=False)


async def unstored_tile(context: RequestContext[TilePlan]) -> Response:
    """Return the same for a caller whom the tile store's website sent here, having no such tile."""
    return await _tile(context, missed=True)


async def _tile(context: RequestContext[TilePlan], *, missed: bool) -> Response:
    layer = context.subject.layer
    try:
        if layer is not None and not layer.minzoom <= context.path.tile[0] <= layer.maxzoom:
            return await tiles.tile(context)  # made of what there is, and in nobody's store: there is no end of them
        return await tiles.tile(context, await stored_tiles.place(context), missed=missed)
    except TileOutsideBounds as error:
        if layer is not None and error.limit is None:
            error.limit = ",".join(f"{edge:.9g}" for edge in layer.bounds)
        raise


async def short_map(context: RequestContext[None]) -> Response:
    """Return the map with this layer on it."""
    layer = await of(context.app, context.path.name("layer"))
    return viewer.map_of_layers(context.request, layer.id)


async def viewer_page(context: RequestContext[None]) -> Response:
    """Return the page on which one decides how the layer is shown."""
    layer = await of(context.app, context.path.name("layer"))
    is_zarr = layer.kind == "zarr"
    return viewer.viewer_of_raster(context.request, f"layers/{layer.id}", needs_url=False, has_dimensions=is_zarr)


def _plan_wmts(app: AppContext, values: Values) -> TileSize:
    """Return the size of tiles; refused where no tile may have it, so that no link leads to an error."""
    size = values.to(TileSize)
    if size.tilesize is not None:
        options.check_tile(app.settings, tilesize=size.tilesize, buffer=None, padding=None)
    return size


async def capabilities(context: RequestContext[TileSize]) -> Response:
    """Return a WMTS document of one layer, or of a page of the catalog."""
    named = context.path.layer
    place = {"layer": named} if named else {}
    tile = await wmts_tile.answer(context, _SHORT_TILE, styles=None, path=place, only=tms_.DEFAULT)
    if tile is not None:
        return tile
    settings, abstract = context.app.settings, None
    beside: dict[str, str] = {}
    if named:
        layer = await of(context.app, named)
        found: tuple[LayerSummary, ...] = (layer,)
        state = f"{layer.id} {layer.version}"
    else:
        page, beside = await layer_pages.requested_page(context)
        found, state = page.layers, page.state
        if "next" in beside:
            abstract = f"A part of {page.total} layers. The next part: {beside['next']}"
    to, scope = context.app.links.to, context.request.scope
    address = to(scope, scope["path"], kvp.without(query_of(scope)))

    def work() -> Encoded:
        entries = [_entry(context, layer, ranged=not named) for layer in deadline.paced(found)]
        text = wmts.capabilities(
            [entry for entry in entries if entry is not None],
            address=address,
            title=settings.name,
            provider=settings.name,
            abstract=abstract,
            templates=settings.template_directory,
        )
        return Encoded(body=text.encode(), media_type=wmts.MEDIA_TYPE)

    served = await context.app.service.document(
        _key(context, "wmts", state), work, known=responses.if_none_match(context.request)
    )
    return layer_pages.with_links(responses.response(served, wmts.MEDIA_TYPE), beside)


def _entry(context: RequestContext[TileSize], layer: LayerSummary, *, ranged: bool) -> wmts.WmtsLayer | None:
    """Return a layer as its WMTS document has it; see `wmts.layer`."""
    to, scope, row = context.app.links.to, context.request.scope, formats.get("png")
    query = kvp.without(query_of(scope, without=_OF_LIST))
    # A style that the caller chose is in the addresses; else the client chooses one of all.
    styles = (
        () if groups.style(context.values) else tuple((style.name, style.title or style.name) for style in layer.styles)
    )
    chosen = [*query, ("style", "{Style}")] if styles else query
    path = f"/{layer.id}/{{TileMatrix}}/{{TileCol}}/{{TileRow}}.{row.name}"
    return wmts.layer(
        identifier=layer.id,
        title=layer.name,
        geographic=layer.bounds,
        zooms=(layer.minzoom, layer.maxzoom),
        tiles=stored_tiles.address(context.app, path, chosen) or to(scope, path, chosen, template=("Style",)),
        media_type=row.media_type,
        styles=styles,
        abstract=layer.description,
        tilesize=context.plan.tilesize,
        ranged=ranged,
    )


FAMILY = Family(
    name="layers",
    path="/layers/{layer}",
    tag=TAG,
    parameters=(LAYER, table.STYLE, REVISION),
    bands=_BANDS,
    resolve=resolve,
)

_SHORT_FAMILY = replace(FAMILY, name="layer", path="/{layer}", documented=True)
_SHORT_TILE: Operation[TilePlan] = replace(
    bound(_SHORT_FAMILY, tiles.ANY_TILE),
    id=".layer.getTile",
    paths=("/{layer}/{z}/{x}/{y}.{format}", "/{layer}/{z}/{x}/{y}@{scale}x.{format}", "/{layer}/{z}/{x}/{y}"),
    parameters=(LAYER, table.STYLE, REVISION, *with_bands(FAMILY, tiles.SHORT)),
    answer=short_tile,
    summary="Tile of a layer",
    description="One tile of a layer as a picture.",
    documented=True,
)

UNSTORED = "/unstored"
"""What the website of a tile store puts before the path of a tile that it has not got."""
_UNSTORED_TILE: Operation[TilePlan] = replace(
    _SHORT_TILE,
    id=".unstored.getTile",
    paths=tuple(f"{UNSTORED}{path}" for path in _SHORT_TILE.paths),
    answer=unstored_tile,
    documented=False,
)


def _page(
    name: str, path: str, answer: Any, summary: str, produces: Any, *more: Parameter, plan: Any = no_plan
) -> Operation[Any]:
    named = (LAYER,) if "{layer}" in path else ()
    return Operation(
        id=name,
        paths=(path,),
        parameters=(*named, *more),
        plan=plan,
        answer=answer,
        tag=TAG,
        summary=summary,
        produces=produces,
    )


_XML = {200: {"description": "A WMTS document.", "content": {wmts.MEDIA_TYPE: {}}}}


def _of_variable(operation: Operation[Any]) -> Operation[Any]:
    """Return a verb that takes the variable of a Zarr also where it chooses no bands: each has facts of its own."""
    if zarrs.SEL in operation.parameters:
        return operation
    return replace(operation, parameters=(*operation.parameters, *_VARIABLE))


OPERATIONS: tuple[Operation[Any], ...] = (
    _page("getLayers", "/layers", listing, "Layers", answers.PRODUCES, table.PAGE_FORMAT, *table.PAGING),
    _page(
        "getLayersWMTS",
        "/wmts",
        capabilities,
        "WMTS of all layers",
        _XML,
        table.TILESIZE,
        *table.PAGING,
        plan=_plan_wmts,
    ),
    wms.of_all(FAMILY, TAG),
    _page(".layers.getViewer", "/layers/{layer}/viewer", viewer_page, "Viewer", tilesets.HTML),
    *map(_of_variable, (*verbs.operations(FAMILY), bound(FAMILY, layer_dimensions.OPERATION))),
    _page("getLayer", "/layers/{layer}", tilejson, "TileJSON of a layer", responses.produces(), table.STYLE, REVISION),
)
SHORT: tuple[Operation[Any], ...] = (
    _UNSTORED_TILE,
    _SHORT_TILE,
    _page(
        ".layer.getWMTS",
        "/{layer}/wmts",
        capabilities,
        "WMTS of a layer",
        _XML,
        table.STYLE,
        table.TILESIZE,
        plan=_plan_wmts,
    ),
    bound(_SHORT_FAMILY, wms.SERVICE),
    _page(".layer.getMap", "/{layer}/map", short_map, "Map of a layer", tilesets.HTML),
    _page(
        ".layer.getTileJSON",
        "/{layer}",
        tilejson,
        "TileJSON of a layer",
        responses.produces(),
        table.STYLE,
        REVISION,
    ),
)
"""Routes that begin with the layer's id: they come after all others."""


def fast_routes(app: AppContext) -> list[FastRoute]:
    """Return the short ways to tiles of layers."""
    layer = rf"(?P<layer>{ids.pattern()})"
    return [
        fast_route(f"/{layer}{tiles.PLACE}", _SHORT_TILE, app),
        fast_route(f"{UNSTORED}/{layer}{tiles.PLACE}", _UNSTORED_TILE, app),
        fast_route(f"/layers/{layer}{tiles.FAST_ROUTE}", bound(FAMILY, tiles.ANY_TILE), app),
    ]
