"""``/collections``: the layers as OGC API - Common, part 2 (20-024), lists them for its clients."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.api import answers, json_documents, layer_pages, responses
from app.api.families import layers
from app.api.operation import Operation, RequestContext, no_plan
from app.api.params.table import MOST_LAYERS, PAGE_FORMAT, PAGING
from app.serving.encoded import Encoded
from tilery.catalog.layer import LayerSummary
from tilery.geo import crs as crs_
from tilery.geo import tms
from tilery.geo.raster import Crs
from tilery.limits import deadline

Json = dict[str, Any]

TAG = "OGC Common"
_MAP = "http://www.opengis.net/def/rel/ogc/1.0/map"
_TILESETS = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-map"
_JSON = f"{answers.JSON};charset=utf-8"
"""JSON as GDAL does not spell it: before 3.7 it misplaces the tiles of a set that has limits, and now takes the map."""
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


async def listing(context: RequestContext[None]) -> Response:
    """Return layers as collections, a page of them at a time."""
    is_page = answers.wants_page(context)
    found, beside = await layer_pages.requested_page(context, layer_pages.CARDS if is_page else MOST_LAYERS)

    def body() -> Json:
        return {
            "links": [{"href": href, "rel": rel, "type": answers.JSON} for rel, href in beside.items()],
            "numberMatched": found.total,
            "numberReturned": len(found.layers),
            "collections": [described(context, layer) for layer in deadline.paced(found.layers)],
        }

    if is_page:
        entries = [{"name": layer.name, "path": f"collections/{layer.id}"} for layer in found.layers]
        response = await context.app.service.run(
            lambda: answers.document(context, body(), title="Collections", description="The layers.", entries=entries)
        )
    else:
        scope = context.request.scope
        key = f"collections {found.state} {context.app.links.base(scope)} {scope['query_string']!r}"
        served = await context.app.service.document(
            key,
            lambda: Encoded(body=json_documents.encode(body()), media_type=answers.JSON),
            known=responses.if_none_match(context.request),
        )
        response = responses.response(served, answers.JSON)
        response.headers.add_vary_header("Accept")
    return layer_pages.with_links(response, beside)


async def collection(context: RequestContext[None]) -> Response:
    """Return one layer as a collection."""
    layer = await layers.of(context.app, context.path.name("layer"))
    return answers.document(context, described(context, layer), title=layer.name, description=layer.description)


def described(context: RequestContext[Any], layer: LayerSummary) -> Json:
    """Return a layer with its extent and the addresses of its maps and tilesets."""
    to, scope = context.app.links.to, context.request.scope
    links = [
        {"href": to(scope, f"/collections/{layer.id}"), "rel": "self", "type": answers.JSON, "title": layer.name},
        {"href": to(scope, f"/layers/{layer.id}/tiles"), "rel": _TILESETS, "type": _JSON, "title": "Tilesets"},
        *(
            {
                "href": to(scope, f"/layers/{layer.id}/map", [("crs", "OGC:CRS84"), *query]),
                "rel": _MAP,
                "type": media_type,
                "title": f"Map in degrees as {media_type}",
            }
            for media_type, query in (("image/png", []), ("image/jpeg", [("f", "jpeg")]))
        ),
        {"href": to(scope, f"/{layer.id}/map"), "rel": "preview", "type": answers.HTML, "title": "Page with a map"},
    ]
    document: Json = {
        "id": layer.id,
        "title": layer.name,
        "description": layer.description,
        "attribution": layer.attribution or context.app.settings.default_attribution,
        "extent": {"spatial": {"bbox": [list(layer.bounds)], "crs": _CRS84}},
        "dataType": "map",
        "scaleDenominator": tms.get(tms.DEFAULT).matrix(layer.maxzoom).scale_denominator,
        "crs": [_CRS84, *(crs_.uri(Crs(code)) for code in ("EPSG:3857", "EPSG:4326"))],
        "links": links,
    }
    return {name: value for name, value in document.items() if value is not None}


OPERATIONS: tuple[Operation[None], ...] = (
    Operation(
        id="getCollections",
        paths=("/collections",),
        parameters=(*PAGING, PAGE_FORMAT),
        answer=listing,
        plan=no_plan,
        tag=TAG,
        summary="Collections",
        description="The layers as collections.",
        produces=answers.PRODUCES,
    ),
    Operation(
        id="getCollection",
        paths=("/collections/{layer}",),
        parameters=(layers.LAYER, PAGE_FORMAT),
        answer=collection,
        plan=no_plan,
        tag=TAG,
        summary="Collection",
        description="A layer as a collection: its extent, maps and tilesets.",
        produces=answers.PRODUCES,
    ),
)
